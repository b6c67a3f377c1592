// The metadata of latency tables: origin, quality, and the state of the machine during the
// measurement.

import Devices
import Metering

/// The metadata of a measured table.
public struct LatencyTableMetadata: Codable, Sendable, Equatable {
    /// The device, and the space of the networks.
    public let device, space: String
    /// The batch size.
    public let batch: Int
    /// All entries of the table.
    public let entries: Int
    /// Mean of |table / whole - 1| over whole networks.
    public let meanError: Double
    /// Networks timed whole.
    public let wholeNetworks: Int
    /// The instruction set of the kernels, and the host name.
    public let instructionSet, host: String
    /// Image sizes that the table has.
    public let resolutions: [Int]
    /// Entries measured this time, entries reused, and timings discarded as outliers.
    public let measured, known, outliers: Int
    /// The comparison with whole networks, and the correction.
    public let check: LatencyCheck
    /// The machine during the measurement.
    public let machine: MachineRecord
    /// The hash of the space's definition; nil in what older versions stored.
    public var spaceHash: String?
}

/// The state of a machine during a measurement.
public struct MachineRecord: Codable, Sendable, Equatable {
    /// The processor that the thread was pinned to; nil if it was not.
    public let processor: Int?
    /// Frequency and load at the start and the end.
    public let before, after: ProcessorState
    /// The lowest and highest frequency seen, in MHz.
    public let megahertzLow, megahertzHigh: Double?
    /// The share of all processor time used by other processes.
    public let othersBusy: Double?
    /// Duration in seconds.
    public let seconds: Double
}

/// The metadata of a calibrated table.
struct CalibrationMetadata: Codable, Sendable, Equatable {
    let device: String
    let batch, entries: Int
    let resolutions: [Int]
    /// The device whose table it was calibrated from.
    let reference: String
    /// The common factor, and how much classes, parts and measurements deviate from it.
    let factor: Double
    let spreads: LatencyCalibration.Spreads
    /// Mean of |predicted / measured - 1| with each network left out of its own fit.
    let meanError: Double
    let measurements: [LatencyCalibration.Measurement]
}

/// The metadata of a user-supplied table.
struct TableSize: Codable, Sendable, Equatable {
    let entries: Int
    let resolutions: [Int]

    init(_ table: LatencyTable) {
        entries = table.entries.values.reduce(0) { $0 + $1.count }
        resolutions = table.resolutions
    }
}

/// The common part of all tables' metadata, of any origin and version.
public struct LatencyTableSummary: Codable, Sendable, Equatable {
    /// How many entries it has.
    public let entries: Int?
    /// Image sizes that it has.
    public let resolutions: [Int]?
    /// Mean of |table / whole - 1|; for a calibrated table, over networks left out of the fit.
    public let meanError: Double?
    /// The device whose table it was calibrated from.
    public let reference: String?
    /// The machine that it was measured on.
    public let host: String?
}
