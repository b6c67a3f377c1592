// Recognises the form of a data set by the names of files and folders, and by the first members of
// an archive. If no form or more than one form is possible, the error says what was looked for and
// found.
import Foundation

extension DatasetForm {
    /// Opens the data set at `path` in the form `stated`, or in the form that is recognised if
    /// `stated` is nil.
    ///
    /// Errors: `unreadable` if there is nothing to read; `wrongFormat` if no form or several are
    /// recognised.
    public static func open(
        _ path: String, stated: DatasetForm? = nil, options: SourceOptions = SourceOptions()
    ) throws(DatasetError) -> any DatasetSource {
        let root = ByteName(path)
        let form = if let stated { stated } else { try recognised(root) }
        switch form {
        case .imageFolder: return ImageFolderSource(root, options: options)
        case .webDataset: return WebDatasetSource(root, options: options)
        case .cifar: return CIFARSource(root, options: options)
        case .idx: return IDXSource(root, options: options)
        }
    }

    /// Returns the form of the data set at `root`.
    ///
    /// Errors: see `open`.
    static func recognised(_ root: ByteName) throws(DatasetError) -> DatasetForm {
        guard try FileKind(root) == .folder else { return try recognisedFile(root) }
        let entries = try FolderEntries(root)
        var found: [(form: DatasetForm, sign: ByteName)] = []
        if let sign = cifarSign(entries) { found.append((.cifar, sign)) }
        if let sign = try idxSign(root, entries) { found.append((.idx, sign)) }
        if let sign = try shardSign(root, entries) { found.append((.webDataset, sign)) }
        if let sign = try pictureSign(root) { found.append((.imageFolder, sign)) }
        guard let first = found.first else { throw nothing(root, entries) }
        guard found.count == 1 else {
            let signs = found.map { "\($0.form.rawValue) (\($0.sign))" }
            throw DatasetError(
                .wrongFormat, "\(root) may be of several forms: \(signs.joined(separator: ", "))",
                remedy: "state which one as format, or move the rest out of it")
        }
        return first.form
    }

    /// Returns a name by which CIFAR is recognised. The Python version is recognised too, so that the import can
    /// explain why it refuses this version.
    private static func cifarSign(_ entries: FolderEntries) -> ByteName? {
        let python = Set(CIFARVariant.pythonSigns.map(\.name))
        let signs = CIFARVariant.allCases.reduce(python) { $0.union($1.signs) }
        // A file or folder `train.bin` or `test.bin` alone is no sign of CIFAR; both together are.
        let weak = Set([ByteName("train.bin"), ByteName("test.bin")])
        return signs.subtracting(weak).filter { entries.index(of: $0) != nil }.min()
            ?? (weak.allSatisfy { entries.index(of: $0) != nil } ? weak.min() : nil)
    }

    /// Returns a name by which IDX is recognised, in the folder or in its subfolder `raw`.
    private static func idxSign(
        _ root: ByteName, _ entries: FolderEntries
    ) throws(DatasetError) -> ByteName? {
        func sign(_ entries: FolderEntries) -> ByteName? {
            let ends = ["-ubyte", "-ubyte.gz"].map { Array($0.utf8.reversed()) }
            return (0..<entries.count).first { index in
                // The folder may be large, so only names with a matching end are converted to text.
                let name = entries.name(index)
                return ends.contains { name.reversed().starts(with: $0) }
                    && String(validating: name, as: UTF8.self).flatMap(IDXName.init) != nil
            }.map { ByteName(entries.name($0)) }
        }
        if let found = sign(entries) { return found }
        let raw = ByteName("raw")
        let hasRaw = entries.index(of: raw).map { entries.kind($0) == .folder }
        return hasRaw == true
            ? sign(try FolderEntries(root.appending(raw))).map(raw.appending) : nil
    }

