// `ofa device`: adds, lists, shows and removes device targets with their limits and tables.
// Measuring and calibrating have their own files.

import ArgumentParser
import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// The commands about devices.
struct DeviceCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "device",
        abstract: "Device targets with their limits and latency tables.",
        discussion: "Example:\n  ofa device add doorbell --kind microcontroller --max-flash-kb 200",
        subcommands: [
            DeviceAdd.self, DeviceList.self, DeviceShow.self, DeviceRemove.self,
            DeviceMeasure.self, DeviceCalibrate.self, DeviceBundleCommand.self,
            DeviceImportResults.self,
        ])

    /// Returns the stored device called `name`; exit code 2 if the device does not exist.
    static func find(_ name: String, _ connection: Connection) throws -> StoredDevice {
        let store = DeviceStore(connection)
        if let device = try store.find(name) { return device }
        let known = try store.list().map(\.target.name)
        throw CommandFailure.notFound(
            "there is no device \(name)",
            remedy: "\(NearestName.remedy(name, known: known)); add it with ofa device add \(name)")
    }
}

/// Adds a device, or replaces the limits of an existing device.
struct DeviceAdd: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Adds a device, or replaces its limits.",
        discussion: """
            Limits may be combined. A latency limit needs a latency table: give one here, or, for this computer, let it \
            be measured when it is first needed. Energy is modelled if there is no energy table. A stored table is kept \
            until another is given or the batch changes. Limits that no network of a known space meets, and tables of no \
            known space, are refused with exit code 2; --space checks against one space, which may be your own. Tables \
            are the published YAML files, or CSV with the columns resolution,key,ms (or mj).

            Example:
              ofa device add doorbell --kind microcontroller --max-flash-kb 200 --max-peak-memory-kb 48
              ofa device add note10 --kind phone --latency-table tables/note10 --max-latency-ms 25
              ofa device add watch --kind phone --energy-table watch-mj.csv --max-energy-mj 4
              ofa device add camera --kind phone --latency-table camera.csv --space pipeline.yaml
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The device's kind.
    @Option(
        help: "computer (this one), phone or microcontroller; determines number formats.",
        completion: Word.completion(DeviceTarget.Kind.self),
        transform: Word.one(of: DeviceTarget.Kind.self))
    var kind: DeviceTarget.Kind
    /// The space that tables and limits are checked against.
    @Option(
        help: "The space the tables are of: a name, or a YAML file with a space of your own.",
        completion: .spaces)
    var space: String?
    /// Latency and energy tables.
    @OptionGroup var given: TableOptions
    /// The device's limits, batch, number formats and energies.
    @OptionGroup var terms: TargetOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses names that are unsuitable for paths and lists.
    mutating func validate() throws {
        name = try ArgumentGate.name(name, "the device's name")
        guard DeviceStore.isPlain(name) else {
            throw ValidationError(
                "the device's name is '\(name)'", remedy: DeviceStore.plainNameRemedy)
        }
    }

    /// Saves the device and prints it.
    mutating func run() throws {
        let target = terms.target(name, kind)
        try target.validate()
        let latencies = try GivenTable(given.latencyTable, .latencyTable, target, database)
        let energies = try GivenTable(given.energyTable, .energyTable, target, database)
        let connection = try database.connect()
        try check(target, latencies, energies, DeviceStore(connection))
        // Tables and device are saved in one transaction. Otherwise a failure could leave a table without its device,
        // and artifacts cannot be deleted.
        try connection.transaction { connection in
            let devices = DeviceStore(connection)
            try devices.save(
                target, latencyTable: try latencies.stored(devices, name),
                energyTable: try energies.stored(devices, name))
        }
        try DevicePrinter.show(try DeviceCommand.find(name, connection), output)
    }

    /// Throws if no network meets the limits according to the tables that the device will have.
    private func check(
        _ target: DeviceTarget, _ latencies: GivenTable, _ energies: GivenTable,
        _ devices: DeviceStore
    ) throws {
        // The stored tables are kept if the batch size and the number of threads are unchanged.
        let before = try devices.find(name).flatMap {
            ($0.target.batch, $0.target.threads) == (target.batch, target.threads) ? $0 : nil
        }
        try DeviceStore.check(
            target,
            latencyTable: try latencies.table(devices)
                ?? before?.latencyTable.map(devices.table),
            energyTable: try energies.table(devices) ?? before?.energyTable.map(devices.table),
            space: try space.map { try SpaceCommand.space(named: $0) })
    }

    /// A table given on the command line, which is read and checked before anything is written.
    private enum GivenTable {
        case none
        /// A table that is already an artifact.
        case artifact(ArtifactID)
        case new(LatencyTable, ArtifactRole, DeviceTarget)

        init(
            _ references: [String], _ role: ArtifactRole, _ target: DeviceTarget,
            _ database: DatabaseOptions
        ) throws {
            let tables = TableSource(database: database)
            if references.count == 1, let artifact = try tables.artifact(references[0], role) {
                try DeviceStore(try database.connectToExisting()).checkTable(artifact, for: target)
                self = .artifact(artifact.id)
            } else if let table = try tables.read(references, role) {
                self = .new(table, role, target)
            } else {
                self = .none
            }
        }

        /// Returns the table; nil if no table was given.
        func table(_ devices: DeviceStore) throws -> LatencyTable? {
            switch self {
            case .none: nil
            case .artifact(let artifact): try devices.table(artifact)
            case .new(let table, _, _): table
            }
        }

        func stored(_ devices: DeviceStore, _ name: String) throws -> ArtifactID? {
            switch self {
            case .none: nil
            case .artifact(let artifact): artifact
            case .new(let table, let role, let target):
                try devices.importTable(
                    table, name: name, role: role, batch: target.batch, threads: target.threads)
            }
        }
    }
}

/// Lists the devices.
struct DeviceList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the devices.",
        discussion: "Example:\n  ofa device list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the devices, sorted by name.
    mutating func run() throws {
        let devices = try DeviceStore(try database.connectToExisting()).list()
        try Output.answer(devices.map(DeviceDocument.init), output) {
            var table = Table(
                .text("DEVICE"), .text("KIND", .medium), .text("LIMITS"), .number("BATCH", .low),
                .text("LATENCY TABLE", .medium), .text("ENERGY", .low))
            table.rows = devices.map { device in
                [
                    device.target.name, device.target.kind.rawValue,
                    device.target.limits.words.joined(separator: ", "),
                    String(device.target.batch),
                    device.latencyTable.map { "artifact \($0)" } ?? "",
                    device.energyTable.map { "artifact \($0)" } ?? "modelled",
                ]
            }
            try Output.table(table)
        }
    }
}

/// Shows a device.
struct DeviceShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a device.",
        discussion: "Example:\n  ofa device show phone")

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the device; exit code 2 if the device does not exist.
    mutating func run() throws {
        try DevicePrinter.show(
            try DeviceCommand.find(name, try database.connectToExisting()), output)
    }
}

/// Deletes a device.
struct DeviceRemove: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Deletes a device; its networks and tables are kept.",
        discussion: """
            The networks cut for the device stay in the database, with their runs and costs, and so do its tables.

            Example:
              ofa device remove doorbell
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let removed: String
    }

    /// Deletes the device; exit code 2 if the device does not exist.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        guard try DeviceStore(connection).remove(name) else {
            throw CommandFailure.notFound("there is no device \(name)", remedy: "ofa device list")
        }
        try Output.answer(Answer(removed: name), output) {
            try Output.line("device \(name) is deleted; its networks and tables are kept")
        }
    }
}
