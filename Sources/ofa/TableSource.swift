// Where a command finds a table of milliseconds or millijoules a part: files, folders of files, and artifacts, which are
// what `ofa device` measured, calibrated or brought in.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Networks
import Pipelines
import Search

/// The tables that a command is given.
struct TableOptions: ParsableArguments {
    /// Latency tables.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A folder of latency tables, files like 192_lookup_table.yaml, 192.csv or 192.json, or an artifact.",
            valueName: "dir|file|id"), completion: .file())
    var latencyTable: [String] = []
    /// Energy tables.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The same with millijoules; energy is modelled without.", valueName: "dir|file|id"),
        completion: .file())
    var energyTable: [String] = []

    /// Runs `body`; an error about what a table lacks names the tables.
    func naming<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as SearchError where error.code == .missingLatency
        {
            let names = (latencyTable + energyTable).map { Shown.excerpt($0) }
            guard !names.isEmpty else { throw error }
            throw SearchError(
                error.code, "\(error.reason) (read: \(names.joined(separator: ", ")))",
                remedy: error.remedy)
        }
    }
}

/// The tables of one command.
struct TableSource {
    /// The database, for tables that are artifacts.
    let database: DatabaseOptions
    /// Of folders only the files of these sizes are read; nil for all.
    var resolutions: [Int]?
    /// Whose networks the tables are for: a measured table is corrected as its whole networks say; nil leaves it.
    var space: SearchSpace?
    /// How many images at a time the tables must be of, where it is known; nil where it does not matter.
    var batch: Int?

    /// Every table named on a command line as one, nil where none is; a later one wins where two have the same entry.
    func read(_ references: [String], _ role: ArtifactRole = .latencyTable) throws -> LatencyTable?
    {
        guard let first = references.first else { return nil }
        let table = try references.dropFirst().reduce(into: try table(first, role)) {
            $0.merge(try self.table($1, role))
        }
        return space.map { table.corrected(for: $0.name) } ?? table
    }

    /// The table of this kind that `reference` names in the database; nil where it names a file.
    ///
    /// Errors: exit code 2 where there is neither, 1 for an artifact of another kind.
    func artifact(_ reference: String, _ role: ArtifactRole) throws -> Artifact? {
        let isFile = FileManager.default.fileExists(atPath: reference)
        if isFile || reference.contains("/") || reference.contains(".") { return nil }
        do {
            let artifact = try ArtifactStore(try database.connectToExisting()).find(reference)
            if artifact.kind == role.rawValue { return artifact }
            throw CommandFailure.failed(
                "artifact \(artifact.id) is a \(artifact.kind), not of kind \(role.rawValue)",
                remedy: "ofa artifacts list --kind \(role.rawValue)")
        } catch let error as ArtifactsError where error.code == .notFound {
            throw CommandFailure.notFound(
                "there is neither a file nor an artifact '\(reference)'",
                remedy: "ofa artifacts list --kind \(role.rawValue)")
        }
    }

    private func table(_ reference: String, _ role: ArtifactRole) throws -> LatencyTable {
        if let artifact = try artifact(reference, role) {
            let devices = DeviceStore(try database.connectToExisting())
            if let batch { try devices.checkBatch(of: artifact, batch) }
            return try devices.table(artifact.id)
        }
        let unit = role == .energyTable ? "mj" : "ms"
        let table = try LatencyTable(contentsOf: reference, resolutions: resolutions, unit: unit)
        Self.warn(table, reference, unit)
        return table
    }

    /// Says on standard error where a table that was read cannot tell networks apart.
    static func warn(_ table: LatencyTable, _ source: String, _ unit: String = "ms") {
        guard let value = table.constant else { return }
        Output.note(
            "warning: every part in \(source) takes \(value) \(unit): such a table counts layers and nothing else"
        )
    }
}
