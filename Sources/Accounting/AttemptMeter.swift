// AttemptMeter: meters the attempts of this process and its machine. What was metered is written in pieces, while attempts
// run (EnergyReport), so that a killed process loses little.

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
    /// A process without attempts reports once in this many seconds. Others do not wait for a process that has been silent
    /// for half a minute.
    private static let idleSeconds = 20.0
    /// The most uses, and the most intervals, that are kept while the database is unreachable; the oldest are dropped.
    private static let most = 10_000
    /// How many ended attempts are remembered. A small number suffices, because a transaction is repeated soon after its
    /// first try, or never.
    private static let remembered = 256

    private let reader: any HostReader
    private let zone: String
    private let threadsPerAttempt: Int
    private let process = UUID(), gpuProcess = UUID()
    private let books: Mutex<Books>
    private let sampler: Sampler

    /// What a process metered since its start.
    public struct Metered: Sendable, Equatable {
        /// The energy of the whole machine, with that of other programs, in microjoules; without gaps.
        public internal(set) var machineMicrojoules: Int64 = 0
        /// The processor time of the attempts of this process, in nanoseconds.
        public internal(set) var attemptCPUNs: Int64 = 0

        /// Starts with nothing.
        public init() {}
    }

    /// What this process metered up to its last report, which it makes every ten seconds while it works.
    public var metered: Metered { books.withLock(\.metered) }

    private struct Books {
        var ledger: EnergyLedger
        /// The ledger of the machine's GPUs, and their intervals that are not known to be written; nil without GPUs.
        var gpus: EnergyLedger?
        var gpuIntervals: [EnergyReport.Interval] = []
        /// The number of processors that each open attempt reserves, by token.
        var reserved: [Int64: Int] = [:]
        /// The token of the attempt that runs on each thread.
        var threads: [ObjectIdentifier: Int64] = [:]
        /// The attempts that ended last: a transaction that is repeated asks for the use of an attempt again.
        var ended: [Int64] = []
        /// What is not known to be written.
        var uses: [EnergyReport.Use] = []
        var intervals: [EnergyReport.Interval] = []
        /// How many uses and intervals there were in all.
        var counts = EnergyReport.Counts()
        /// What this process metered so far.
        var metered = Metered()
        /// When the last report was made.
        var reportedNs: Int64?

        /// Closes the spans up to the last reading.
        mutating func cut(isLast: Bool) {
            let (newUses, interval) = ledger.cut(isLast: isLast)
            uses += newUses
            counts.uses += newUses.count
            metered.attemptCPUNs += newUses.reduce(0) { $0 + $1.cpuNs }
            if let interval {
                metered.machineMicrojoules +=
                    (interval.idle?.microjoules ?? 0) + (interval.load?.microjoules ?? 0)
                intervals.append(interval)
                counts.intervals += 1
            }
            if let interval = gpus?.cut(isLast: isLast).interval { gpuIntervals.append(interval) }
            gpuIntervals.removeFirst(max(0, gpuIntervals.count - AttemptMeter.most))
            uses.removeFirst(max(0, uses.count - AttemptMeter.most))
            intervals.removeFirst(max(0, intervals.count - AttemptMeter.most))
        }
    }

    /// An attempt that reserves no processors counts as holding `threadsPerAttempt` processors.
    ///
    /// `zone` is the result of `FactorSet.zone(environment:)`.
    public init(zone: String, threadsPerAttempt: Int, reader: any HostReader) throws {
        self.reader = reader
        self.zone = zone
        self.threadsPerAttempt = threadsPerAttempt
        let first = try reader.read()
        books = Mutex(
            Books(
                ledger: EnergyLedger(
                    host: reader.host, domains: reader.domains,
                    threadsPerAttempt: threadsPerAttempt, first: first),
                gpus: Self.ofGPUs(first, reader).map {
                    EnergyLedger(gpus: reader.gpus, first: $0)
                }))
        sampler = Sampler(everySeconds: Self.sampleSeconds)
        sampler.begin { [weak self] in self?.sample() }
    }

    deinit { sampler.end() }

    /// Returns `reading` with the counters of the GPUs; nil without GPUs.
    private static func ofGPUs(_ reading: HostReading, _ reader: any HostReader) -> HostReading? {
        guard !reader.gpus.isEmpty else { return nil }
        var reading = reading
        reading.counters = reader.readGPUs()
        return reading
    }

    /// Opens the account of an attempt. The thread that runs the attempt must call this.
    ///
    /// A thread runs one attempt at a time. So if the previous attempt of this thread was never
    /// ended, the account of that attempt is closed here.
    public func start(_ lease: Lease) throws {
        let reading = try reader.read()
        books.withLock { books in
            let thread = ObjectIdentifier(Thread.current)
            if let abandoned = books.threads[thread] { close(abandoned, &books, reading) }
            let threads = lease.threads > 0 ? lease.threads : threadsPerAttempt
            books.threads[thread] = lease.token
            books.ledger.start(lease.token, job: lease.jobID, reserved: threads, at: reading)
            books.reserved[lease.token] = threads
            reader.reserve(processors: threads, atNs: reading.timeNs)
        }
    }

    /// Closes the account of an attempt, whose use is reported in pieces. Returns nil if this process did not start the
    /// attempt, or closed its account long ago.
    public func end(_ lease: Lease, outcome: AttemptOutcome) throws -> AttemptUse? {
        let reading = try reader.read()
        return books.withLock { books in
            if books.ended.contains(lease.token) { return .inPieces(zone: zone) }
            guard books.reserved[lease.token] != nil else { return nil }
            close(lease.token, &books, reading)
            return .inPieces(zone: zone)
        }
    }

    /// Returns what was metered up to now and is not known to be written; nil if this process runs no attempt and has
    /// reported lately.
    public func report(isLast: Bool) throws -> EnergyReport? {
        let reading = try reader.read()
        let gpus = Self.ofGPUs(reading, reader)
        return books.withLock { books in
            books.ledger.advance(to: reading)
            if let gpus { books.gpus?.advance(to: gpus) }
            let silent = books.reportedNs.map { Double(reading.timeNs - $0) / 1e9 } ?? .infinity
            books.cut(isLast: isLast)
            if !isLast, books.uses.isEmpty, !books.ledger.isInUse, silent < Self.idleSeconds {
                return nil
            }
            books.reportedNs = reading.timeNs
            return EnergyReport(
                process: process, untilUs: books.ledger.untilUs, isLast: isLast, zone: zone,
                method: books.ledger.method, tier: books.ledger.tier.rawValue,
                counts: books.counts, uses: books.uses, intervals: books.intervals,
                gpus: books.gpus.map { gpus in
                    EnergyReport.GPUs(
                        process: gpuProcess, method: gpus.method, tier: gpus.tier.rawValue,
                        intervals: books.gpuIntervals)
                })
        }
    }

    /// Forgets what was written. A process that is not its machine's meter keeps its intervals after the meter's last, to
    /// state them if it takes over.
    public func written(_ report: EnergyReport, _ answer: EnergyAnswer) {
        books.withLock { books in
            let laterUses = books.counts.uses - report.counts.uses
            books.uses.removeFirst(max(0, books.uses.count - laterUses))
            if answer.isMeter {
                let later = books.counts.intervals - report.counts.intervals
                books.intervals.removeFirst(max(0, books.intervals.count - later))
            } else {
                books.intervals.removeAll { $0.untilUs <= answer.meteredUntilUs }
            }
            if let until = answer.gpusMeteredUntilUs {
                books.gpuIntervals.removeAll { $0.untilUs <= until }
            }
        }
    }

    /// Closes an account and releases the processors that the attempt reserved.
    private func close(_ token: Int64, _ books: inout Books, _ reading: HostReading) {
        books.threads = books.threads.filter { $0.value != token }
        books.ledger.end(token, at: reading)
        books.ended.append(token)
        books.ended.removeFirst(max(0, books.ended.count - Self.remembered))
        guard let threads = books.reserved.removeValue(forKey: token) else { return }
        reader.reserve(processors: -threads, atNs: reading.timeNs)
    }

    /// Reads the clocks and counters. A timer calls this often, because two wraps of a counter between two readings
    /// would be counted as one.
    func sample() {
        do {
            let reading = try reader.read()
            let gpus = Self.ofGPUs(reading, reader)
            books.withLock { books in
                books.ledger.advance(to: reading)
                if let gpus { books.gpus?.advance(to: gpus) }
            }
        } catch {
            // The next reading covers all time since the last successful reading, so nothing is lost. If a clock still
            // cannot be read when an attempt ends, `end` throws.
        }
    }
}
