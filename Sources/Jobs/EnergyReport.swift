// EnergyReport: what a process metered on its machine since its last report. The database allocates the machine's energy
// to the attempts of all processes that report (function ofa.allocate_energy).
import Foundation
import Postgres
import Schema

/// What a process metered on its machine. All times are of the machine's clock, in microseconds since 1970.
public struct EnergyReport: Sendable, Equatable {
    /// What an attempt reserved and used of the machine's processors in some time.
    public struct Use: Sendable, Equatable {
        /// The job and the token of the attempt.
        public let job: JobID
        public let token: Int64
        /// The begin and the end of the time.
        public let fromUs, untilUs: Int64
        /// The number of reserved processors × the time, and the used processor time, in nanoseconds.
        public let reservedNs, cpuNs: Int64

        /// `fromUs` ≤ `untilUs`; `cpuNs` may exceed `reservedNs`.
        public init(
            job: JobID, token: Int64, fromUs: Int64, untilUs: Int64, reservedNs: Int64, cpuNs: Int64
        ) {
            (self.job, self.token) = (job, token)
            (self.fromUs, self.untilUs) = (fromUs, untilUs)
            (self.reservedNs, self.cpuNs) = (reservedNs, cpuNs)
        }
    }

    /// What the machine used in an interval.
    public struct Interval: Sendable, Equatable {
        /// The begin and the end of the interval.
        public let fromUs, untilUs: Int64
        /// The number of processors × the time, the processor time used by all programs, and the processor time that
        /// programs reserved for other databases; in nanoseconds.
        public let capacityNs, busyNs, othersNs: Int64
        /// The energy that the machine used at its load at least, and what the load added. Nil means unknown, not zero:
        /// a counter could not be read.
        public let idle, load: AttemptUse.Energy?

        /// `fromUs` < `untilUs`; either both energies are known or none.
        public init(
            fromUs: Int64, untilUs: Int64, capacityNs: Int64, busyNs: Int64, othersNs: Int64,
            idle: AttemptUse.Energy?, load: AttemptUse.Energy?
        ) {
            (self.fromUs, self.untilUs) = (fromUs, untilUs)
            (self.capacityNs, self.busyNs, self.othersNs) = (capacityNs, busyNs, othersNs)
            (self.idle, self.load) = (idle, load)
        }
    }

    /// What the GPUs of the machine used. They are metered as a machine of their own, `HostIdentity.gpus`.
    public struct GPUs: Sendable, Equatable {
        /// Stands for the process that reports, at the machine of the GPUs.
        public let process: UUID
        /// The names of the counters, and the measurement tier.
        public let method, tier: String
        /// What they used, in the order of time.
        public let intervals: [Interval]

        /// `tier` is the letter of a measurement tier.
        public init(process: UUID, method: String, tier: String, intervals: [Interval]) {
            (self.process, self.method, self.tier) = (process, method, tier)
            self.intervals = intervals
        }
    }

    /// The process that reports.
    public let process: UUID
    /// The time up to which the process has reported everything.
    public let untilUs: Int64
    /// Whether the process reports no more.
    public let isLast: Bool
    /// The electricity zone of the machine, the names of the counters and models from which energy is computed, and the
    /// measurement tier: A, B, C, M, K or U (`MeteringTier`).
    public let zone, method, tier: String
    /// How many uses and intervals this process had metered in all when it made this report.
    public let counts: Counts
    /// What attempts of this process used.
    public let uses: [Use]
    /// What the machine used, in the order of time.
    public let intervals: [Interval]
    /// What its GPUs used; nil without GPUs.
    public let gpus: GPUs?

    /// `tier` is the letter of a measurement tier.
    public init(
        process: UUID, untilUs: Int64, isLast: Bool, zone: String, method: String, tier: String,
        counts: Counts, uses: [Use], intervals: [Interval], gpus: GPUs? = nil
    ) {
        self.gpus = gpus
        (self.process, self.untilUs, self.isLast) = (process, untilUs, isLast)
        (self.zone, self.method, self.tier) = (zone, method, tier)
        self.counts = counts
        (self.uses, self.intervals) = (uses, intervals)
    }

    /// What the GPUs used, as a report of the machine `HostIdentity.gpus`; nil without GPUs.
    var ofGPUs: EnergyReport? {
        gpus.map { gpus in
            EnergyReport(
                process: gpus.process, untilUs: untilUs, isLast: isLast, zone: zone,
                method: gpus.method, tier: gpus.tier, counts: Counts(), uses: [],
                intervals: gpus.intervals)
        }
    }

    /// Numbers of uses and of intervals.
    public struct Counts: Sendable, Equatable {
        /// The numbers.
        public var uses = 0, intervals = 0

        /// Starts with 0 of each.
        public init() {}
    }
}

