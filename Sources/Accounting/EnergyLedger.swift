// What one process metered: the processor time of its attempts, and the energy of its machine.
//
// Each start and end of an attempt, and each reading, ends a span of time, in which the processor time of the process is
// divided equally among the running attempts, because their threads and the threads of BLAS cannot be told apart. `cut`
// closes the spans since the last cut: a use for each attempt, and an interval of the machine. The database divides the
// energy of intervals among the uses of all processes (sql/functions/allocate_energy.sql). All amounts are integers.

import Jobs
import Metering

/// The uses of a process's attempts and the intervals of its machine, since the first reading.
public struct EnergyLedger: Sendable {
    /// The names of the counters and models from which the energy is computed.
    public let method: String
    /// The measurement tier of the energy.
    public let tier: MeteringTier

    private let host: HostDescription
    private let threads: Int
    private let countsMemory: Bool
    private var counters: [EnergyCounter]
    private var last: HostReading
    private var open: [Int64: Account] = [:]
    private var pending: Pending
    private var ended: [EnergyReport.Use] = []

    /// What an open attempt used since the last cut.
    private struct Account {
        let job: Int64
        let threads: Int
        var fromUs: Int64
        var reservedNs: Int64 = 0
        var cpuNs: Int64 = 0
    }

    /// What the machine used since the last interval.
    private struct Pending {
        var fromUs: Int64
        var wallNs: Int64 = 0
        var busyNs: Int64 = 0
        var othersNs: Int64 = 0
        var counted: Int64 = 0
        /// Whether all counters could be read at the last reading.
        var isComplete = true
        /// Whether a counter had its first reading in this time. What it counted before is unknown.
        var isUnknown = false
    }

    /// An attempt without a reservation of its own holds `threadsPerAttempt` processors. `domains`
    /// are the counters of the readings; `first` is the first reading.
    public init(
        host: HostDescription, domains: [RAPLDomain], threadsPerAttempt: Int, first: HostReading
    ) {
        self.host = host
        threads = max(1, threadsPerAttempt)
        counters = domains.map { EnergyCounter(range: $0.range) }
        let countsProcessor = domains.contains { $0.name != "dram" }
        countsMemory = countsProcessor && domains.contains { $0.name == "dram" }
        method = [
            countsProcessor ? "RAPL" : "model TDP·√load (\(host.rating.source))",
            countsMemory ? "RAPL dram" : "model memory",
        ].joined(separator: " + ")
        tier = countsProcessor && countsMemory ? .counter : .model
        last = first
        pending = Pending(fromUs: first.epochUs)
        for index in counters.indices { _ = counters[index].take(first.counters[index]) }
        if !countsProcessor { counters = [] }
    }

    /// The time up to which this ledger was cut or can be cut, in microseconds since 1970.
    public var untilUs: Int64 { last.epochUs }
    /// Whether an attempt runs.
    public var isInUse: Bool { !open.isEmpty }

    /// Opens the account of an attempt at `reading`. If `reserved` is given, it replaces
    /// `threadsPerAttempt`.
    public mutating func start(
        _ token: Int64, job: Int64, reserved: Int? = nil, at reading: HostReading
    ) {
        advance(to: reading)
        open[token] = Account(
            job: job, threads: max(1, reserved ?? threads), fromUs: last.epochUs)
    }

    /// Closes the account of an attempt at `reading`, if it is open.
    public mutating func end(_ token: Int64, at reading: HostReading) {
        advance(to: reading)
        guard let account = open.removeValue(forKey: token) else { return }
        ended.append(use(of: account, token))
    }

