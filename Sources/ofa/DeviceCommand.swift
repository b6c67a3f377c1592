// `ofa device`: the devices networks are cut for: their limits and latency tables.

import ArgumentParser
import Artifacts
import Foundation
import Jobs
import Pipelines
import Postgres
import Search

/// Devices: add, list, show, measure.
struct DeviceCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "device",
        abstract: "Devices: what networks are cut for, with their limits and latency tables.",
        discussion: "Example:\n  ofa device add doorbell --kind microcontroller --max-flash-kb 128",
        subcommands: [DeviceAdd.self, DeviceList.self, DeviceShow.self, DeviceMeasure.self])

    /// The stored device; one there is none of ends with exit code 2.
    static func find(_ name: String, _ connection: Connection) throws -> StoredDevice {
        let store = DeviceStore(connection)
        if let device = try store.find(name) { return device }
        let known = try store.list().map(\.target.name).joined(separator: ", ")
        throw CommandFailure.notFound(
            "there is no device \(name), known are \(known.isEmpty ? "none" : known): add it with ofa device add \(name)"
        )
    }
}

/// Adds a device, or replaces its limits.
struct DeviceAdd: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Adds a device, or replaces its limits.",
        discussion: """
            A latency limit needs a latency table: one is given here, or, for this computer, measured when it is \
            first needed. A table that is stored stays until another is given or the batch changes.

            Example:
              ofa device add doorbell --kind microcontroller --max-flash-kb 128 --max-peak-memory-kb 32
              ofa device add note10 --kind phone --latency-table tables/note10 --max-latency-ms 25
            """)

    /// What it is called.
    @Argument(help: "The device's name.") var name: String
    /// What it is.
    @Option(
        help: "computer (this one), phone or microcontroller; decides what numbers are stored in.")
    var kind: DeviceTarget.Kind
    /// Tables a person brought.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A folder of latency tables, or files like 192_lookup_table.yaml.",
            valueName: "dir|file"))
    var latencyTable: [String] = []
    /// The limits.
    @OptionGroup var limits: LimitOptions
    /// Images at a time.
    @Option(help: "Images at a time when latency is measured.") var batch = 1
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses names that cannot stand in paths and lists, and batches that are none.
    mutating func validate() throws {
        let allowed = CharacterSet(charactersIn: "-_.").union(.alphanumerics)
        guard !name.isEmpty, name.unicodeScalars.allSatisfy(allowed.contains) else {
            throw ValidationError(
                "the device's name is '\(name)': use letters, digits, '-', '_' and '.'")
        }
        guard (1...4096).contains(batch) else {
            throw ValidationError("--batch is \(batch); it can be 1 to 4096")
        }
    }

    /// Saves the device and prints it.
    mutating func run() throws {
        let table = latencyTable.isEmpty ? nil : try LatencyTable(files: latencyTable)
        let target = DeviceTarget(name: name, kind: kind, limits: limits.replacing(), batch: batch)
        let connection = try database.connect()
        let devices = DeviceStore(connection)
        let artifact = try table.map { try devices.importTable($0, name: name) }
        try devices.save(target, latencyTable: artifact)
        try DevicePrinter.show(try DeviceCommand.find(name, connection), output)
    }
}

/// Every device.
struct DeviceList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the devices.",
        discussion: "Example:\n  ofa device list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints them by name.
    mutating func run() throws {
        let devices = try DeviceStore(try database.connect()).list()
        try Output.answer(devices.map(DeviceDocument.init), output) {
            var table = Table(
                .text("DEVICE"), .text("KIND"), .text("LIMITS"), .number("BATCH"),
                .text("LATENCY TABLE"))
            table.rows = devices.map { device in
                [
                    device.target.name, device.target.kind.rawValue,
                    DevicePrinter.limits(device.target.limits).joined(separator: ", "),
                    String(device.target.batch),
                    device.latencyTable.map { "artifact \($0)" } ?? "",
                ]
            }
            try Output.table(table)
        }
    }
}