    /// Returns an archive that is not CIFAR's, in the root or in the folder of a part such as
    /// `train`.
    private static func shardSign(
        _ root: ByteName, _ entries: FolderEntries
    ) throws(DatasetError) -> ByteName? {
        let others = Set(CIFARVariant.allCases.map { ByteName($0.archive) }).union(
            CIFARVariant.pythonSigns.map(\.name))
        func sign(_ entries: FolderEntries) -> ByteName? {
            (0..<entries.count).first {
                entries.kind($0) == .file && WebDatasetSource.isShard(entries.name($0))
                    && !others.contains(ByteName(entries.name($0)))
            }.map { ByteName(entries.name($0)) }
        }
        if let found = sign(entries) { return found }
        for index in 0..<entries.count where entries.kind(index) == .folder {
            let name = ByteName(entries.name(index))
            guard ImageFolderLayout.part(of: name) != nil else { continue }
            if let found = sign(try FolderEntries(root.appending(name))) {
                return name.appending(found)
            }
        }
        return nil
    }

    /// Returns the first picture found in the folders below the root. The number and the depth of
    /// the searched folders are limited.
    private static func pictureSign(_ root: ByteName) throws(DatasetError) -> ByteName? {
        let mostFolders = 1000, mostDepth = 4
        var waiting = [(path: ByteName(""), depth: 0)]
        var next = 0
        while next < waiting.count, next < mostFolders {
            let (path, depth) = waiting[next]
            next += 1
            let entries: FolderEntries
            do throws(DatasetError) {
                entries = try FolderEntries(root.appending(path))
            } catch {
                // Skips a folder that cannot be listed: the survey will report it.
                if depth == 0 { throw error }
                continue
            }
            for index in 0..<entries.count {
                let name = entries.name(index)
                switch entries.kind(index) {
                case .folder:
                    guard PictureNames.notAClass(name) == nil, depth < mostDepth,
                        waiting.count < 100 * mostFolders
                    else { continue }
                    waiting.append((path.appending(ByteName(name)), depth + 1))
                case .file, .special, .danglingLink, .linkLoop, .unknown:
                    guard depth > 0 else { continue }
                    if case .ignored = PictureNames.verdict(name, .file) { continue }
                    return path.appending(ByteName(name))
                }
            }
        }
        return nil
    }

    private static func recognisedFile(_ root: ByteName) throws(DatasetError) -> DatasetForm {
        if let variant = try CIFARSource.pythonFile(root) { throw variant.python(root) }
        let reader = TarReader(try ByteStream(root))
        let signs = CIFARVariant.allCases.reduce(Set(CIFARVariant.pythonSigns.map(\.name))) {
            $0.union($1.signs)
        }
        // In CIFAR's archives, the data files are among the first members.
        var seen = 0
        while seen < 16, let member = try reader.next() {
            seen += 1
            let parts = member.name.bytes.split(separator: UInt8(ascii: "/"))
            if parts.contains(where: { signs.contains(ByteName($0)) }) { return .cifar }
        }
        return .webDataset
    }

    private static func nothing(_ root: ByteName, _ entries: FolderEntries) -> DatasetError {
        let names = (0..<min(5, entries.count)).map { ByteName(entries.name($0)).description }
        let holds =
            names.isEmpty
            ? "it is empty"
            : "it holds \(names.joined(separator: ", "))\(entries.count > 5 ? ", …" : "")"
        let hasPictures = (0..<entries.count).contains {
            PictureNames.verdict(entries.name($0), entries.kind($0)) == .picture
        }
        return DatasetError(
            names.isEmpty ? .unreadable : .wrongFormat,
            "\(root) is no data set that is known: looked for class folders with pictures (.jpg, "
                + ".jpeg, .png), archives (.tar, .tar.gz, .tgz), CIFAR's binary version "
                + "(data_batch_1.bin) and IDX files (train-images-idx3-ubyte); \(holds)",
            remedy: hasPictures
                ? "put the pictures of each class in a folder named for it"
                : "name the folder that holds the data set, or state its format")
    }
}
