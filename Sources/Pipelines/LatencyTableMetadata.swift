// What is stored beside the entries of a latency table: how it came to be, how good it is, what the machine did meanwhile.

import Metering
import Search

/// What is known of a measured table.
public struct LatencyTableMetadata: Codable, Sendable, Equatable {
    /// The device, and the space of the networks.
    public let device, space: String
    /// Images at a time.
    public let batch: Int
    /// All entries of the table.
    public let entries: Int
    /// Mean of |table / whole - 1| over whole networks.
    public let meanError: Double
    /// Networks timed whole.
    public let wholeNetworks: Int
    /// The kernels, and the machine's name.
    public let instructionSet, host: String
    /// Image sizes that the table has.
    public let resolutions: [Int]
    /// Entries measured this time, and those known before; timings left out as disturbed.
    public let measured, known, outliers: Int
    /// The table beside whole networks, and the correction.
    public let check: LatencyCheck
    /// The machine meanwhile.
    public let machine: MachineRecord
}

/// The machine while something was timed on it.
public struct MachineRecord: Codable, Sendable, Equatable {
    /// The processor that the thread was pinned to; nil where it was not.
    public let processor: Int?
    /// Frequency and load when it began and when it ended.
    public let before, after: ProcessorState
    /// The lowest and highest frequency seen, in MHz.
    public let megahertzLow, megahertzHigh: Double?
    /// Share of all processors' time that others used.
    public let othersBusy: Double?
    /// Seconds of measuring.
    public let seconds: Double
}

/// What is known of a calibrated table.
struct CalibrationMetadata: Codable, Sendable, Equatable {
    let device: String
    let batch, entries: Int
    let resolutions: [Int]
    /// Whose table it was made of.
    let reference: String
    /// The common factor, and how much classes, parts and measurements deviate from it.
    let factor: Double
    let spreads: LatencyCalibration.Spreads
    /// Mean of |predicted / measured - 1| over networks that the others predict.
    let meanError: Double
    let measurements: [LatencyCalibration.Measurement]
}

/// What is known of a table that a person brought.
struct TableSize: Codable, Sendable, Equatable {
    let entries: Int
    let resolutions: [Int]

    init(_ table: LatencyTable) {
        entries = table.entries.values.reduce(0) { $0 + $1.count }
        resolutions = table.resolutions
    }
}

/// What every table's metadata may say, whichever way it came to be and whichever version wrote it.
public struct LatencyTableSummary: Codable, Sendable, Equatable {
    /// How many entries it has.
    public let entries: Int?
    /// Image sizes that it has.
    public let resolutions: [Int]?
    /// Mean of |table / whole - 1|; of a calibrated table that of networks left out of the fit.
    public let meanError: Double?
    /// The device whose table it was calibrated from.
    public let reference: String?
    /// The machine that it was measured on.
    public let host: String?
}
