// Meters every attempt of this process; its usage is recorded in the transaction that ends it.

import Foundation
import Jobs
import Metering
import Synchronization

/// The meter of one process. All its workers share it, because processor time is counted per
/// process.
public final class AttemptMeter: AttemptObserver {
    /// How often the energy counters are read, in seconds: they wrap within minutes at full load.
    public static let sampleSeconds = 10

    private let reader: any HostReader
    private let zone: String
    private let threadsPerAttempt: Int
    private let books: Mutex<Books>
    private let sampler: Sampler

    private struct Books {
        var ledger: EnergyLedger
        /// Processors reserved by each open attempt, by token.
        var reserved: [Int64: Int] = [:]
        /// The token of the attempt that runs on each thread.
        var threads: [ObjectIdentifier: Int64] = [:]
        /// The usage of ended attempts: a repeated transaction must write the same row.
        var ended: [Int64: AttemptUsage] = [:]
        var endedOrder: [Int64] = []

        /// The usage of an attempt up to its first end; nil if this process did not start it.
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

    /// Ended attempts remembered at most. A transaction is repeated immediately or never.
    private static let remembered = 256

    /// An attempt that reserves no processors counts as holding `threadsPerAttempt`.
    ///
    /// `zone` is that of `FactorSet.zone(environment:)`.
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

    /// Opens the account of an attempt; called on the thread of its worker.
    ///
    /// A worker runs one attempt at a time, so an attempt that the same thread never ended (it lost
    /// its lease) is closed here.
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

    /// Closes the account of an attempt; nil if another process started it, which leaves a gap.
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

    /// Reads clocks and counters, so that no counter wraps twice between two readings.
    func sample() {
        do {
            let reading = try reader.read()
            books.withLock { $0.ledger.advance(to: reading) }
        } catch {
            // The next reading covers this interval too; if that fails as well, the attempt's end
            // throws.
        }
    }
}
