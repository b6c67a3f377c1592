// Device targets in the database, and the latency tables that belong to them.

import Artifacts
import Foundation
import Postgres
import Schema
import Search

/// A device target as it is stored.
public struct StoredDevice: Sendable, Equatable {
    /// Its limits and sizes.
    public let target: DeviceTarget
    /// Its latency table, once there is one.
    public let latencyTable: ArtifactID?

    /// Puts a target and its table together.
    public init(target: DeviceTarget, latencyTable: ArtifactID?) {
        self.target = target
        self.latencyTable = latencyTable
    }
}

/// Device targets in the database.
public struct DeviceStore {
    private let connection: Connection

    /// Reads and writes over `connection`.
    public init(_ connection: Connection) { self.connection = connection }

    /// Adds a device or replaces its limits; a table that it has stays unless a new one is given, or the batch
    /// changes, which the table was measured at.
    public func save(_ target: DeviceTarget, latencyTable: ArtifactID? = nil) throws {
        try target.validate()
        try connection.execute(
            .deviceSave,
            [.text(target.name), .json(try JSONText.encode(target)), .int(latencyTable?.rawValue)])
    }

    /// The device called `name`; nil when there is none.
    public func find(_ name: String) throws -> StoredDevice? {
        try connection.query(.deviceGet, [.text(name)]).first.map(Self.device)
    }

    /// Every device, by name.
    public func list() throws -> [StoredDevice] {
        try connection.query(.deviceList).map(Self.device)
    }

    /// Notes the table that was measured for a device; a device that is not stored, or not like this one in what a
    /// table depends on, is left alone.
    public func setLatencyTable(_ table: ArtifactID, of device: DeviceTarget) throws {
        try connection.execute(
            .deviceSetTable, [.text(device.name), .int(table.rawValue), .int(device.batch)])
    }

    /// The newest latency table that was measured on this machine for networks of `space` at `batch`; nil when there
    /// is none.
    public func tableOfThisMachine(space: String, batch: Int) throws -> ArtifactID? {
        struct Measured: Decodable {
            let host, space: String?
            let batch: Int?
        }
        let host = ProcessInfo.processInfo.hostName
        return try ArtifactStore(connection).list(kind: ArtifactRole.latencyTable.rawValue)
            .last { artifact in
                let known = try JSONText.decode(
                    Measured.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)")
                return known.host == host && known.space == space && known.batch == batch
            }?.id
    }

    /// Stores a latency table that a person brought; it belongs to whoever names it.
    public func importTable(_ table: LatencyTable, name: String) throws -> ArtifactID {
        let digest = try BlobStore(connection).put(
            Array(try JSONText.encode(table).utf8), elementSize: 1)
        return try ArtifactStore(connection).insert(
            Artifact.New(
                broughtAs: ArtifactRole.latencyTable.rawValue, name: "\(name)-latency",
                digest: digest))
    }

    private static func device(_ row: Row) throws -> StoredDevice {
        StoredDevice(
            target: try JSONText.decode(
                DeviceTarget.self, from: try row.json("target"),
                what: "device \(try row.text("name"))"),
            latencyTable: try row.optionalInt64("latency_table").map(ArtifactID.init))
    }
}
