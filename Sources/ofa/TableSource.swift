// Reads latency and energy tables for commands from files, folders of files, and artifacts.

import ArgumentParser
import Artifacts
import Devices
import Foundation
import Intake
import Networks
import Pipelines
import Search

/// The options for the latency and energy tables of a command.
struct TableOptions: ParsableArguments {
    /// The latency tables: folders, files or artifacts.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A folder of latency tables, files like 192_lookup_table.yaml, 192.csv or 192.json, or an artifact.",
            valueName: "dir|file|id"), completion: .file())
    var latencyTable: [String] = []
    /// The energy tables: folders, files or artifacts.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The same in millijoules; without it energy is modelled.", valueName: "dir|file|id"),
        completion: .file())
    var energyTable: [String] = []

    /// Calls `body`, and adds the names of the given tables to its errors about missing entries.
    func naming<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as DeviceError where error.code == .missingLatency
        {
            let names = (latencyTable + energyTable).map { Shown.excerpt($0) }
            guard !names.isEmpty else { throw error }
            throw DeviceError(
                error.code, "\(error.reason) (read: \(names.joined(separator: ", ")))",
                remedy: error.remedy)
        }
    }
}

/// What is recorded of the latency tables of one command.
struct TableState: Equatable {
    /// Whether a table was measured by an earlier method than today's; nil without a table, or if no table is known to
    /// be and that of some is unknown, such as that of a file.
    let isOutdated: Bool?
    /// The number of threads of the latencies; nil if it is unknown, or not the same for all tables.
    let threads: Int?

    /// Takes known values.
    init(isOutdated: Bool?, threads: Int?) {
        self.isOutdated = isOutdated
        self.threads = threads
    }

    /// Takes the metadata of one table.
    init(_ known: LatencyTableSummary) {
        self.init(isOutdated: known.knownOutdated, threads: known.knownThreads)
    }

    /// Combines the states of several tables.
    init(_ states: [TableState]) {
        let outdated = states.map(\.isOutdated), threads = Set(states.map(\.threads))
        self.init(
            isOutdated: outdated.contains(true)
                ? true : outdated.isEmpty || outdated.contains(nil) ? nil : false,
            threads: threads.count == 1 ? threads.first.flatMap { $0 } : nil)
    }
}

/// Reads the tables of one command.
struct TableSource {
    /// The database, for tables that are artifacts.
    let database: DatabaseOptions
    /// The image sizes to read from folders; files named for other sizes are skipped. Nil reads all sizes.
    var resolutions: [Int]?
    /// The search space of the networks. A measured table's stored correction for this space is applied; nil applies
    /// none.
    var space: SearchSpace?
    /// The batch size that a table must have if the table records a batch size; nil allows any.
    var batch: Int?
    /// The number of threads that such a table must be of.
    var threads = 1

    /// Reads and merges the tables `references`; nil if `references` is empty. If tables have entries for the same
    /// network part and image size, the last table's entry is kept.
    func read(_ references: [String], _ role: ArtifactRole = .latencyTable) throws -> LatencyTable?
    {
        guard let first = references.first else { return nil }
        let table = try references.dropFirst().reduce(into: try table(first, role)) {
            $0.merge(try self.table($1, role))
        }
        return try space.map { try table.corrected(for: $0) } ?? table
    }

    /// Returns the table artifact that `reference` names; nil if `reference` is the path of a file, or contains a slash
    /// or a dot.
    ///
    /// Errors: exit code 2 if there is no such artifact, 1 if the artifact is of another kind.
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

    /// Returns what is recorded of the latency tables `references`. Warns on standard error, in one line for each, if
    /// the latencies of a table are not those of today's measurement on `threads` threads.
    func state(_ references: [String]) throws -> TableState {
        var states: [TableState] = []
        for reference in references {
            guard let artifact = try artifact(reference, .latencyTable) else {
                states.append(TableState(isOutdated: nil, threads: nil))
                continue
            }
            let known = try LatencyTableSummary(of: artifact)
            states.append(TableState(known))
            if let difference = known.difference(threads: threads) {
                Output.note(
                    "warning: latency table \(artifact.id) \(difference); ofa device measure makes another"
                )
            }
        }
        return TableState(states)
    }

    private func table(_ reference: String, _ role: ArtifactRole) throws -> LatencyTable {
        if let artifact = try artifact(reference, role) {
            let devices = DeviceStore(try database.connectToExisting())
            if let batch { try devices.check(artifact, batch: batch, threads: threads) }
            return try devices.table(artifact.id)
        }
        let unit = role == .energyTable ? "mj" : "ms"
        let table = try LatencyTable(contentsOf: reference, resolutions: resolutions, unit: unit)
        Self.warn(table, reference, unit)
        return table
    }

    /// Warns on standard error if all entries of a table are equal: such a table hardly distinguishes networks.
    static func warn(_ table: LatencyTable, _ source: String, _ unit: String = "ms") {
        guard let value = table.constant else { return }
        Output.note(
            "warning: every part in \(source) takes \(value) \(unit): such a table counts layers and nothing else"
        )
    }
}
