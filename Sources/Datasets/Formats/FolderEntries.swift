// FolderEntries: lists one folder. The names are stored as bytes in one array, with the kind of
// each entry. A million names of 20 bytes take about 40 MB.
import Foundation
import Intake

/// The entries of a folder.
struct FolderEntries {
    /// The kind of an entry; for a link, the kind of its target.
    enum Kind: UInt8 {
        /// A regular file.
        case file
        /// A folder.
        case folder
        /// A pipe, a device or a socket.
        case special
        /// A link whose target does not exist.
        case danglingLink
        /// A link that leads back to itself, directly or through other links.
        case linkLoop
        /// An entry whose kind the system does not report.
        case unknown
    }

    /// Identifies a folder, independently of the path that leads to the folder.
    struct Identity: Hashable {
        /// The number of the device, and the number of the folder on this device (inode).
        let device, node: UInt64
    }

    /// The most entries of a folder; a folder with more is refused.
    static let mostEntries = 2_000_000
    /// The most bytes of all names of a folder together.
    static let mostBytes = 64 << 20

    /// Identifies the folder.
    let identity: Identity
    private var bytes: [UInt8] = []
    private var ends: [UInt32] = []
    private var kinds: [Kind] = []
    /// The numbers of the entries, sorted by the bytes of their names.
    private var order: [UInt32] = []

    /// The number of entries.
    var count: Int { kinds.count }

    /// The number of bytes of all names together.
    var nameBytes: Int { bytes.count }

    /// Returns the index of a name among the sorted names; nil if the name is not there.
    func index(of name: ByteName) -> Int? {
        var range = 0..<count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if self.name(middle).lexicographicallyPrecedes(name.bytes) {
                range = (middle + 1)..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        let place = range.lowerBound
        return place < count && self.name(place).elementsEqual(name.bytes) ? place : nil
    }

    /// Returns the name at an index of the sorted names.
    func name(_ index: Int) -> ArraySlice<UInt8> { stored(Int(order[index])) }

    /// Returns the kind of the entry at an index of the sorted names.
    func kind(_ index: Int) -> Kind { kinds[Int(order[index])] }

    private func stored(_ place: Int) -> ArraySlice<UInt8> {
        bytes[(place == 0 ? 0 : Int(ends[place - 1]))..<Int(ends[place])]
    }

    /// Lists a folder; `.` and `..` are left out.
    ///
    /// Errors: `unreadable`, with the system's reason, or if the folder has too many entries.
    init(_ path: ByteName) throws(DatasetError) {
        do throws(InputFault) {
            try self.init(listing: path)
        } catch {
            throw DatasetError(.unreadable, "\(path) \(error.reason)", remedy: error.remedy)
        }
    }

    /// Lists a folder like `init(_:)`. The reason of the fault is a sentence without its subject,
    /// such as `does not exist`.
    init(listing path: ByteName) throws(InputFault) {
        guard !path.bytes.contains(0) else {
            throw InputFault("cannot be listed: its name holds a NUL byte")
        }
        let name = path.bytes.map { CChar(bitPattern: $0) } + [0]
        guard let folder = opendir(name) else { throw Self.failure(errno) }
        defer { closedir(folder) }
        var status = stat()
        guard fstat(dirfd(folder), &status) == 0 else { throw Self.failure(errno) }
        identity = Identity(
            device: UInt64(truncatingIfNeeded: status.st_dev),
            node: UInt64(truncatingIfNeeded: status.st_ino))
        while true {
            errno = 0
            guard let entry = readdir(folder) else {
                guard errno == 0 else { throw Self.failure(errno) }
                break
            }
            let length = strlen(&entry.pointee.d_name.0)
            var name = [UInt8](repeating: 0, count: length + 1)
            memcpy(&name, &entry.pointee.d_name.0, length)
            name.removeLast()
            if name == [UInt8(ascii: ".")] || name == Array("..".utf8) { continue }
            guard kinds.count < Self.mostEntries, bytes.count + length <= Self.mostBytes else {
                throw InputFault(
                    "has more than \(kinds.count) entries",
                    remedy: "spread them over several folders below it")
            }
            bytes += name
            ends.append(UInt32(bytes.count))
            kinds.append(Self.kind(entry.pointee.d_type, name, in: dirfd(folder)))
        }
        sort()
    }

    private mutating func sort() {
        let names = bytes, ends = ends
        order = (0..<UInt32(kinds.count)).sorted { left, right in
            var a = left == 0 ? 0 : Int(ends[Int(left) - 1])
            var b = right == 0 ? 0 : Int(ends[Int(right) - 1])
            let aEnd = Int(ends[Int(left)]), bEnd = Int(ends[Int(right)])
            while a < aEnd && b < bEnd {
                if names[a] != names[b] { return names[a] < names[b] }
                a += 1
                b += 1
            }
            return a == aEnd && b < bEnd
        }
    }

    private static func kind(_ type: UInt8, _ name: [UInt8], in folder: Int32) -> Kind {
        switch Int(type) {
        case Int(DT_REG): return .file
        case Int(DT_DIR): return .folder
        case Int(DT_LNK), Int(DT_UNKNOWN): break
        default: return .special
        }
        var status = stat()
        let path = name.map { CChar(bitPattern: $0) } + [0]
        guard fstatat(folder, path, &status, 0) == 0 else {
            switch errno {
            case ENOENT, ENOTDIR: return .danglingLink
            case ELOOP: return .linkLoop
            default: return .unknown
            }
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .special
        }
    }

    private static func failure(_ code: Int32) -> InputFault {
        switch code {
        case ENOENT: InputFault("does not exist")
        case ENOTDIR: InputFault("is a file, not a folder")
        default: InputFault("is a folder that cannot be listed: \(FileBytes.reason(code))")
        }
    }
}
