// CIFARSource: CIFAR-10 and CIFAR-100 in their binary version, as a folder or as the distributed
// archive. An incomplete data set is refused.

/// CIFAR-10 or CIFAR-100.
public struct CIFARSource: DatasetSource {
    /// The archive, the folder with the data files, or a folder that contains one of these two.
    public let root: ByteName
    /// How the data set is read.
    public let options: SourceOptions

    /// The form of the data set.
    public var form: DatasetForm { .cifar }

    /// Takes the path and the options, and reads nothing yet.
    public init(_ root: ByteName, options: SourceOptions = SourceOptions()) {
        self.root = root
        self.options = options
    }

    /// The most bytes that are read of the file with the class names.
    private static let mostNameBytes = 1 << 16
    /// The most records of an import unit: as many as a file of CIFAR-10 has, 30 MB of pixels.
    private static let unitRecords = 10_000

    /// Where the files are.
    private enum Place {
        case folder(ByteName, CIFARVariant)
        case archive(ByteName)
    }

    /// The content of the file with the class names, and the sizes of the data files.
    private struct Found {
        var names: [UInt8]?
        var bytes: [ByteName: Int] = [:]
    }

    /// Reads the class names and the sizes of the data files, or the whole archive once; see `DatasetSource`.
    ///
    /// Errors: `unreadable` if a file is missing; `truncated` if a data file is empty; `wrongFormat` for the Python
    /// version and for other archives; `wrongDimensions` if a data file has an incomplete record, or there is not
    /// exactly one name per class; those of `TarReader`.
    public func survey(_ visit: SourceVisitor) throws -> DatasetSurvey {
        let place = try locate()
        let (variant, found) = try look(place)
        let base = base(place)
        guard let names = found.names else {
            throw missing(variant.namesFile, base)
        }
        let classes = try variant.names(names, file: base.appending(ByteName(variant.namesFile)))
        var units: [ImportUnit] = []
        var counts: [DatasetPart: Int] = [:]
        for (name, part) in variant.files {
            let file = ByteName(name)
            guard let bytes = found.bytes[file] else { throw missing(name, base) }
            let total = try variant.records(bytes: bytes, file: base.appending(file))
            counts[part, default: 0] += total
            for start in stride(from: 0, to: total, by: Self.unitRecords) {
                units.append(
                    ImportUnit(
                        index: units.count, count: min(Self.unitRecords, total - start),
                        content: .records(
                            ImportUnit.Records(file: file, part: part, start: start, total: total)))
                )
            }
        }
        return DatasetSurvey(
            form: form, classes: classes,
            parts: [DatasetPart.train, .test].map {
                DatasetSurvey.Part(part: $0, count: counts[$0], classCounts: [])
            },
            isSplitByHash: false, ignored: DatasetSurvey.Tally(), refused: DatasetSurvey.Tally(),
            units: units)
    }

    /// Reads records of one file; see `DatasetSource`.
    ///
    /// Errors: `wrongDimensions` for a label out of range; `unreadable` if the file's size has
    /// changed; those of `TarReader`.
    public func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws {
        guard case .records(let records) = unit.content, let count = unit.count,
            let variant = CIFARVariant.allCases.first(where: { $0.classCount == classes.count }),
            count >= 0, records.start >= 0, records.total <= Int.max / variant.recordBytes,
            records.start <= records.total, count <= records.total - records.start
        else { throw DatasetError(.wrongFormat, "unit \(unit.index) is not one of \(root)") }
        let place = try locate()
        let path = base(place).appending(records.file)
        let total = records.total * variant.recordBytes
        let start = records.start * variant.recordBytes
        let take: () throws -> [UInt8]
        switch place {
        case .folder:
            let stream = try ByteStream(path)
            guard stream.fileBytes == total, try stream.skip(start) == start else {
                throw changed(path)
            }
            take = { try stream.take(atMost: variant.recordBytes) }
        case .archive(let archive):
            let reader = TarReader(try ByteStream(archive))
            guard try Self.find(records.file, in: reader)?.size == total else {
                throw changed(path)
            }
            try reader.skip(start)
            take = { try reader.content(atMost: variant.recordBytes) }
        }
        for index in records.start..<records.start + count {
            let record = try take()
            guard record.count == variant.recordBytes else { throw changed(path) }
            let (classIndex, pixels) = try variant.decode(record, index: index, file: path)
            try visit(
                .sample(
                    SourceSample(
                        file: records.file, key: ByteName("\(index)"), part: records.part,
                        classIndex: classIndex,
                        content: .pixels(
                            height: CIFARVariant.side, width: CIFARVariant.side, channels: 3, pixels
                        ))))
        }
    }

    private static func find(
        _ name: ByteName, in reader: TarReader
    ) throws(DatasetError) -> TarMember? {
        while let member = try reader.next() {
            if member.kind == .file && member.name.lastPart.elementsEqual(name.bytes) {
                return member
            }
        }
        return nil
    }

    private func base(_ place: Place) -> ByteName {
        switch place {
        case .folder(let path, _), .archive(let path): path
        }
    }

