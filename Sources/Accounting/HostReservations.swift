// HostReservations: what the processes of one machine that meter attempts hold of it together. Each keeps a file with how
// much it has reserved so far; the others read it, so that a machine's idle energy is given away once and not once
// for every process. A process that ended is known by the lock that it held on its file.
import Foundation
import Synchronization

/// The reservations of this process, and the sight of the others'.
public final class HostReservations: Sendable {
    /// The folder that all processes of a machine share.
    public static let usualFolder = "/tmp/ofa-reserved"

    /// The most processors a process can hold.
    private static let mostProcessors: Int64 = 1 << 16
    /// The most processor nanoseconds a process can have held: 36 years of one.
    private static let mostNs: Int64 = 1 << 60

    /// Characters of a column: the longest number, and a blank.
    private static let width = 21

    private struct State {
        /// Processors held now.
        var held: Int64 = 0
        /// Processor nanoseconds held until `stampNs`.
        var total: Int64 = 0
        var stampNs: Int64
        /// The last that was read of each other process: what it held until its end stays.
        var seen: [String: Int64] = [:]
        /// What processes held that have ended since.
        var ended: Int64 = 0
    }

    private let folder: String
    private let name: String
    private let descriptor: Int32
    private let state: Mutex<State>

    /// Begins at a moment of the machine's monotonic clock; nil where no file can be kept, such as in a read-only system.
    public init?(folder: String = HostReservations.usualFolder, atNs now: Int64) {
        // Any user may keep a file there and remove only its own.
        if mkdir(folder, 0o1777) == 0 { _ = chmod(folder, 0o1777) }
        var info = stat()
        guard lstat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else { return nil }
        self.folder = folder
        name = "\(getpid())-\(UUID().uuidString)"
        // Locked before it has its name: others take an unlocked file for one of a process that ended.
        let hidden = "\(folder)/.\(name)"
        descriptor = open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { return nil }
        state = Mutex(State(stampNs: now))
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, rename(hidden, "\(folder)/\(name)") == 0
        else {
            close(descriptor)
            unlink(hidden)
            return nil
        }
        state.withLock { write($0) }
    }

    deinit {
        unlink("\(folder)/\(name)")
        close(descriptor)
    }

    /// Holds so many processors more, or fewer, from a moment on.
    public func add(processors: Int, atNs now: Int64) {
        state.withLock { state in
            state.total += state.held * max(0, now - state.stampNs)
            state.stampNs = max(now, state.stampNs)
            state.held = max(0, state.held + Int64(processors))
            write(state)
        }
    }

    /// Processor nanoseconds that the other processes have held until now, counted from some beginning: it only grows.
    public func othersNs(atNs now: Int64) -> Int64 {
        state.withLock { state in
            var seen: [String: Int64] = [:]
            for other in names() where other != name && !other.hasPrefix(".") {
                if let total = read(other, now) { seen[other] = max(total, state.seen[other] ?? 0) }
            }
            for (gone, total) in state.seen where seen[gone] == nil {
                state.ended = Self.sum(state.ended, total)
            }
            state.seen = seen
            return seen.values.reduce(state.ended, Self.sum)
        }
    }

    private func names() -> [String] {
        do { return try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            // The folder was removed: no other process is visible.
            return []
        }
    }

    /// The total of another process; nil when it has ended.
    private func read(_ other: String, _ now: Int64) -> Int64? {
        let path = "\(folder)/\(other)"
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { close(file) }
        if flock(file, LOCK_SH | LOCK_NB) == 0 {
            unlink(path)
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = pread(file, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            .split(separator: " ").compactMap { Int64($0) }
        // Any user may write such a file: what no process can have held counts as nothing.
        guard words.count == 3, (0...Self.mostNs).contains(words[0]),
            (0...Self.mostProcessors).contains(words[1]), (0...now).contains(words[2])
        else { return 0 }
        return words[0] + words[1] * min(now - words[2], Self.mostNs / Self.mostProcessors)
    }

    /// The sum of two totals, at most the largest number: files that lie stop no process.
    private static func sum(_ a: Int64, _ b: Int64) -> Int64 {
        let (sum, isOver) = a.addingReportingOverflow(b)
        return isOver ? Int64.max : sum
    }

    /// Writes total, held and stamp, in columns of one width, so that an older text never shines through.
    private func write(_ state: State) {
        var bytes = [UInt8](repeating: UInt8(ascii: " "), count: 3 * Self.width - 1)
        for (column, value) in [state.total, state.held, state.stampNs].enumerated() {
            var place = (column + 1) * Self.width - 2
            for digit in String(value).utf8.reversed() {
                bytes[place] = digit
                place -= 1
            }
        }
        // What is not written is not seen by others: their share of idle energy grows by it.
        _ = pwrite(descriptor, &bytes, bytes.count, 0)
    }
}
