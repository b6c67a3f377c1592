// The metadata of latency tables: their origin, their quality, and the state of the machine during the measurement.

import Artifacts
import Devices
import Metering
import Networks

/// The metadata of a measured table.
public struct LatencyTableMetadata: Codable, Sendable, Equatable {
    /// The device, and the space of the networks.
    public let device, space: String
    /// The batch size.
    public let batch: Int
    /// The number of entries of the table.
    public let entries: Int
    /// The table's mean relative error: the mean of |latency by the table / measured latency - 1| over whole networks.
    public let meanError: Double
    /// The number of whole networks that were timed to check the table.
    public let wholeNetworks: Int
    /// The instruction set of the kernels, and the host name.
    public let instructionSet, host: String
    /// Image sizes that the table has.
    public let resolutions: [Int]
    /// The numbers of entries measured for this table, of entries reused from an earlier table, and of timings that
    /// other work on the machine disturbed.
    public let measured, known, outliers: Int
    /// The comparison of the table with the latencies of whole networks, and the correction fitted to these latencies.
    public let check: LatencyCheck
    /// The state of the machine during the measurement.
    public let machine: MachineRecord
    /// The hash of the space's definition; nil in data of older versions.
    public var spaceHash: String?
    /// What was timed (`LatencyMeasurement.method`); nil in data of older versions, which timed networks that were not
    /// compiled.
    public var method: String?
    /// The number of threads of the measured networks; nil, in data of older versions, stands for 1.
    public var threads: Int?
}

/// The state of a machine during a measurement.
public struct MachineRecord: Codable, Sendable, Equatable {
    /// The processor that the thread was pinned to, or the first of several; nil if it was not pinned.
    public let processor: Int?
    /// Frequency and load at the start and the end of the measurement.
    public let before, after: ProcessorState
    /// The lowest and highest frequency seen, in MHz; nil if unknown.
    public let megahertzLow, megahertzHigh: Double?
    /// The share of all processors' time that other processes used; nil if unknown.
    public let othersBusy: Double?
    /// The duration of the measurement in seconds.
    public let seconds: Double
    /// The processors that the threads were pinned to; nil in data of older versions.
    public var processors: [Int]?
}

/// The metadata of a calibrated table.
struct CalibrationMetadata: Codable, Sendable, Equatable {
    let device: String
    let batch, entries: Int
    let resolutions: [Int]
    /// The device from whose table this table was calibrated.
    let reference: String
    /// The common factor, and the deviations of classes, parts and measurements (`LatencyCalibration`).
    let factor: Double
    let spreads: LatencyCalibration.Deviations
    /// The mean of |predicted / measured - 1|, where each network is predicted by a fit without that network.
    let meanError: Double
    let measurements: [LatencyCalibration.Measurement]
    /// The device's number of threads.
    let threads: Int
}

/// The metadata of a table that another device or runtime measured with a bundle.
public struct ImportedTableMetadata: Codable, Sendable, Equatable {
    /// The device, the space of the networks, and the hash of the space's definition.
    public let device, space, spaceHash: String
    /// The batch size, and the number of entries of the table.
    public let batch, entries: Int
    /// Image sizes that the table has.
    public let resolutions: [Int]
    /// The mean of |corrected latency by the table / measured latency - 1|, where each network is corrected by a fit
    /// without that network.
    public let meanError: Double
    /// The comparison of the table with the latencies of whole networks, and the correction fitted to them.
    public let check: LatencyCheck
    /// The SHA-256 of the bundle's manifest in hexadecimal.
    public let manifest: String
    /// The runtime with its version, its execution provider, and the machine.
    public let runtime, provider, machine: String
    /// Threads of a model.
    public let threads: Int
    /// The runs of parts that the table is made from; nil in tables that were imported before this was recorded.
    public let runs: BundleResults.Runs?
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

/// The space that a latency table was made for; all fields are nil for user-supplied and calibrated tables.
struct TableOrigin: Decodable {
    let space, spaceHash: String?

    /// Whether the entries may mean other parts in `space`. A table's keys name the layers of a user-defined space by
    /// their sizes. Two such spaces may have equal keys for different layers. So, unless both spaces are published, the
    /// table must be of the same space.
    func isForeign(to space: SearchSpace) throws -> Bool {
        guard let hash = spaceHash, try hash != space.definitionHash else { return false }
        let published = SearchSpace.published
        return !(published.contains(space) && published.contains { $0.name == self.space })
    }

    /// Throws `mismatch` if `artifact`, the table, is foreign to `space`.
    func check(_ artifact: Artifact, _ space: SearchSpace) throws {
        guard try isForeign(to: space) else { return }
        throw PipelineError(
            .mismatch,
            "artifact \(artifact.id) is a \(artifact.kind) of space \(self.space ?? ""), which is not this run's space"
                + " \(space.name)",
            remedy: "measure one for this space")
    }
}

/// The fields that the metadata of a latency table of any origin and version may have; a field is nil if it is not
/// recorded.
public struct LatencyTableSummary: Codable, Sendable, Equatable {
    /// The number of entries of the table.
    public let entries: Int?
    /// Image sizes that the table has.
    public let resolutions: [Int]?
    /// The table's mean relative error: the mean of |latency by the table / measured latency - 1| over whole networks.
    /// For a calibrated table, each network is predicted by a fit without that network.
    public let meanError: Double?
    /// The device from whose table this table was calibrated; nil for other tables.
    public let reference: String?
    /// The host name of the machine that the table was measured on; nil for tables that this program did not measure.
    public let host: String?
    /// What was timed (`LatencyMeasurement.method`), and on how many threads; nil if unknown.
    public let method: String?
    public let threads: Int?

    /// Reads the metadata of a table. Errors: `invalidArtifact`.
    public init(of table: Artifact) throws { self = try DeviceSearch.metadata(Self.self, table) }

    /// Whether this program measured the table, but by another method than today's, so that its entries say nothing
    /// about the latencies that networks have today.
    public var isOutdated: Bool { host != nil && method != LatencyMeasurement.method }

    /// `isOutdated` if this program measured the table; else nil, because the method is unknown.
    public var knownOutdated: Bool? { host == nil ? nil : isOutdated }

    /// The number of threads that the latencies are of; nil if it is not recorded, as for user-supplied tables. Tables
    /// that this program measured without recording it are of one thread.
    public var knownThreads: Int? { threads ?? (host == nil ? nil : 1) }

    /// Returns how the table's latencies differ from those of today's measurement on `threads` threads, as the end of a
    /// sentence about the table; nil if they do not, or if the table does not record it.
    public func difference(threads: Int) -> String? {
        var parts: [String] = []
        if isOutdated {
            let old = method.map { "(\($0))" } ?? "(of networks that were not compiled)"
            parts.append("by an earlier method \(old) than today's (\(LatencyMeasurement.method))")
        }
        if let own = knownThreads, own != threads {
            parts.append("on \(own) thread\(own == 1 ? "" : "s") instead of \(threads)")
        }
        return parts.isEmpty ? nil : "was measured " + parts.joined(separator: " and ")
    }
}

extension LatencyTable {
    /// Returns this table after its correction for `space` is applied, if it has such a correction. Errors: `malformed`
    /// if a corrected entry is negative.
    public func corrected(for space: SearchSpace) throws -> LatencyTable {
        try corrected(for: space, named: try space.tableName)
    }
}
