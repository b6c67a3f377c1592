// Writes an image folder of drawn pictures: PART/CLASS/NUMBER.jpg. The folder gets its name only when it is complete.
import Foundation
import Intake
import Synchronization
import Tensors

/// A folder of drawn pictures. These values determine the bytes of all its files.
public struct DrawnFolder: Sendable, Equatable {
    /// What `write` found or did.
    public enum Outcome: Sendable {
        /// The pictures were drawn.
        case drawn
        /// The folder already had exactly these pictures.
        case found
    }

    /// The number of classes, at most `DrawnClass.count`.
    public var classes: Int
    /// The numbers of pictures of each class in the parts train and test; a part without pictures has no folder.
    public var train, test: Int
    /// The seed of all pictures. Folders of the same seed but with different counts have pictures in common.
    public var seed: UInt64

    /// Takes the counts unchecked.
    public init(classes: Int, train: Int, test: Int, seed: UInt64) {
        self.classes = classes
        self.train = train
        self.test = test
        self.seed = seed
    }

    /// The number of pictures in the folder.
    public var count: Int { classes * (train + test) }
    /// The names of the classes in the order of their numbers.
    public var classNames: [String] { (0..<classes).map { DrawnClass($0).name } }

    private var parts: [(part: DatasetPart, count: Int)] {
        [(.train, train), (.test, test)].filter { $0.1 > 0 }
    }

    /// Draws the pictures on `threads` threads into `folder` + `.unfinished`, and renames that folder to `folder` when
    /// all pictures are written. The pictures do not depend on `threads`. `progress` is called on the caller's thread
    /// with the number of pictures drawn so far, roughly; an error that it throws ends the drawing.
    ///
    /// If `folder` already has these pictures, nothing is written. To find out, this method compares the names of all
    /// files, and the bytes of one picture of each class and part.
    ///
    /// Errors: `wrongDimensions` if `folder` is a file or has other content, or if the unfinished folder has content
    /// that is not from a drawing; `unreadable` if a file or folder cannot be read or written; errors of `progress`.
    public func write(
        to folder: String, threads: Int, progress: (Int) throws -> Void = { _ in }
    ) throws -> Outcome {
        let files = FileManager.default
        var isFolder: ObjCBool = false
        if files.fileExists(atPath: folder, isDirectory: &isFolder) {
            guard isFolder.boolValue else {
                throw DatasetError(
                    .wrongDimensions, "\(folder) is a file, not a folder",
                    remedy: "name another folder, or remove it")
            }
            let held = try Self.entries(folder)
            if !held.isEmpty {
                guard try holdsThese(folder, held) else {
                    throw DatasetError(
                        .wrongDimensions, "\(folder) holds other files than these pictures",
                        remedy: "name another folder, or remove it")
                }
                return .found
            }
        }
        let unfinished = folder + ".unfinished"
        try Self.clear(unfinished)
        for (part, _) in parts {
            for name in classNames {
                try Self.doing("create", folder) {
                    try files.createDirectory(
                        atPath: "\(unfinished)/\(part.rawValue)/\(name)",
                        withIntermediateDirectories: true)
                }
            }
        }
        try draw(to: unfinished, ThreadPool(threads: min(threads, count)), progress)
        guard rename(unfinished, folder) == 0 else {
            throw DatasetError(
                .unreadable, "cannot rename \(unfinished) to \(folder): \(FileBytes.reason(errno))")
        }
        return .drawn
    }

    private func draw(
        to folder: String, _ pool: ThreadPool, _ progress: (Int) throws -> Void
    ) throws {
        let claimed = Atomic(0)
        let failure = Mutex<(any Error)?>(nil)
        pool.run { thread in
            var drawer = PictureDrawer(seed: seed)
            do {
                while failure.withLock({ $0 == nil }) {
                    let place = claimed.add(1, ordering: .relaxed).oldValue
                    guard place < count else { return }
                    if thread == 0 { try progress(place) }
                    let (path, bytes) = try picture(place, &drawer)
                    try Self.doing("write", "\(folder)/\(path)") {
                        try Data(bytes).write(to: URL(filePath: "\(folder)/\(path)"))
                    }
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        try progress(count)
    }

    /// Returns picture number `place`: its path below the folder, and its bytes. The pictures of train come before
    /// those of test, and each part is ordered by class.
    private func picture(
        _ place: Int, _ drawer: inout PictureDrawer
    ) throws -> (path: String, bytes: [UInt8]) {
        let isTrain = place < classes * train
        let (each, rest) = isTrain ? (train, place) : (test, place - classes * train)
        let part = isTrain ? DatasetPart.train : .test
        let (index, number) = rest.quotientAndRemainder(dividingBy: each)
        let picture = drawer.picture(part, class: index, number: number)
        let path = "\(part.rawValue)/\(DrawnClass(index).name)/\(Self.name(number))"
        return (path, try picture.jpeg())
    }

    private static func name(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ".jpg"
    }

    /// Returns whether a folder with the entries `held` has exactly these pictures; compares the bytes of only one
    /// picture of each class and part.
    private func holdsThese(_ folder: String, _ held: Set<String>) throws -> Bool {
        guard held == Set(parts.map(\.part.rawValue)) else { return false }
        var drawer = PictureDrawer(seed: seed)
        var place = 0
        for (part, count) in parts {
            let inside = "\(folder)/\(part.rawValue)"
            guard try Self.entries(inside) == Set(classNames) else { return false }
            let names = Set((0..<count).map(Self.name))
            for name in classNames {
                guard try Self.entries("\(inside)/\(name)") == names else { return false }
                let (path, bytes) = try picture(place, &drawer)
                do throws(InputFault) {
                    guard try FileBytes.read("\(folder)/\(path)") == bytes else { return false }
                } catch {
                    throw DatasetError(
                        .unreadable, "\(folder)/\(path) \(error.reason)", remedy: error.remedy)
                }
                place += count
            }
        }
        return true
    }

    /// Removes the unfinished folder of a drawing that was killed. Errors: `wrongDimensions` if the folder has other
    /// content.
    private static func clear(_ unfinished: String) throws {
        guard FileManager.default.fileExists(atPath: unfinished) else { return }
        let known = Set([DatasetPart.train, .test].map(\.rawValue))
        guard try entries(unfinished).isSubset(of: known) else {
            throw DatasetError(
                .wrongDimensions, "\(unfinished) is in the way, and was not left by a drawing",
                remedy: "remove it")
        }
        try doing("remove", unfinished) { try FileManager.default.removeItem(atPath: unfinished) }
    }

    private static func entries(_ folder: String) throws -> Set<String> {
        try doing("list", folder) {
            Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        }
    }

    private static func doing<Result>(
        _ what: String, _ path: String, _ body: () throws -> Result
    ) throws -> Result {
        do { return try body() } catch {
            throw DatasetError(
                .unreadable, "cannot \(what) \(path): \(FileBytes.reason(error))",
                remedy: "check its permissions and the space on its disk")
        }
    }
}
