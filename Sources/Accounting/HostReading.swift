// One look at the host's clocks and counters: what the energy ledger is made of.

import Metering
import Synchronization

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
    private let lastLook = LastLook()

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
        let (busy, others) = lastLook.at(now) {
            (HostLoad.busyNanoseconds(), reservations?.othersNs(atNs: now) ?? 0)
        }
        return HostReading(
            timeNs: now, processCPUNs: try Clocks.processCPUNanoseconds(),
            hostBusyNs: busy, counters: domains.map { $0.read() }, othersReservedNs: others)
    }
}

/// What was found by the last look at files of the kernel and of other processes. Its busy time has steps of 10 ms, so a
/// look more often tells nothing, and thousands of short attempts a second would do nothing else.
private final class LastLook: Sendable {
    private static let freshNs: Int64 = 10_000_000

    private let found = Mutex<(atNs: Int64, busy: Int64?, others: Int64)?>(nil)

    func at(_ now: Int64, _ look: () -> (Int64?, Int64)) -> (busy: Int64?, others: Int64) {
        found.withLock { found in
            if let found, now - found.atNs < Self.freshNs { return (found.busy, found.others) }
            let (busy, others) = look()
            found = (now, busy, others)
            return (busy, others)
        }
    }
}
