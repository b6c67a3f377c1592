// ClassFolder: lists the files of one class, in the class's folder and in all folders below. The
// folders are ordered by the bytes of their paths, the files of a folder by the bytes of their
// names. Links are followed, except a link back to a folder on its own path, so that the listing
// ends.
import Intake

/// The listing of one class's folder.
struct ClassFolder {
    /// A file that is a picture, or should be a picture but is refused.
    struct File {
        /// The path below the part's folder; it begins with the class.
        let path: ByteName
        /// What the file's name says: `picture` or `refused`.
        let verdict: PictureNames.Verdict
    }

    /// The most folders below a class. Links between folders could lead to far too many paths.
    static let mostFolders = 100_000

    /// The folders in order. For each: the path below the part's folder, the entries, and the
    /// indices of the entries that are files of the class.
    private var folders: [(path: ByteName, entries: FolderEntries, files: [UInt32])] = []
    /// The number of files.
    private(set) var count = 0

    /// Lists the folder `name` in `root`. `visit` is called with everything that is ignored and
    /// every folder that cannot be listed; their paths get the prefix `prefix`. `above` are the
    /// folders on the path to `name`.
    ///
    /// Errors: `tooLarge`; what `visit` throws.
    init(
        _ name: ByteName, in root: ByteName, above: [FolderEntries.Identity], prefix: ByteName,
        _ visit: SourceVisitor
    ) throws {
        var open = [(path: name, above: above)]
        var entryCount = 0, nameBytes = 0
        while let (path, above) = open.popLast() {
            let entries: FolderEntries
            do throws(InputFault) {
                entries = try FolderEntries(listing: root.appending(path))
            } catch {
                try visit(.refused(prefix.appending(path), error.reason))
                continue
            }
            guard !above.contains(entries.identity) else {
                let reason = "link back to a folder on its own path: not entered"
                try visit(.ignored(prefix.appending(path), reason))
                continue
            }
            entryCount += entries.count
            nameBytes += entries.nameBytes
            guard folders.count < Self.mostFolders, entryCount <= FolderEntries.mostEntries,
                nameBytes <= FolderEntries.mostBytes
            else {
                throw DatasetError(
                    .tooLarge,
                    "\(root.appending(name)) has too much below it, links followed: "
                        + "\(folders.count) folders with \(entryCount) files were found",
                    remedy: "look for links that lead back and forth, or make more classes")
            }
            var files: [UInt32] = []
            for index in 0..<entries.count {
                let entry = path.appending(ByteName(entries.name(index)))
                if entries.kind(index) == .folder {
                    if entries.name(index).first == UInt8(ascii: ".") {
                        try visit(.ignored(prefix.appending(entry), "hidden folder"))
                    } else {
                        open.append((entry, above + [entries.identity]))
                    }
                    continue
                }
                switch PictureNames.verdict(entries.name(index), entries.kind(index)) {
                case .picture, .refused: files.append(UInt32(index))
                case .ignored(let reason):
                    try visit(.ignored(prefix.appending(entry), reason))
                }
            }
            count += files.count
            folders.append((path, entries, files))
        }
        folders.sort { $0.path < $1.path }
    }

    /// Calls `body` with the files whose numbers are in `range`, in order.
    func forEach(_ range: Range<Int>, _ body: (File) throws -> Void) rethrows {
        var place = 0
        for folder in folders {
            let part = range.clamped(to: place..<place + folder.files.count)
            for index in part {
                let entry = Int(folder.files[index - place])
                let name = folder.entries.name(entry)
                try body(
                    File(
                        path: folder.path.appending(ByteName(name)),
                        verdict: PictureNames.verdict(name, folder.entries.kind(entry))))
            }
            place += folder.files.count
        }
    }
}
