// One reading of the host's clocks and counters, the input of the energy ledger.

import Metering
import Synchronization

/// The host's clocks and counters at one moment.
public struct HostReading: Sendable, Equatable {
    /// Monotonic time in nanoseconds.
    public var timeNs: Int64
    /// Processor time of this process in nanoseconds.
    public var processCPUNs: Int64
    /// Busy processor time of the host in nanoseconds; nil if it cannot be read.
    public var hostBusyNs: Int64?
    /// The energy counters in microjoules, one per domain; nil if a read failed.
    public var counters: [Int64?]
    /// Cumulative processor nanoseconds reserved by attempts of other processes; only differences
    /// matter.
    public var othersReservedNs: Int64

    /// `counters` has one element per domain of the host.
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

/// A source of readings: the live host, or a script in tests.
public protocol HostReader: Sendable {
    /// The machine.
    var host: HostDescription { get }
    /// Its energy counters, in the order of `HostReading.counters`.
    var domains: [RAPLDomain] { get }
    /// Reads all clocks and counters now.
    func read() throws -> HostReading
    /// Publishes to other processes of the machine that this process reserves `processors` more (or
    /// fewer) from `atNs` on.
    func reserve(processors: Int, atNs: Int64)
}

extension HostReader {
    /// No other processes: does nothing.
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

    /// Describes the machine and finds its readable counters.
    public init() throws {
        host = try HostDescription.current()
        domains = RAPL.domains()
        reservations = HostReservations(atNs: try Clocks.monotonicNanoseconds())
    }

    /// Publishes the change through `HostReservations`.
    public func reserve(processors: Int, atNs: Int64) {
        reservations?.add(processors: processors, atNs: atNs)
    }

    /// Reads all clocks and counters now.
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

/// The last values read from files of the kernel and of other processes. Busy time advances in
/// steps of 10 ms, so reading more often gains nothing and would dominate thousands of short
/// attempts a second.
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
