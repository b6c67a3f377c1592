// The energy of one host over time, allocated to the attempts of this process, to other load, and
// to unreserved processors.
//
// Each start and end of an attempt, and each sample, begins a new interval of time. In each
// interval the processor time of the process is divided equally among the running attempts, because
// their threads and the threads of BLAS cannot be told apart. `EnergyAllocation` splits the energy
// of the host. All amounts are integers, so the sums are exact.

import Metering

/// The energy of one host since the first reading, split into parts that add up exactly to `total`.
public struct EnergyLedger: Sendable {
    /// The energy of processor time that no attempt used, and the idle energy of processors that
    /// other processes reserved.
    public private(set) var other = Energy.zero
    /// The idle energy of unreserved processors.
    public private(set) var unallocated = Energy.zero
    /// The energy of the host.
    public private(set) var total = Energy.zero

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
    private var pending = Pending()

    private struct Account {
        var startNs: Int64
        var threads: Int
        var cpuNs: Int64 = 0
        var energy = Energy.zero
        var hasGap = false
    }

    /// Time, usage and energy since the last split.
    private struct Pending {
        var wallNs: Int64 = 0
        var busyNs: Int64 = 0
        var counted: Int64 = 0
        var othersReserved: Int64 = 0
        var shares: [Int64: (reserved: Int64, used: Int64)] = [:]
        /// Whether a counter had its first reading since the last split. The energy that the
        /// counter counted before its first reading is unknown.
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
        for index in counters.indices { _ = counters[index].take(first.counters[index]) }
        if !countsProcessor { counters = [] }
    }

    /// Opens the account of an attempt at `reading`. If `reserved` is given, it replaces
    /// `threadsPerAttempt`.
    public mutating func start(_ token: Int64, reserved: Int? = nil, at reading: HostReading) {
        advance(to: reading)
        open[token] = Account(startNs: reading.timeNs, threads: max(1, reserved ?? threads))
    }

    /// Closes the account of an attempt at `reading` and returns its usage; nil if no account is
    /// open.
    public mutating func end(_ token: Int64, at reading: HostReading) -> AttemptUsage? {
        advance(to: reading)
        guard let account = open.removeValue(forKey: token) else { return nil }
        let isGap = account.hasGap || (pending.wallNs > 0 && pending.shares[token] != nil)
        // The estimate and its two bounds are split separately, so rounding may put a bound on the
        // wrong side of the estimate by a microjoule.
        var energy = account.energy
        energy.low = min(energy.low, energy.microjoules)
        energy.high = max(energy.high, energy.microjoules)
        return AttemptUsage(
            wallNs: reading.timeNs - account.startNs, cpuNs: account.cpuNs,
            energy: isGap ? nil : energy,
            method: method, tier: tier)
    }

    /// Takes a reading, and allocates the time and energy since the last reading.
    public mutating func advance(to reading: HostReading) {
        let wall = max(0, reading.timeNs - last.timeNs)
        let used = max(0, reading.processCPUNs - last.processCPUNs)
        let hostBusy = last.hostBusyNs.flatMap { before in reading.hostBusyNs.map { $0 - before } }
        // The limit keeps a corrupt report of another process from overflowing the sums. It is 52
        // processor days, more than a host reserves between two readings.
        let others = reading.othersReservedNs - last.othersReservedNs
        pending.othersReserved += min(max(0, others), 1 << 52)
        last = reading
        pending.wallNs += wall
        pending.busyNs += max(hostBusy ?? 0, used)
        // The tokens are sorted, so that the split is deterministic.
        let tokens = open.keys.sorted()
        if !tokens.isEmpty {
            let parts = LargestRemainder.split(used, weights: tokens.map { _ in 1 })
            for (token, part) in zip(tokens, parts) {
                open[token]?.cpuNs += part
                let held = pending.shares[token] ?? (0, 0)
                pending.shares[token] = (
                    held.reserved + wall * Int64(open[token]?.threads ?? 1), held.used + part
                )
            }
        }
        if readCounters(reading) { settle() }
    }

    /// Adds the energy that the counters measured to `pending`. Returns false if no energy can be
    /// split now: a counter could not be read, or had its first reading, before which its energy is
    /// unknown.
    private mutating func readCounters(_ reading: HostReading) -> Bool {
        var isComplete = true
        for index in counters.indices {
            switch counters[index].take(reading.counters[index]) {
            case .delta(let energy): pending.counted += energy
            case .gap: isComplete = false
            case .first: pending.isUnknown = true
            }
        }
        if isComplete && pending.isUnknown {
            for token in pending.shares.keys { open[token]?.hasGap = true }
            pending = Pending()
            return false
        }
        return isComplete
    }

    /// Splits the energy since the last split among the attempts, other load and unreserved
    /// processors.
    private mutating func settle() {
        guard pending.wallNs > 0 else { return }
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
        let idle =
            processor.scaled(by: PowerModel.idleFraction(load: load)) + memory.scaled(by: seconds)
        let loaded = processor.scaled(by: 1 - PowerModel.idleFraction(load: load))

        let tokens = pending.shares.keys.sorted()
        let shares = tokens.map { token in
            let share = pending.shares[token] ?? (0, 0)
            return EnergyAllocation.Share(reserved: share.reserved, used: share.used)
        }
        let ends: [(KeyPath<Interval, Double>, WritableKeyPath<Energy, Int64>)] = [
            (\.value, \.microjoules), (\.low, \.low), (\.high, \.high),
        ]
        for (from, to) in ends {
            let idleEnergy = Int64((idle[keyPath: from] * 1e6).rounded())
            let loadEnergy = Int64((loaded[keyPath: from] * 1e6).rounded())
            let split = EnergyAllocation(
                idle: idleEnergy, load: loadEnergy, capacity: capacity, busy: pending.busyNs,
                othersReserved: pending.othersReserved, shares: shares)
            for (token, part) in zip(tokens, split.attempts) {
                // An attempt that ended while a counter could not be read has no account any more,
                // so its part of the energy is unallocated.
                if open[token] == nil { unallocated[keyPath: to] += part }
                open[token]?.energy[keyPath: to] += part
            }
            other[keyPath: to] += split.other
            unallocated[keyPath: to] += split.unallocated
            total[keyPath: to] += idleEnergy + loadEnergy
        }
        pending = Pending()
    }
}