/// What the database did with a report.
public struct EnergyAnswer: Sendable, Equatable {
    /// Whether this process is its machine's meter.
    public let isMeter: Bool
    /// The end of the meter's last interval, in microseconds since 1970.
    public let meteredUntilUs: Int64
    /// The end of the last interval of the machine's GPUs, in microseconds since 1970; nil without GPUs.
    public internal(set) var gpusMeteredUntilUs: Int64?
    /// How many uses came after their time was allocated, wholly or in part: that energy of them is missing.
    public let late: Int
    /// The machine's other processes that report, with their pids.
    let others: [String: String]
}

extension JobQueue {
    /// Writes what `observer` metered and has not reported yet. A report may be written again.
    public func report(_ observer: any AttemptObserver, isLast: Bool = false) throws {
        guard let report = try observer.report(isLast: isLast) else { return }
        var answer = try addKnowingDead(report, of: .current)
        answer.gpusMeteredUntilUs = try report.ofGPUs.map {
            try addKnowingDead($0, of: HostIdentity.current.gpus).meteredUntilUs
        }
        observer.written(report, answer)
    }

    /// Writes a report. The database waits for other processes of the machine, unless it learns that they have ended.
    private func addKnowingDead(_ report: EnergyReport, of host: HostIdentity) throws
        -> EnergyAnswer
    {
        let answer = try add(report, of: host)
        let dead = answer.others.filter { ProcessNumber.isDead($0.value) }.keys.sorted()
        return dead.isEmpty ? answer : try add(report, dead: dead, of: host)
    }

    /// Reports as `report` does. Metering must stop neither a job nor a worker, so this throws nothing: what is not written
    /// goes with the next report. `options.report` is told why, unless the database is away, which others tell.
    func reportIfPossible(
        _ observer: (any AttemptObserver)?, isLast: Bool = false, _ options: WorkerOptions
    ) {
        guard let observer else { return }
        do { try report(observer, isLast: isLast) } catch let error as PostgresError
            where error.isConnectionLoss || error.isReadOnly
        {} catch { options.report("\(options.name): what was metered is not written: \(error)") }
    }

    /// Writes a report of a machine and allocates what can be allocated. `dead` are processes that have ended.
    func add(_ report: EnergyReport, dead: [String] = [], of host: HostIdentity = .current) throws
        -> EnergyAnswer
    {
        let (uses, intervals) = (report.uses, report.intervals)
        func energies(_ part: (EnergyReport.Interval) -> Int64?) -> [Int64?] { intervals.map(part) }
        let rows = try ask(
            .energyAdd(
                process: report.process.uuidString, identity: host.identity, name: host.name,
                pid: ProcessNumber.own, dead: dead, untilUs: report.untilUs, ends: report.isLast,
                tokens: uses.map(\.token), jobs: uses.map(\.job), fromUs: uses.map(\.fromUs),
                untilsUs: uses.map(\.untilUs), reserved: uses.map(\.reservedNs),
                cpus: uses.map(\.cpuNs), zone: report.zone, method: report.method,
                tier: report.tier, startedUs: intervals.map(\.fromUs),
                endedUs: intervals.map(\.untilUs), capacities: intervals.map(\.capacityNs),
                busy: intervals.map(\.busyNs), others: intervals.map(\.othersNs),
                idles: energies { $0.idle?.microjoules }, idlesLow: energies { $0.idle?.low },
                idlesHigh: energies { $0.idle?.high }, loads: energies { $0.load?.microjoules },
                loadsLow: energies { $0.load?.low }, loadsHigh: energies { $0.load?.high }))
        guard let row = rows.first else {
            throw JobsError(.wrongState, "no answer to a report of energy")
        }
        return EnergyAnswer(
            isMeter: try row.bool("meters"), meteredUntilUs: try row.int64("metered_until_us"),
            gpusMeteredUntilUs: nil, late: try row.int("late"),
            others: Dictionary(
                zip(try row.textArray("others"), try row.textArray("pids")),
                uniquingKeysWith: { first, _ in first }))
    }

    /// Allocates the energy of machines whose processes have all ended or fallen silent.
    func allocateEnergy() throws { _ = try ask(.energyAllocate) }
}

/// The number of a process, with that of its namespace.
enum ProcessNumber {
    private static let namespace: String = {
        do {
            return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
        } catch {
            return "pid"  // A system without namespaces.
        }
    }()

    /// That of this process, such as `pid:[4026531836] 1234`.
    static var own: String { "\(namespace) \(getpid())" }

    /// Whether the process of a number has ended; false if that cannot be known, for a process in another namespace.
    static func isDead(_ number: String) -> Bool {
        let words = number.split(separator: " ")
        guard words.count == 2, words[0] == namespace, let pid = pid_t(words[1]) else {
            return false
        }
        return kill(pid, 0) == -1 && errno == ESRCH
    }
}