/// One device.
struct DeviceShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a device.",
        discussion: "Example:\n  ofa device show phone")

    /// What it is called.
    @Argument(help: "The device's name.") var name: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints it; exit code 2 where there is none.
    mutating func run() throws {
        try DevicePrinter.show(try DeviceCommand.find(name, try database.connect()), output)
    }
}

/// Measures this machine for a device.
struct DeviceMeasure: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measures this machine's latency table, block by block, for a device.",
        discussion: """
            The table is checked against whole networks, stored as an artifact and used by every later search for the \
            device. Measure while the machine is quiet.

            Example:
              ofa device measure this-machine
            """)

    /// What it is called.
    @Argument(help: "The device's name.") var name: String
    /// Which networks.
    @Option(help: "The search space of the networks to measure.") var space = "fashion-mbv3"
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Measures as a run of one stage, so that the table has its lineage and its cost.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: space)
        let url = try database.url()
        let connection = try database.connect(url)
        let queue = JobQueue(connection)
        let device = try DeviceCommand.find(name, connection)
        let run = try EnqueuedRun(
            try Specialization.measureSpec(device.target, space: space.name), queue)
        run.note()
        try RunWatch(url: url, connection: connection, run: run.run).untilEnded()
        guard try queue.run(run.run).state == .completed else {
            let problem =
                try queue.runStatus(run.run).stages.compactMap(\.problem).first
                ?? "see ofa status \(run.run)"
            throw CommandFailure.failed("device \(name) was not measured: \(problem)")
        }
        for job in try queue.jobs(run: run.run) {
            for line in try queue.log(of: job.id) { Output.note("  \(line.line)") }
        }
        try DevicePrinter.show(try DeviceCommand.find(name, connection), output)
    }
}

/// Prints devices.
enum DevicePrinter {
    /// Prints one device.
    static func show(_ device: StoredDevice, _ output: OutputOptions) throws {
        try Output.answer(DeviceDocument(device), output) {
            let target = device.target
            let limits = limits(target.limits)
            try Output.line("device \(target.name): \(target.kind.rawValue), batch \(target.batch)")
            try Output.line("  limits: \(limits.isEmpty ? "none" : limits.joined(separator: ", "))")
            try Output.line(
                "  latency table: \(device.latencyTable.map { "artifact \($0)" } ?? "none")")
            try Output.line("  \(target.assumption)")
        }
    }

    /// The limits that bind, in words.
    static func limits(_ limits: Constraints) -> [String] {
        let all: [(String, String?)] = [
            ("ms", limits.latencyMsMax.map(number)),
            ("KiB peak memory", limits.peakMemoryKBMax.map(number)),
            ("KiB flash", limits.flashKBMax.map(number)),
            ("MACs", limits.macsMax.map(Format.grouped)),
            ("parameters", limits.paramsMax.map(Format.grouped)),
            ("mJ", limits.energyMJMax.map(number)),
        ]
        return all.compactMap { unit, value in value.map { "\($0) \(unit)" } }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? Format.grouped(Int(value)) : "\(value)"
    }
}

/// A device as scripts read it; limits that do not bind are left out.
private struct DeviceDocument: Encodable {
    let name, kind: String
    let max_latency_ms, max_peak_memory_kb, max_flash_kb, max_energy_mj: Double?
    let max_macs, max_params: Int?
    let batch, bytes_per_weight, bytes_per_activation: Int
    let latency_table: Int64?
    let assumption: String

    init(_ device: StoredDevice) {
        let target = device.target
        name = target.name
        kind = target.kind.rawValue
        max_latency_ms = target.limits.latencyMsMax
        max_peak_memory_kb = target.limits.peakMemoryKBMax
        max_flash_kb = target.limits.flashKBMax
        max_energy_mj = target.limits.energyMJMax
        max_macs = target.limits.macsMax
        max_params = target.limits.paramsMax
        batch = target.batch
        bytes_per_weight = target.bytesPerWeight
        bytes_per_activation = target.bytesPerActivation
        latency_table = device.latencyTable?.rawValue
        assumption = target.assumption
    }
}
