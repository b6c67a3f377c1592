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

    /// How long a counter may be unreadable before the energy of that time is given up, in nanoseconds.
    private static let patienceNs: Int64 = 60_000_000_000

    private let host: HostDescription
    private let threads: Int
    private let countsMemory: Bool
    /// Whether this is the ledger of GPUs.
    private let areGPUs: Bool
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
        /// The counters that could not be read at the last reading.
        var failing: [Int] = []
        /// Whether a counter had its first reading in this time, or began anew. What it counted before is unknown.
        var isUnknown = false
    }

    /// An attempt without a reservation of its own holds `threadsPerAttempt` processors. `domains`
    /// are the counters of the readings; `first` is the first reading.
    public init(
        host: HostDescription, domains: [RAPLDomain], threadsPerAttempt: Int, first: HostReading
    ) {
        self.host = host
        areGPUs = false
        threads = max(1, threadsPerAttempt)
        // No socket draws four times its rated power; that of small processors may be far too low a rating.
        let most = max(500, 4 * host.rating.watts)
        counters = domains.map { EnergyCounter(range: $0.range, mostWatts: most) }
        let countsProcessor = domains.contains { $0.name != "dram" }
        countsMemory = countsProcessor && domains.contains { $0.name == "dram" }
        method = [
            countsProcessor ? "RAPL" : "model TDP·√load (\(host.rating.source))",
            countsMemory ? "RAPL dram" : "model memory",
        ].joined(separator: " + ")
        tier = countsProcessor && countsMemory ? .counter : .model
        last = first
        pending = Pending(fromUs: first.epochUs)
        for index in counters.indices {
            _ = counters[index].take(first.counters[index], atNs: first.timeNs)
        }
        if !countsProcessor { counters = [] }
    }

    /// Makes the ledger of the GPUs of a machine; the counters of its readings are theirs. No attempt can reserve a GPU, and
    /// none says what it used of one, so all their energy is load that no attempt caused: that of other programs.
    public init(gpus names: [String], first: HostReading) {
        host = HostDescription(
            name: "", cpuModel: "", vCPUs: 0, isVirtual: false, memoryBytes: 0,
            rating: ThermalDesign(watts: 0, threads: 1, source: ""))
        (areGPUs, threads, countsMemory) = (true, 1, true)
        (method, tier) = ("NVML", .counter)
        counters = names.map { _ in EnergyCounter(range: 0, mostWatts: Self.mostGPUWatts) }
        last = first
        pending = Pending(fromUs: first.epochUs)
        for index in counters.indices {
            _ = counters[index].take(first.counters[index], atNs: first.timeNs)
        }
    }

    /// More than any GPU draws, in watts.
    private static let mostGPUWatts = 3000.0

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

    /// Takes a reading, and adds the time and energy since the last one. A reading that another thread has overtaken is
    /// passed over: a counter would seem to go back.
    public mutating func advance(to reading: HostReading) {
        guard reading.timeNs >= last.timeNs else { return }
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
        // GPUs have no processor time, so it cannot decide whose their energy is.
        pending.busyNs += areGPUs ? 0 : max(hostBusy ?? 0, used)
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
    /// machine; no interval if a counter cannot be read now, then the next one covers this time too. The energy of a time is
    /// given up (an interval of unknown energy) if the counter stays away for a minute, or if the cut is the last.
    public mutating func cut(isLast: Bool = false) -> (
        uses: [EnergyReport.Use], interval: EnergyReport.Interval?
    ) {
        var uses = ended
        ended = []
        for token in open.keys.sorted() {
            guard let account = open[token], account.fromUs < last.epochUs else { continue }
            uses.append(use(of: account, token))
            open[token] = Account(
                job: account.job, threads: account.threads, fromUs: last.epochUs)
        }
        let givesUp = isLast || pending.wallNs >= Self.patienceNs
        guard pending.failing.isEmpty || givesUp, last.epochUs > pending.fromUs else {
            return (uses, nil)
        }
        // What such a counter shows when it comes back is not the energy of the time after this.
        for index in pending.failing { counters[index].forget() }
        let energies = pending.isUnknown || !pending.failing.isEmpty ? nil : energies()
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
        pending.failing = []
        for index in counters.indices {
            switch counters[index].take(reading.counters[index], atNs: reading.timeNs) {
            case .delta(let energy): pending.counted += energy
            case .gap: pending.failing.append(index)
            case .first: pending.isUnknown = true
            }
        }
    }

    /// Returns the energy of the machine since the last interval.
    private func energies() -> (idle: AttemptUse.Energy, load: AttemptUse.Energy) {
        if areGPUs {
            let none = AttemptUse.Energy(microjoules: 0, low: 0, high: 0)
            let counted = pending.counted
            return (none, AttemptUse.Energy(microjoules: counted, low: counted, high: counted))
        }
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
