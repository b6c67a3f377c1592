// WebDatasetSource: tar archives of pictures with their labels. Folders named train, val and test, or these words in
// the names of archives, determine the parts; otherwise `HashSplit` does. Format:
// https://github.com/webdataset/webdataset, "The WebDataset Format".

/// A folder of archives, or one archive.
public struct WebDatasetSource: DatasetSource {
    /// The folder or the archive.
    public let root: ByteName
    /// How the data set is read.
    public let options: SourceOptions

    /// The form of the data set.
    public var form: DatasetForm { .webDataset }

    /// Takes the path and the options, and reads nothing yet.
    public init(_ root: ByteName, options: SourceOptions = SourceOptions()) {
        self.root = root
        self.options = options
    }

    /// An archive and its part.
    private struct Shard {
        let path: ByteName
        let part: DatasetPart?
    }

    private static let endings = [".tar", ".tar.gz", ".tgz"].map { Array($0.utf8) }

    /// Returns whether a file is an archive by its name.
    static func isShard(_ name: ArraySlice<UInt8>) -> Bool {
        let small = name.map(ByteName.lowered)
        return small.first != UInt8(ascii: ".")
            && endings.contains { small.reversed().starts(with: $0.reversed()) }
    }

    /// Lists the archives; see `DatasetSource`. Classes and counts are not known before all
    /// archives are read.
    ///
    /// Errors: `unreadable` if the folder cannot be listed or holds no archive; `wrongFormat` if
    /// the part of some archives is known and that of others is not, or if no archive belongs to
    /// train.
    public func survey(_ visit: SourceVisitor) throws -> DatasetSurvey {
        var ignored = DatasetSurvey.Tally(), refused = DatasetSurvey.Tally()
        let shards = try shards { event in
            switch event {
            case .ignored(let notice): ignored.add(notice)
            case .refused(let notice): refused.add(notice)
            case .sample: break
            }
            try visit(event)
        }
        var units: [ImportUnit] = []
        for part in [nil] + DatasetPart.allCases {
            for shard in shards where shard.part == part {
                let bytes = try InputFile(root.appending(shard.path)).state.size
                units.append(
                    ImportUnit(
                        index: units.count, count: nil,
                        content: .shard(
                            ImportUnit.Shard(file: shard.path, part: shard.part, bytes: bytes))))
            }
        }
        let isSplitByHash = shards.allSatisfy { $0.part == nil }
        let parts = DatasetPart.allCases.filter { part in
            isSplitByHash ? part != .test : shards.contains { $0.part == part }
        }
        return DatasetSurvey(
            form: form, classes: [],
            parts: parts.map { DatasetSurvey.Part(part: $0, count: nil, classCounts: []) },
            isSplitByHash: isSplitByHash, ignored: ignored, refused: refused, units: units)
    }

    /// Reads one archive; see `DatasetSource`.
    ///
    /// Errors: those of `WebDatasetShard`; `unreadable` if the archive's size has changed.
    public func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws {
        guard case .shard(let shard) = unit.content else {
            throw DatasetError(.wrongFormat, "unit \(unit.index) is not one of \(root)")
        }
        let stream = try ByteStream(root.appending(shard.file))
        guard stream.fileBytes == shard.bytes else {
            throw DatasetError(
                .unreadable,
                "\(stream.path) has \(stream.fileBytes) bytes, and had \(shard.bytes) when it was "
                    + "listed", remedy: "import again when nothing writes to it")
        }
        let name = shard.file.bytes.isEmpty ? ByteName(root.lastPart) : shard.file
        var reader = WebDatasetShard(file: name, part: shard.part, options: options)
        try reader.read(stream, visit)
    }

    private func shards(_ visit: SourceVisitor) throws -> [Shard] {
        guard try FileKind(root) == .folder else { return [Shard(path: ByteName(""), part: nil)] }
        var shards: [Shard] = []
        let entries = try FolderEntries(root)
        for index in 0..<entries.count {
            let name = ByteName(entries.name(index))
            guard entries.kind(index) == .folder else {
                if try note(name, entries.kind(index), visit) {
                    shards.append(Shard(path: name, part: try Self.part(inName: name)))
                }
                continue
            }
            guard let part = ImageFolderLayout.part(of: name) else {
                try visit(.ignored(name, "folder that is no part"))
                continue
            }
            let below = try FolderEntries(root.appending(name))
            for index in 0..<below.count {
                let path = name.appending(ByteName(below.name(index)))
                if try note(path, below.kind(index), visit) {
                    shards.append(Shard(path: path, part: part))
                }
            }
        }
        try check(shards)
        return shards
    }

    /// Returns whether an entry is an archive; if not, calls `visit` with the reason.
    private func note(
        _ path: ByteName, _ kind: FolderEntries.Kind, _ visit: SourceVisitor
    ) throws -> Bool {
        guard Self.isShard(path.lastPart) else {
            try visit(.ignored(path, "not an archive by its name"))
            return false
        }
        switch kind {
        case .file: return true
        case .danglingLink: try visit(.refused(path, "link that leads nowhere"))
        case .linkLoop: try visit(.refused(path, "link that leads to itself"))
        case .folder, .special, .unknown: try visit(.refused(path, "not a regular file"))
        }
        return false
    }

    /// Returns the part that is a word of an archive's name, such as train in `set-train-0001.tar`; nil if no word is a
    /// part.
    private static func part(inName name: ByteName) throws(DatasetError) -> DatasetPart? {
        let words = name.bytes.split { !(UInt8(ascii: "a")...0x7A).contains(ByteName.lowered($0)) }
        let parts = Set(words.compactMap { ImageFolderLayout.part(of: ByteName($0)) })
        guard parts.count <= 1 else {
            throw DatasetError(
                .wrongFormat, "the name of \(name) tells several parts",
                remedy: "move the archives to folders train, val and test")
        }
        return parts.first
    }

    private func check(_ shards: [Shard]) throws(DatasetError) {
        guard let first = shards.first else {
            throw DatasetError(
                .unreadable, "\(root) has no archives (.tar, .tar.gz, .tgz)",
                remedy: "name the folder that holds them")
        }
        guard let odd = shards.first(where: { ($0.part == nil) != (first.part == nil) }) else {
            guard first.part == nil || shards.contains(where: { $0.part == .train }) else {
                throw DatasetError(
                    .wrongFormat, "\(root) has archives of \(first.path) and none of train",
                    remedy: "add those of train")
            }
            return
        }
        let (known, unknown) = first.part == nil ? (odd, first) : (first, odd)
        throw DatasetError(
            .wrongFormat,
            "\(root): the name of \(known.path) tells its part, that of \(unknown.path) does not",
            remedy: "move the archives to folders train, val and test")
    }
}
