// ImageFolderLayout: decides whether the folders in an image folder's root are parts or classes, and lists the classes
// of a part. If both are possible, it throws an error, so that a class is never treated as a part without notice.

/// The parts of an image folder.
struct ImageFolderLayout {
    /// A part and its folder.
    struct Part {
        /// Which part; nil if the root contains the classes.
        let part: DatasetPart?
        /// The folder's path below the root; empty for the root.
        let folder: ByteName
    }

    /// The parts, in the order train, val, test.
    let parts: [Part]
    /// The folders above the parts' folders; links back to them are not followed.
    let above: [FolderEntries.Identity]
    private let entries: FolderEntries

    /// The names of folders of parts, in lower case.
    static let names: [(name: String, part: DatasetPart)] = [
        ("train", .train), ("val", .val), ("valid", .val), ("validation", .val), ("test", .test),
    ]

    /// Determines the layout from the folders in `root`.
    ///
    /// Errors: `unreadable`; `wrongFormat` if it is not clear which folders are parts and which are classes.
    init(_ root: ByteName) throws(DatasetError) {
        entries = try FolderEntries(root)
        above = [entries.identity]
        var found: [Part] = [], others: [ByteName] = []
        for index in 0..<entries.count where entries.kind(index) == .folder {
            let name = ByteName(entries.name(index))
            if let part = Self.part(of: name) {
                found.append(Part(part: part, folder: name))
            } else if PictureNames.notAClass(entries.name(index)) == nil {
                others.append(name)
            }
        }
        if found.isEmpty || (found.count == 1 && !others.isEmpty) {
            if let single = found.first { try Self.checkIsClass(single, in: root, others) }
            parts = [Part(part: nil, folder: ByteName(""))]
            return
        }
        parts = DatasetPart.allCases.flatMap { part in found.filter { $0.part == part } }
        try Self.check(parts, others, root)
    }

    private static func check(
        _ parts: [Part], _ others: [ByteName], _ root: ByteName
    ) throws(DatasetError) {
        let names = parts.map(\.folder.description).joined(separator: ", ")
        guard others.isEmpty else {
            let some = others.prefix(5).map(\.description).joined(separator: ", ")
            throw DatasetError(
                .wrongFormat,
                "\(root) has folders of parts (\(names)) and others (\(some)"
                    + "\(others.count > 5 ? ", …" : "")): parts and classes are not to be told apart",
                remedy: "move the others out of it, or all classes below train")
        }
        guard parts.first?.part == .train else {
            throw DatasetError(
                .wrongFormat, "\(root) has \(names) and no train",
                remedy: "add train, which determines the classes and their indices")
        }
        guard Set(parts.map(\.part)).count == parts.count else {
            throw DatasetError(
                .wrongFormat, "\(root) has two folders for one part: \(names)",
                remedy: "keep one of them")
        }
    }

    /// Throws unless `single` is a class. A folder with a part's name beside class folders, such as
    /// `train` beside `bus`, is a class if it contains pictures or contains no folder. Otherwise it
    /// looks like a part.
    private static func checkIsClass(
        _ single: Part, in root: ByteName, _ others: [ByteName]
    ) throws(DatasetError) {
        let inside = try FolderEntries(root.appending(single.folder))
        let indices = 0..<inside.count
        let holdsPictures = indices.contains {
            inside.kind($0) == .file
                && PictureNames.verdict(inside.name($0), .file) == .picture
        }
        guard holdsPictures || !indices.contains(where: { inside.kind($0) == .folder }) else {
            try check([single], others, root)
            return
        }
    }

    /// Returns the part whose folder has this name, in upper or lower case; nil if there is none.
    static func part(of name: ByteName) -> DatasetPart? {
        let small = name.bytes.map(ByteName.lowered)
        return names.first { small.elementsEqual($0.name.utf8) }?.part
    }

    /// Calls `visit` with the entries of the root that are no folders of parts. If the root contains the classes,
    /// `ClassFolders` does this.
    func noteRoot(_ visit: SourceVisitor) throws {
        guard parts.contains(where: { $0.part != nil }) else { return }
        try ClassFolders.note(entries, prefix: ByteName(""), visit)
    }
}

/// The class folders of one part.
struct ClassFolders {
    /// The names of the classes, ordered by their bytes.
    let names: [ByteName]
    private let root: ByteName
    private let folder: ByteName
    private let above: [FolderEntries.Identity]

    /// Lists the classes in `folder` below `root`; calls `visit` with the entries that are no classes.
    ///
    /// Errors: `unreadable`; what `visit` throws.
    init(
        _ root: ByteName, _ folder: ByteName, above: [FolderEntries.Identity],
        _ visit: SourceVisitor
    ) throws {
        self.root = root
        self.folder = folder
        let entries = try FolderEntries(root.appending(folder))
        self.above = above + [entries.identity]
        try Self.note(entries, prefix: folder, visit)
        names = (0..<entries.count).filter {
            entries.kind($0) == .folder && PictureNames.notAClass(entries.name($0)) == nil
        }.map { ByteName(entries.name($0)) }
    }

    /// Lists the files of a class.
    ///
    /// Errors: `tooLarge`; what `visit` throws.
    func list(_ name: ByteName, _ visit: SourceVisitor) throws -> ClassFolder {
        try ClassFolder(
            name, in: root.appending(folder), above: above,
            prefix: folder, visit)
    }

    /// Calls `visit` with the entries that are no classes. Links without a target are refused and not ignored, because
    /// they could be intended as classes.
    static func note(
        _ entries: FolderEntries, prefix: ByteName, _ visit: SourceVisitor
    ) throws {
        for index in 0..<entries.count {
            let name = entries.name(index), path = prefix.appending(ByteName(name))
            switch entries.kind(index) {
            case .folder:
                if let reason = PictureNames.notAClass(name) { try visit(.ignored(path, reason)) }
            case .danglingLink where name.first != UInt8(ascii: "."):
                try visit(.refused(path, "link that leads nowhere"))
            case .linkLoop where name.first != UInt8(ascii: "."):
                try visit(.refused(path, "link that leads to itself"))
            case .file, .special, .danglingLink, .linkLoop, .unknown:
                try visit(.ignored(path, "not in a class folder"))
            }
        }
    }
}