    /// Takes a reading, and adds the time and energy since the last one.
    public mutating func advance(to reading: HostReading) {
        let wall = max(0, reading.timeNs - last.timeNs)
        let used = max(0, reading.processCPUNs - last.processCPUNs)
        let hostBusy = last.hostBusyNs.flatMap { before in reading.hostBusyNs.map { $0 - before } }
        // The limit keeps a corrupt report of another process from overflowing the sums. It is 52
        // processor days, more than a host reserves between two readings.
        let others = reading.othersReservedNs - last.othersReservedNs
        pending.othersNs += min(max(0, others), 1 << 52)
        let before = last.epochUs
        last = reading
        // The clock of the machine may be set back.
        last.epochUs = max(before, reading.epochUs)
        pending.wallNs += wall
        pending.busyNs += max(hostBusy ?? 0, used)
        readCounters(reading)
        // The tokens are sorted, so that the split is deterministic.
        let tokens = open.keys.sorted()
        guard !tokens.isEmpty else { return }
        let parts = LargestRemainder.split(used, weights: tokens.map { _ in 1 })
        for (token, part) in zip(tokens, parts) {
            guard var account = open[token] else { continue }
            account.cpuNs += part
            account.reservedNs += wall * Int64(account.threads)
            open[token] = account
        }
    }

    /// Closes the spans up to the last reading. Returns the uses of all attempts since the last cut, and the interval of the
    /// machine; no interval if a counter cannot be read now, then the next one covers this time too.
    public mutating func cut() -> (uses: [EnergyReport.Use], interval: EnergyReport.Interval?) {
        var uses = ended
        ended = []
        for token in open.keys.sorted() {
            guard let account = open[token], account.fromUs < last.epochUs else { continue }
            uses.append(use(of: account, token))
            open[token] = Account(
                job: account.job, threads: account.threads, fromUs: last.epochUs)
        }
        guard pending.isComplete, last.epochUs > pending.fromUs else { return (uses, nil) }
        let energies = pending.isUnknown ? nil : energies()
        let interval = EnergyReport.Interval(
            fromUs: pending.fromUs, untilUs: last.epochUs,
            capacityNs: pending.wallNs * Int64(host.vCPUs), busyNs: pending.busyNs,
            othersNs: pending.othersNs, idle: energies?.idle, load: energies?.load)
        pending = Pending(fromUs: last.epochUs)
        return (uses, interval)
    }

    private func use(of account: Account, _ token: Int64) -> EnergyReport.Use {
        EnergyReport.Use(
            job: account.job, token: token, fromUs: account.fromUs, untilUs: last.epochUs,
            reservedNs: account.reservedNs, cpuNs: account.cpuNs)
    }

    private mutating func readCounters(_ reading: HostReading) {
        pending.isComplete = true
        for index in counters.indices {
            switch counters[index].take(reading.counters[index]) {
            case .delta(let energy): pending.counted += energy
            case .gap: pending.isComplete = false
            case .first: pending.isUnknown = true
            }
        }
    }

    /// Returns the energy of the machine since the last interval.
    private func energies() -> (idle: AttemptUse.Energy, load: AttemptUse.Energy) {
        let seconds = Double(pending.wallNs) / 1e9
        let capacity = pending.wallNs * Int64(host.vCPUs)
        let load = Double(pending.busyNs) / Double(max(capacity, 1))
        let memory =
            countsMemory ? Interval(exactly: 0) : PowerModel.memoryWatts(bytes: host.memoryBytes)
        let processor =
            counters.isEmpty
            ? PowerModel.processorWatts(rating: host.rating, vCPUs: host.vCPUs, load: load).scaled(
                by: seconds)
            : Interval(exactly: Double(pending.counted) / 1e6)
        func energy(_ joules: Interval) -> AttemptUse.Energy {
            let (value, low, high) = (
                Int64((joules.value * 1e6).rounded()), Int64((joules.low * 1e6).rounded()),
                Int64((joules.high * 1e6).rounded())
            )
            return AttemptUse.Energy(
                microjoules: value, low: min(low, value), high: max(high, value))
        }
        return (
            energy(
                processor.scaled(by: PowerModel.idleFraction(load: load))
                    + memory.scaled(by: seconds)),
            energy(processor.scaled(by: 1 - PowerModel.idleFraction(load: load)))
        )
    }
}
