// A reading of the host's clocks and counters, which is the input of `EnergyLedger`.

import Metering
import Synchronization

/// The host's clocks and counters at one moment.
public struct HostReading: Sendable, Equatable {
    /// The monotonic time in nanoseconds.
    public var timeNs: Int64
    /// The time of the machine's clock in microseconds since 1970.
    public var epochUs: Int64
    /// The processor time of this process, in nanoseconds.
    public var processCPUNs: Int64
    /// The busy processor time of the host in nanoseconds; nil if it cannot be read.
    public var hostBusyNs: Int64?
    /// The energy counters in microjoules, one per domain; nil for a counter that could not be
    /// read.
    public var counters: [Int64?]
    /// The cumulative processor time that attempts of other databases reserved, in nanoseconds;
    /// only differences matter.
    public var othersReservedNs: Int64

    /// `counters` has one element per domain of the host.
    public init(
        timeNs: Int64, epochUs: Int64, processCPUNs: Int64, hostBusyNs: Int64?,
        counters: [Int64?] = [],
        othersReservedNs: Int64 = 0
    ) {
        self.timeNs = timeNs
        self.epochUs = epochUs
        self.processCPUNs = processCPUNs
        self.hostBusyNs = hostBusyNs
        self.counters = counters
        self.othersReservedNs = othersReservedNs
    }
}

/// A source of readings: the live host or, in tests, prepared readings.
public protocol HostReader: Sendable {
    /// The machine.
    var host: HostDescription { get }
    /// The energy counters of the machine, in the order of `HostReading.counters`.
    var domains: [RAPLDomain] { get }
    /// Reads all clocks and counters now, but for those of GPUs.
    func read() throws -> HostReading
    /// The names of the GPUs with energy counters.
    var gpus: [String] { get }
    /// Reads the counters of the GPUs in microjoules, in the order of `gpus`; nil for one that could not be read. This may
    /// take milliseconds.
    func readGPUs() -> [Int64?]
    /// Tells other processes of the machine that this process reserves `processors` more (fewer if
    /// negative) from the time `atNs` on.
    func reserve(processors: Int, atNs: Int64)
}

extension HostReader {
    /// Does nothing, for readers that know no other processes.
    public func reserve(processors: Int, atNs: Int64) {}
    /// None, for readers that know no GPUs.
    public var gpus: [String] { [] }
    /// Reads nothing.
    public func readGPUs() -> [Int64?] { [] }
}

/// Reads the machine that this process runs on.
public struct LiveHostReader: HostReader {
    /// The machine.
    public let host: HostDescription
    /// The readable energy counters of the machine; none on most virtual machines.
    public let domains: [RAPLDomain]
    private let reservations: HostReservations?
    private let lastLook = LastLook()
    private let library = GPUs()

    /// Describes the machine and finds its readable energy counters. `database` tells programs that work for the same
    /// database from others (`CostLedger.key`); `stated` is what is stated of the machine's rating.
    public init(database: String, stated: StatedRating = StatedRating()) throws {
        host = try HostDescription.current(stated: stated)
        domains = RAPL.domains()
        reservations = HostReservations(
            database: database, atNs: try Clocks.monotonicNanoseconds())
    }

    /// The GPUs whose counters NVIDIA's library can read.
    public var gpus: [String] { library?.names ?? [] }

    /// Reads those counters.
    public func readGPUs() -> [Int64?] { library?.read() ?? [] }

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
            timeNs: now, epochUs: try Clocks.epochMicroseconds(),
            processCPUNs: try Clocks.processCPUNanoseconds(),
            hostBusyNs: busy, counters: domains.map { $0.read() }, othersReservedNs: others)
    }
}

/// The last values that were read from files of the kernel and of other processes. These files are
/// read at most every 10 ms, because busy time advances in steps of 10 ms. With thousands of short
/// attempts per second, reading the files at each start and end would dominate the attempts' cost.
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
