// JournalMeter: meters attempts by the wall clock. It records the usage of an attempt in the
// database and in a file that survives the process and any rollback; the fault test compares the
// two.
import Foundation
import Jobs
import Postgres
import Synchronization

/// Records the usage of an attempt twice: first as a line `token wallNs` of the journal, then as a
/// meter row, in the transaction that ends the attempt.
final class JournalMeter: AttemptObserver {
    private struct Books {
        var begun: [Int64: ContinuousClock.Instant] = [:]
        var wallNs: [Int64: Int64] = [:]
    }

    private let books = Mutex(Books())
    private let descriptor: Int32
    private let path: String

    /// Opens the journal. Other processes append to it too, so each line is written with a single
    /// write.
    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        self.path = path
        guard descriptor >= 0 else { throw PostgresError("cannot open \(path): errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// Starts the account of an attempt.
    func start(_ lease: Lease) throws {
        books.withLock { $0.begun[lease.token] = .now }
    }

    /// Returns the usage of the attempt; nil if the attempt is lost or another process started it.
    func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
        if outcome == .lost { return nil }
        return try account(lease.token).map {
            AttemptUse(
                zone: "world", wallNs: $0, cpuNs: 0, energy: nil, method: "wall clock", tier: "U")
        }
    }

    /// Returns the attempt's duration up to the first call for the attempt. A repeated transaction calls again, and
    /// gets the same duration. Nil if this process did not start the attempt.
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
