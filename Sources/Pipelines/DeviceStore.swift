// Device targets in the database, with their latency and energy tables.

import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Networks
import Postgres
import Schema

/// A stored device target.
public struct StoredDevice: Sendable, Equatable {
    /// The device's name, kind, limits, batch size, bytes per number and energy model.
    public let target: DeviceTarget
    /// The device's latency table; nil if it has none.
    public let latencyTable: ArtifactID?
    /// The device's energy table; nil if energy is modelled.
    public let energyTable: ArtifactID?
    /// A summary of the latency table; nil without a table.
    public let summary: LatencyTableSummary?
    /// When the latency table was recorded; nil without a table.
    public let tableRecordedAt: Date?

    /// Makes a stored device; nil stands for a table that the device does not have.
    public init(
        target: DeviceTarget, latencyTable: ArtifactID?, energyTable: ArtifactID? = nil,
        summary: LatencyTableSummary? = nil, tableRecordedAt: Date? = nil
    ) {
        self.tableRecordedAt = tableRecordedAt
        self.target = target
        self.latencyTable = latencyTable
        self.energyTable = energyTable
        self.summary = summary
    }

    /// Returns a copy with other limits, for one search.
    public func limited(to limits: Constraints) -> StoredDevice {
        var target = target
        target.limits = limits
        return StoredDevice(
            target: target, latencyTable: latencyTable, energyTable: energyTable, summary: summary,
            tableRecordedAt: tableRecordedAt)
    }

    /// Whether networks are to be chosen by another table than this device's: the table was measured by an earlier
    /// method, and this device can be measured again.
    public var hasOutdatedTable: Bool {
        latencyTable != nil && target.kind == .computer && summary?.isOutdated == true
    }
}

/// Device targets in the database.
public struct DeviceStore {
    private let connection: Connection

    /// Uses the database of `connection`.
    public init(_ connection: Connection) { self.connection = connection }

    /// Adds a device, or replaces the device of the same name. A stored table, which is valid for one batch size and
    /// number of threads, is kept unless another table is given or one of these changes.
    public func save(
        _ target: DeviceTarget, latencyTable: ArtifactID? = nil, energyTable: ArtifactID? = nil
    ) throws {
        try target.validate()
        var target = target
        do {
            target.name = try TextRule.name.stored.checked(target.name)
        } catch {
            throw PipelineError(
                .invalidValue, "the name of a device \(error.reason)", remedy: error.remedy)
        }
        try connection.execute(
            .deviceSave(
                name: target.name, target: try JSONText.encode(target),
                latencyTable: latencyTable?.rawValue, energyTable: energyTable?.rawValue))
        try connection.note("save", "device \(target.name)")
    }

    /// Deletes a device; runs keep their copies of the device, and its tables remain artifacts. Returns false if there
    /// is no such device.
    public func remove(_ name: String) throws -> Bool {
        let isThere = try connection.execute(.deviceRemove(name: Self.normal(name))) > 0
        if isThere { try connection.note("remove", "device \(Self.normal(name))") }
        return isThere
    }

    /// Returns the device called `name`; nil if there is none.
    public func find(_ name: String) throws -> StoredDevice? {
        try connection.query(.deviceGet(name: Self.normal(name))).first.map(Self.device)
    }

    /// Returns the stored form of a device's name; empty for an invalid name, which no device has.
    private static func normal(_ name: String) -> String {
        do { return try TextRule.name.stored.checked(name) } catch { return "" }
    }

    /// Returns all devices, sorted by name.
    public func list() throws -> [StoredDevice] {
        try connection.query(.deviceList).map(Self.device)
    }

    /// A run with jobs for a device.
    public struct DeviceRun: Sendable, Equatable {
        /// The number and the name of the run.
        public let id: RunID
        public let name: String
        /// The state of the run.
        public let state: RunSummary.State
        /// When the run was enqueued, and when it ended; nil while it is unfinished.
        public let createdAt: Date
        public let endedAt: Date?
    }

    /// Returns the newest runs with jobs for the device called `name`, newest first, at most `most`.
    public func runs(ofDevice name: String, most: Int = 20) throws -> [DeviceRun] {
        try connection.query(.runsOfDevice(among: 5000, device: name, most: most)).map { row in
            DeviceRun(
                id: try row.int64("id"), name: try row.text("name"),
                state: RunSummary.State(rawValue: try row.text("state")) ?? .failed,
                createdAt: try row.date("created_at"),
                endedAt: try row.optionalDate("ended_at"))
        }
    }

    /// Sets the latency table of `device`. Returns false if no device of the same name, kind, batch size and number of
    /// threads is stored.
    @discardableResult
    public func setLatencyTable(_ table: ArtifactID, of device: DeviceTarget) throws -> Bool {
        // The statement's function returns nothing, and so a row in any case.
        try connection.execute(
            .deviceSetTable(
                name: device.name, kind: device.kind.rawValue, batch: device.batch,
                latencyTable: table.rawValue))
        return try find(device.name)?.latencyTable == table
    }

