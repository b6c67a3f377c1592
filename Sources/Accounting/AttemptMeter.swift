// AttemptMeter: meters the attempts of this process. The usage of an attempt is recorded in the
// transaction that ends the attempt.

import Foundation
import Jobs
import Metering
import Synchronization

/// Meters the attempts of one process. All workers of the process share one meter, because
/// processor time is counted per process.
public final class AttemptMeter: AttemptObserver {
    /// The longest time between two readings of the energy counters, in seconds. The counters wrap
    /// around within minutes at full load.
    public static let sampleSeconds = 10

    private let reader: any HostReader
    private let zone: String
    private let threadsPerAttempt: Int
    private let books: Mutex<Books>
    private let sampler: Sampler

    private struct Books {
        var ledger: EnergyLedger
        /// The number of processors that each open attempt reserves, by token.
        var reserved: [Int64: Int] = [:]
        /// The token of the attempt that runs on each thread.
        var threads: [ObjectIdentifier: Int64] = [:]
        /// The usage of attempts that ended recently, by token. It is remembered because a
        /// transaction that is repeated must write the same usage again.
        var ended: [Int64: AttemptUsage] = [:]
        var endedOrder: [Int64] = []

        /// Closes the account of an attempt, unless it is closed already, and returns the usage of
        /// the attempt; nil if this process did not start the attempt.
        mutating func close(_ token: Int64, at reading: HostReading) -> AttemptUsage? {
            if let usage = ended[token] { return usage }
            threads = threads.filter { $0.value != token }
            guard let usage = ledger.end(token, at: reading) else { return nil }
            ended[token] = usage
            endedOrder.append(token)
            if endedOrder.count > AttemptMeter.remembered { ended[endedOrder.removeFirst()] = nil }
            return usage
        }
    }

    /// The number of ended attempts whose usage is remembered. A small number suffices, because a transaction is
    /// repeated soon after its first try, or never.
    private static let remembered = 256

    /// An attempt that reserves no processors counts as holding `threadsPerAttempt` processors.
    ///
    /// `zone` is the result of `FactorSet.zone(environment:)`.
    public init(zone: String, threadsPerAttempt: Int, reader: any HostReader) throws {
        self.reader = reader
        self.zone = zone
        self.threadsPerAttempt = threadsPerAttempt
        books = Mutex(
            Books(
                ledger: EnergyLedger(
                    host: reader.host, domains: reader.domains,
                    threadsPerAttempt: threadsPerAttempt,
                    first: try reader.read())))
        sampler = Sampler(everySeconds: Self.sampleSeconds)
        sampler.begin { [weak self] in self?.sample() }
    }

    deinit { sampler.end() }

    /// Opens the account of an attempt. The thread that runs the attempt must call this.
    ///
    /// A thread runs one attempt at a time. So if the previous attempt of this thread was never
    /// ended, the account of that attempt is closed here.
    public func start(_ lease: Lease) throws {
        let reading = try reader.read()
        books.withLock { books in
            let thread = ObjectIdentifier(Thread.current)
            if let abandoned = books.threads[thread] {
                _ = books.ledger.end(abandoned, at: reading)
                release(abandoned, &books, reading)
            }
            let threads = lease.threads > 0 ? lease.threads : threadsPerAttempt
            books.threads[thread] = lease.token
            books.ledger.start(lease.token, reserved: threads, at: reading)
            books.reserved[lease.token] = threads
            reader.reserve(processors: threads, atNs: reading.timeNs)
        }
    }

    /// Closes the account of an attempt and returns its usage; nil (unknown) if this process did
    /// not start the attempt.
    public func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
        let reading = try reader.read()
        let usage = books.withLock { books in
            defer { release(lease.token, &books, reading) }
            return books.close(lease.token, at: reading)
        }
        guard let usage else { return nil }
        return AttemptUse(
            zone: zone, wallNs: usage.wallNs, cpuNs: usage.cpuNs,
            energy: usage.energy.map {
                AttemptUse.Energy(microjoules: $0.microjoules, low: $0.low, high: $0.high)
            }, method: usage.method, tier: usage.tier.rawValue)
    }

    /// Releases the processors that an attempt reserved.
    private func release(_ token: Int64, _ books: inout Books, _ reading: HostReading) {
        guard let threads = books.reserved.removeValue(forKey: token) else { return }
        reader.reserve(processors: -threads, atNs: reading.timeNs)
    }

    /// Reads the clocks and counters. A timer calls this often, because two wraps of a counter between two readings
    /// would be counted as one.
    func sample() {
        do {
            let reading = try reader.read()
            books.withLock { $0.ledger.advance(to: reading) }
        } catch {
            // The next reading covers all time since the last successful reading, so nothing is lost. If a clock still
            // cannot be read when an attempt ends, `end` throws.
        }
    }
}