    private func locate() throws(DatasetError) -> Place {
        guard try FileKind(root) == .folder else {
            if let variant = try Self.pythonFile(root) { throw variant.python(root) }
            return .archive(root)
        }
        let entries = try FolderEntries(root)
        func holds(_ name: ByteName) -> Bool { entries.index(of: name) != nil }
        let variants = CIFARVariant.allCases.filter { $0.signs.contains(where: holds) }
        guard let variant = variants.first else {
            if let python = CIFARVariant.pythonSigns.first(where: { holds($0.name) }) {
                throw python.variant.python(root.appending(python.name))
            }
            throw DatasetError(
                .unreadable, "\(root) has no files of CIFAR such as data_batch_1.bin or train.bin",
                remedy: "name the folder \(CIFARVariant.ten.folder), or its archive")
        }
        guard variants.count == 1 else {
            throw DatasetError(
                .wrongFormat, "\(root) holds files of CIFAR-10 and of CIFAR-100",
                remedy: "name the folder or the archive of one of them")
        }
        // The archive often lies beside the folder that was extracted from it; in this case, the folder is read.
        if holds(ByteName(variant.folder)) {
            return .folder(root.appending(ByteName(variant.folder)), variant)
        }
        let archive = ByteName(variant.archive)
        return holds(archive)
            ? .archive(root.appending(archive)) : .folder(root, variant)
    }

    /// Returns the variant of CIFAR to which a Python pickle file belongs; nil if the file is not a
    /// pickle.
    static func pythonFile(_ path: ByteName) throws(DatasetError) -> CIFARVariant? {
        var start = [UInt8](repeating: 0, count: 2)
        // Pickle files of protocol 2 or later begin with 0x80 and the number of the protocol.
        guard try InputFile(path).read(into: &start) == 2, start[0] == 0x80,
            (2...5).contains(start[1])
        else { return nil }
        let known = CIFARVariant.pythonSigns.first { path.lastPart.elementsEqual($0.name.bytes) }
        return known?.variant ?? .ten
    }

    private func look(_ place: Place) throws(DatasetError) -> (CIFARVariant, Found) {
        switch place {
        case .folder(let folder, let variant): (variant, try look(variant, in: folder))
        case .archive(let archive): try look(archive: archive)
        }
    }

    private func look(
        _ variant: CIFARVariant, in folder: ByteName
    ) throws(DatasetError) -> Found {
        let entries = try FolderEntries(folder)
        var found = Found()
        let namesFile = ByteName(variant.namesFile)
        if entries.index(of: namesFile) != nil {
            let stream = try ByteStream(folder.appending(namesFile))
            found.names = try stream.take(atMost: Self.mostNameBytes)
        }
        for file in variant.files.map({ ByteName($0.name) }) where entries.index(of: file) != nil {
            let path = folder.appending(file)
            if let python = try Self.pythonFile(path) { throw python.python(path) }
            found.bytes[file] = try InputFile(path).state.size
        }
        return found
    }

    /// Reads an archive to its end, so that gzip's checksum is verified.
    private func look(archive: ByteName) throws(DatasetError) -> (CIFARVariant, Found) {
        let reader = TarReader(try ByteStream(archive))
        var all: [CIFARVariant: Found] = [:]
        var python: CIFARVariant?
        while let member = try reader.next() {
            let name = ByteName(member.name.lastPart)
            python =
                python ?? CIFARVariant.pythonSigns.first { $0.name == name }?.variant
                ?? (member.name.bytes.starts(with: "cifar-100-python".utf8) ? .hundred : nil)
            // Skips folders, because the archive's own folder has one of the names in `signs`.
            if member.kind == .folder { continue }
            for variant in CIFARVariant.allCases where variant.signs.contains(name) {
                guard member.kind == .file else {
                    throw DatasetError(
                        .wrongFormat, "\(archive): \(member.name) is not a regular file")
                }
                var found = all[variant] ?? Found()
                let isNames = name == ByteName(variant.namesFile)
                guard found.bytes[name] == nil, !isNames || found.names == nil else {
                    throw DatasetError(.wrongFormat, "\(archive) has \(name) twice")
                }
                if isNames {
                    found.names = try reader.content(atMost: Self.mostNameBytes)
                } else {
                    found.bytes[name] = member.size
                }
                all[variant] = found
            }
        }
        if all.isEmpty, let python { throw python.python(archive) }
        guard let (variant, found) = all.first, all.count == 1 else {
            throw DatasetError(
                .wrongFormat,
                all.isEmpty
                    ? "\(archive) has no files of CIFAR such as data_batch_1.bin or train.bin"
                    : "\(archive) holds files of CIFAR-10 and of CIFAR-100",
                remedy: "use \(CIFARVariant.ten.archive) or \(CIFARVariant.hundred.archive)")
        }
        return (variant, found)
    }

    private func missing(_ name: String, _ base: ByteName) -> DatasetError {
        DatasetError(
            .unreadable, "\(base): \(name) is missing", remedy: "download the data set again")
    }

    private func changed(_ path: ByteName) -> DatasetError {
        DatasetError(
            .unreadable, "\(path) is not the file that was listed",
            remedy: "import again when nothing writes to it")
    }
}
