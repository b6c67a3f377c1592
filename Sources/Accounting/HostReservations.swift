// HostReservations: the processors that the metering processes of one machine reserve. Processes of one database are
// allocated energy there; of processes that work for another database, each sees here what they reserve, so that idle
// energy is allocated once and not once per database. Each process publishes its cumulative reservation in a file that
// the others read. A process locks its file while it runs; an unlocked file
// belongs to a process that has ended.
import Foundation
import Synchronization

/// Publishes the reservations of this process and reads those of processes of other databases.
public final class HostReservations: Sendable {
    /// The folder in which all processes of a machine publish their reservations.
    public static let usualFolder = "/tmp/ofa-reserved"

    /// The largest number of processors that a process can plausibly reserve.
    private static let mostProcessors: Int64 = 1 << 16
    /// The largest processor time, in nanoseconds, that a process can plausibly have reserved: 36
    /// years of one processor.
    private static let mostNs: Int64 = 1 << 60

    /// The number of characters of a column: the longest number and a blank.
    private static let width = 21

    private struct State {
        /// The number of processors that are reserved now.
        var held: Int64 = 0
        /// The processor time reserved up to `stampNs`, in nanoseconds.
        var total: Int64 = 0
        var stampNs: Int64
        /// For each other process that still runs, the last total that was read.
        var seen: [String: Int64] = [:]
        /// The sum of the last totals of processes that have ended.
        var ended: Int64 = 0
    }

    private let folder: String
    private let name: String
    /// How the names of all processes of this database end.
    private let own: String
    private let descriptor: Int32
    private let state: Mutex<State>

    /// Creates the file of this process in `folder`; `now` is a time of the monotonic clock, and `database` a text without
    /// slashes that only processes of the same database have. Nil if
    /// the file cannot be written, such as on a read-only system.
    public init?(
        folder: String = HostReservations.usualFolder, database: String, atNs now: Int64
    ) {
        // With the sticky bit, each user can create files in the folder, and remove only their own.
        if mkdir(folder, 0o1777) == 0 { _ = chmod(folder, 0o1777) }
        var info = stat()
        guard lstat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else { return nil }
        self.folder = folder
        own = "@\(database)"
        name = "\(getpid())-\(UUID().uuidString)\(own)"
        // The file is locked before it gets its final name, because other processes assume that an
        // unlocked file belongs to a process that has ended.
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

    /// Reserves `processors` more (fewer if negative) from the time `now` on.
    public func add(processors: Int, atNs now: Int64) {
        state.withLock { state in
            state.total += state.held * max(0, now - state.stampNs)
            state.stampNs = max(now, state.stampNs)
            state.held = max(0, state.held + Int64(processors))
            write(state)
        }
    }

    /// Returns the cumulative processor time that processes of other databases have reserved until now, in
    /// nanoseconds; it never decreases.
    public func othersNs(atNs now: Int64) -> Int64 {
        state.withLock { state in
            var seen: [String: Int64] = [:]
            for other in names() where !other.hasSuffix(own) && !other.hasPrefix(".") {
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
            // The folder was removed, so no other process is visible.
            return []
        }
    }

    /// Returns the total of another process; nil if that process has ended.
    private func read(_ other: String, _ now: Int64) -> Int64? {
        let path = "\(folder)/\(other)"
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        // A file that exists but cannot be opened now, for example because no descriptor is free,
        // counts as 0. Then `othersNs` keeps the last total.
        guard file >= 0 else { return errno == ENOENT ? nil : 0 }
        defer { close(file) }
        if flock(file, LOCK_SH | LOCK_NB) == 0 {
            unlink(path)
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = pread(file, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            .split(separator: " ").compactMap { Int64($0) }
        // Any user may write such a file, so implausible values count as 0.
        guard words.count == 3, (0...Self.mostNs).contains(words[0]),
            (0...Self.mostProcessors).contains(words[1]), (0...now).contains(words[2])
        else { return 0 }
        return words[0] + words[1] * min(now - words[2], Self.mostNs / Self.mostProcessors)
    }

    /// Returns the sum of two numbers, at most `Int64.max`: a corrupt file must not trap on
    /// overflow.
    private static func sum(_ a: Int64, _ b: Int64) -> Int64 {
        let (sum, isOver) = a.addingReportingOverflow(b)
        return isOver ? Int64.max : sum
    }

    /// Writes `total`, `held` and `stampNs` in columns of fixed width, so that nothing of an older
    /// text remains.
    private func write(_ state: State) {
        var bytes = [UInt8](repeating: UInt8(ascii: " "), count: 3 * Self.width - 1)
        for (column, value) in [state.total, state.held, state.stampNs].enumerated() {
            var place = (column + 1) * Self.width - 2
            for digit in String(value).utf8.reversed() {
                bytes[place] = digit
                place -= 1
            }
        }
        // If the write fails, other processes do not see the change, and split idle energy by the
        // old reservation.
        _ = pwrite(descriptor, &bytes, bytes.count, 0)
    }
}
