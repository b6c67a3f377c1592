// A specialisation that was checked and can be enqueued, for `ofa specialize` and for the form of the dashboard: which tables it
// uses, the run, and what is saved with the run.

import Artifacts
import Devices
import Foundation
import Jobs
import Postgres

/// A checked specialisation.
public struct PlannedSpecialization {
    /// The devices, each with the latency table that is used.
    public let devices: [StoredDevice]
    /// The run.
    public let spec: RunSpec
    /// Tables of this machine that devices have from now on.
    private let found: [(table: ArtifactID, target: DeviceTarget)]

    /// Plans a network for each of `targets` from `sources`. A device's latency table of an earlier method is left out; a
    /// computer with a latency limit but no table gets the newest that was measured on this machine. `note` receives which
    /// tables were left out or found, and assumptions. `timingThreads` and `fineTuning` are as in `Specialization.runSpec`.
    ///
    /// Errors: those of `Specialization.runSpec` and `Specialization.check`. Nothing is written.
    public init(
        _ targets: [StoredDevice], from sources: Specialization.Sources, _ connection: Connection,
        timingThreads: Int? = nil, fineTuning: StageParameters.FineTune? = nil,
        note: (String) -> Void
    ) throws {
        let devices = try targets.map { try Self.withTable($0, sources, connection, note) }
        spec = try Specialization.runSpec(
            devices, from: sources, timingThreads: timingThreads, fineTuning: fineTuning)
        for device in devices {
            try Specialization.check(device, from: sources, connection, note: note)
        }
        found = zip(devices, targets).compactMap { device, before in
            guard let table = device.latencyTable, table != before.latencyTable else { return nil }
            return (table, device.target)
        }
        self.devices = devices
    }

    /// Saves the tables that were found. Call it in the transaction that creates the run (`JobQueue.enqueue`).
    public func save(_ connection: Connection) throws {
        for (table, target) in found {
            try DeviceStore(connection).setLatencyTable(table, of: target)
        }
    }

    /// Enqueues the run, and saves `device`, which is new, in the same transaction. If an unfinished run of the same
    /// definition is found, the device is saved beside it.
    public func enqueue(
        adding device: DeviceTarget? = nil, _ connection: Connection
    ) throws -> JobQueue.Enqueued {
        let enqueued = try JobQueue(connection).enqueue(spec) { connection in
            if let device { try DeviceStore(connection).save(device) }
            try save(connection)
        }
        if !enqueued.isNew, let device { try DeviceStore(connection).save(device) }
        return enqueued
    }

    /// Returns `device`, without its latency table if that is outdated. If the device is a computer with a latency limit
    /// but no latency table, the returned device has the newest table that was measured on this machine, if there is
    /// one.
    private static func withTable(
        _ device: StoredDevice, _ sources: Specialization.Sources, _ connection: Connection,
        _ note: (String) -> Void
    ) throws -> StoredDevice {
        let target = device.target
        if let table = device.latencyTable, device.hasOutdatedTable {
            note(
                "device \(target.name): its latency table, artifact \(table), was measured by an earlier method and is"
                    + " not used")
            return try withTable(
                StoredDevice(target: target, latencyTable: nil, energyTable: device.energyTable),
                sources, connection, note)
        }
        let store = DeviceStore(connection)
        guard device.latencyTable == nil, target.kind == .computer,
            target.limits.latencyMsMax != nil,
            let table = try store.tableOfThisMachine(
                space: sources.space, batch: target.batch, threads: target.threads)
        else { return device }
        note(
            "device \(target.name): uses this machine's latency table, artifact \(table);"
                + " ofa device measure \(target.name) --anew measures again")
        return StoredDevice(
            target: target, latencyTable: table, energyTable: device.energyTable)
    }
}
