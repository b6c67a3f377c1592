// One look at the host's clocks and counters: what the energy ledger is made of.

import Metering

/// What the host's clocks and counters said at one moment.
public struct HostReading: Sendable, Equatable {
    /// Monotonic time in nanoseconds.
    public var timeNs: Int64
    /// Processor time of this process in nanoseconds.
    public var processCPUNs: Int64
    /// Busy processor time of the host in nanoseconds; nil where it cannot be told.
    public var hostBusyNs: Int64?
    /// The energy counters in microjoules, one for each domain; nil where the read failed.
    public var counters: [Int64?]
    /// Processor nanoseconds that other processes' attempts have reserved since some beginning.
    public var othersReservedNs: Int64

    /// Makes a reading.
    public init(
        timeNs: Int64, processCPUNs: Int64, hostBusyNs: Int64?, counters: [Int64?] = [],
        othersReservedNs: Int64 = 0
    ) {
        self.timeNs = timeNs
        self.processCPUNs = processCPUNs
        self.hostBusyNs = hostBusyNs
        self.counters = counters
        self.othersReservedNs = othersReservedNs
    }
}

/// Something that can look at the host: the live one, or a script in tests.
public protocol HostReader: Sendable {
    /// The machine.
    var host: HostDescription { get }
    /// Its energy counters, in the order of `HostReading.counters`.
    var domains: [RAPLDomain] { get }
    /// Looks now.
    func read() throws -> HostReading
    /// Tells the other processes of the machine that so many processors more, or fewer, are reserved here from then on.
    func reserve(processors: Int, atNs: Int64)
}

extension HostReader {
    /// Alone on its machine.
    public func reserve(processors: Int, atNs: Int64) {}
}

/// The machine this process runs on.
public struct LiveHostReader: HostReader {
    /// The machine.
    public let host: HostDescription
    /// Its readable energy counters; none on most virtual machines.
    public let domains: [RAPLDomain]
    private let reservations: HostReservations?

    /// Finds out what the machine is and which counters it lets us read.
    public init() throws {
        host = try HostDescription.current()
        domains = RAPL.domains()
        reservations = HostReservations(atNs: try Clocks.monotonicNanoseconds())
    }

    /// Tells the other processes of the machine.
    public func reserve(processors: Int, atNs: Int64) {
        reservations?.add(processors: processors, atNs: atNs)
    }

    /// Looks now.
    public func read() throws -> HostReading {
        let now = try Clocks.monotonicNanoseconds()
        return HostReading(
            timeNs: now, processCPUNs: try Clocks.processCPUNanoseconds(),
            hostBusyNs: HostLoad.busyNanoseconds(), counters: domains.map { $0.read() },
            othersReservedNs: reservations?.othersNs(atNs: now) ?? 0)
    }
}