    /// Returns the newest latency table measured on this machine, by today's method, for `space` at batch size `batch`, on
    /// `threads` threads and at all image sizes of the space; nil if there is none.
    public func tableOfThisMachine(space: SearchSpace, batch: Int, threads: Int = 1) throws
        -> ArtifactID?
    {
        struct Measured: Decodable {
            let host, space, spaceHash, method: String?
            let batch, threads: Int?
            let resolutions: [Int]?
        }
        let sizes = space.resolutions, hash = try space.definitionHash
        let host = ProcessInfo.processInfo.hostName
        return try ArtifactStore(connection).list(kind: ArtifactRole.latencyTable.rawValue)
            .last { artifact in
                let known = try JSONText.decode(
                    Measured.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
                return known.host == host && known.space == space.name && known.batch == batch
                    && known.method == LatencyMeasurement.method && known.threads ?? 1 == threads
                    && known.spaceHash ?? hash == hash
                    && known.resolutions.map { Set(sizes).isSubset(of: $0) } ?? true
            }?.id
    }

    /// Stores a user-supplied table of latencies, or of energies if `role` is `energyTable`. Errors: `mismatch` if the
    /// same bytes are stored as a table of another batch size or number of threads.
    public func importTable(
        _ table: LatencyTable, name: String, role: ArtifactRole = .latencyTable, batch: Int? = nil,
        threads: Int = 1
    ) throws -> ArtifactID {
        let what = role == .energyTable ? "energy" : "latency"
        if let batch {
            let digest = Digest.of(Array(try JSONText.encode(table).utf8))
            do {
                let same = try ArtifactStore(connection).find(digest.hex)
                try check(same, batch: batch, threads: threads)
            } catch let error as ArtifactsError where error.code == .notFound {
                // These bytes are not stored yet.
            }
        }
        return try insert(table, name: "\(name)-\(what)", role: role, TableSize(table))
    }

    /// Stores a latency table of `device` that was calibrated from the table of the device `reference`. The artifact's
    /// metadata record the measurements.
    public func importCalibration(
        _ table: LatencyTable, _ calibration: LatencyCalibration, of device: DeviceTarget,
        reference: String, measured: [LatencyCalibration.Measurement]
    ) throws -> ArtifactID {
        try insert(
            table, name: "\(device.name)-latency", role: .latencyTable,
            CalibrationMetadata(
                device: device.name, batch: device.batch, entries: TableSize(table).entries,
                resolutions: table.resolutions, reference: reference, factor: calibration.factor,
                spreads: calibration.spreads, meanError: calibration.leaveOneOutError,
                measurements: measured, threads: device.threads))
    }

    /// Stores a latency table of `device` with its metadata.
    func insertLatencyTable(
        _ table: LatencyTable, of device: DeviceTarget, _ metadata: some Encodable
    ) throws -> ArtifactID {
        try insert(table, name: "\(device.name)-latency", role: .latencyTable, metadata)
    }

    private func insert(
        _ table: LatencyTable, name: String, role: ArtifactRole, _ metadata: some Encodable
    ) throws -> ArtifactID {
        let digest = try BlobStore(connection).put(
            Array(try JSONText.encode(table).utf8), elementSize: 1, kind: role.rawValue)
        return try ArtifactStore(connection).insert(
            Artifact.New(
                broughtAs: role.rawValue, name: name, digest: digest,
                metadataJSON: try JSONText.encode(metadata)))
    }

    /// Reads the table of an artifact.
    public func table(_ artifact: ArtifactID) throws -> LatencyTable {
        let stored = try ArtifactStore(connection).find(artifact.description)
        return try JSONText.decode(
            LatencyTable.self,
            from: String(
                decoding: try BlobStore(connection).get(stored.digest), as: UTF8.self),
            what: "artifact \(stored.id) (\(stored.kind))")
    }

    /// Throws if an artifact cannot be read as a table, or records another batch size or number of threads than the
    /// device's. Errors: `invalidArtifact`, `mismatch`.
    public func checkTable(_ artifact: Artifact, for device: DeviceTarget) throws {
        _ = try table(artifact.id)
        try check(artifact, batch: device.batch, threads: device.threads)
    }

    /// Throws if the batch size that a table records differs from `batch`, or its number of threads from `threads`;
    /// user-supplied tables record neither.
    ///
    /// Errors: `mismatch`, naming both numbers.
    public func check(_ artifact: Artifact, batch: Int, threads: Int) throws {
        struct Known: Decodable {
            let batch, threads: Int?
        }
        let known = try JSONText.decode(
            Known.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
        guard let own = known.batch else { return }
        guard own == batch else {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) has latencies of batch size \(own), and \(batch) is requested",
                remedy: "measure or calibrate one for that batch")
        }
        // Tables of older versions are of one thread.
        guard known.threads ?? 1 == threads else {
            throw PipelineError(
                .mismatch,
                "artifact \(artifact.id) has latencies on \(known.threads ?? 1) threads, and \(threads) are requested",
                remedy: "measure or calibrate one for that number of threads")
        }
    }

    /// Returns the metadata of a table that a measure-device stage made.
    public func measurement(_ artifact: ArtifactID) throws -> LatencyTableMetadata {
        try JSONText.decode(
            LatencyTableMetadata.self,
            from: try ArtifactStore(connection).find(artifact.description).metadataJSON,
            what: "artifact \(artifact)")
    }

    private static func device(_ row: Row) throws -> StoredDevice {
        StoredDevice(
            target: try JSONText.decode(
                DeviceTarget.self, from: try row.json("target"),
                what: "device \(try row.text("name"))"),
            latencyTable: try row.optionalInt64("latency_table").map(ArtifactID.init),
            energyTable: try row.optionalInt64("energy_table").map(ArtifactID.init),
            summary: try row.optionalJSON("table_metadata").map {
                try JSONText.decode(
                    LatencyTableSummary.self, from: $0, what: "the table's metadata")
            }, tableRecordedAt: try row.optionalDate("table_recorded_at"))
    }
}
