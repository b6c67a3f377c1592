// JournalMeter: meters attempts by the wall clock. It records the usage of an attempt in the database and in a file
// (the journal). The journal survives a kill of the process and a rollback; the fault test compares it with the
// database.
import Foundation
import Jobs
import Postgres
import Synchronization

/// Records the usage of an attempt twice. First the journal file gets a line `token wallNs`; then the transaction that
/// ends the attempt inserts a meter row.
final class JournalMeter: AttemptObserver {
    private struct Books {
        var begun: [Int64: ContinuousClock.Instant] = [:]
        var wallNs: [Int64: Int64] = [:]
    }

    private let books = Mutex(Books())
    private let descriptor: Int32
    private let path: String

    /// Opens the journal file at `path` for appending. Other processes append to the same file, so each line is written
    /// with a single write.
    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        self.path = path
        guard descriptor >= 0 else { throw PostgresError("cannot open \(path): errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// Notes the time at which an attempt starts.
    func start(_ lease: Lease) throws {
        books.withLock { $0.begun[lease.token] = .now }
    }

    /// Returns the usage of the attempt; nil if the attempt is lost, or if another process started it.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
        if outcome == .lost { return nil }
        return try account(lease.token).map {
            AttemptUse(
                zone: "world", wallNs: $0, cpuNs: 0, energy: nil, method: "wall clock", tier: "U")
        }
    }

    /// Returns the nanoseconds from the start of the attempt to the first call of this function for the attempt. Later
    /// calls, from a repeated transaction, return the same value. Returns nil if this process did not start the
    /// attempt.
    private func account(_ token: Int64) throws -> Int64? {
        try books.withLock { books in
            if let known = books.wallNs[token] { return known }
            guard let begun = books.begun.removeValue(forKey: token) else { return nil }
            let passed = (ContinuousClock.now - begun).components
            let wallNs = passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000
            books.wallNs[token] = wallNs
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
            try handle.write(contentsOf: Data("\(token) \(wallNs)\n".utf8))
            return wallNs
        }
    }
}
