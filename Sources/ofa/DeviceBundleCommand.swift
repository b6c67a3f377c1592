// `ofa device bundle` and `ofa device import-results` make the latency table of a phone, a board or another runtime:
// `bundle` writes a folder, its program run.py measures on the device, and `import-results` stores the results.

import ArgumentParser
import Devices
import Foundation
import Intake
import Networks
import Pipelines

/// Writes a folder of models and a program that measures their latencies on another device.
struct DeviceBundleCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "bundle",
        abstract: "Write a folder with which another device or runtime measures its latency table.",
        discussion: """
            The folder has every part of a space's networks and some whole networks as ONNX models, manifest.json, and \
            run.py, which times them with ONNX Runtime (Python with onnxruntime and numpy). Copy the folder to the \
            device, run run.py there, copy results.json back and import it. The batch size is the device's.

            Example:
              ofa device add board --kind phone --max-latency-ms 30
              ofa device bundle board --space ofa-mbv3-w1.0 --resolutions 160,192 -o board-bundle
              python3 board-bundle/run.py --threads 1          # on the board
              ofa device import-results board results.json
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The search space.
    @Option(
        help: "The search space: a name, or a YAML file with a space of your own.",
        completion: .spaces)
    var space: String
    /// The folder to write.
    @Option(
        name: .shortAndLong, help: "The folder to write; it must not exist yet, or be empty.",
        completion: .directory)
    var output: String
    /// The image sizes.
    @Option(help: "Image sizes to measure, separated by commas; by default all of the space.")
    var resolutions: String?
    /// The number of random whole networks to measure, besides the parts of networks.
    @Option(
        help: "Random whole networks to check and correct the table.",
        transform: Number.whole(1...1000))
    var wholeNetworks = 20
    /// The seed of the random networks.
    @Option(help: "The seed of the random networks.", transform: Number.seed) var seed: UInt64 = 0
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var answer: OutputOptions

    /// Refuses invalid image sizes and paths.
    mutating func validate() throws {
        _ = try ImageSizes.read(resolutions)
        do { output = try TextRule.path.checked(output) } catch {
            throw ValidationError("the folder to write \(error.reason)", remedy: error.remedy)
        }
        while output.count > 1, output.hasSuffix("/") { output.removeLast() }
    }

    /// Writes the folder under a temporary name and renames it at the end, so that a failure leaves no partial folder.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: space)
        let sizes = try ImageSizes.read(resolutions, of: space) ?? space.resolutions
        let device = try DeviceCommand.find(name, try database.connectToExisting()).target
        let bundle = try DeviceBundle(
            device, space, resolutions: sizes, networks: wholeNetworks, seed: seed)
        try checkFree()
        let unfinished = URL(filePath: "\(output).unfinished-\(getpid())")
        let bytes: Int
        do {
            try FileManager.default.createDirectory(
                at: unfinished, withIntermediateDirectories: false)
            let start = ContinuousClock.now
            bytes = try bundle.write(to: unfinished) { share in
                let seconds = start.duration(to: .now) / .seconds(1)
                guard seconds > 2 else { return }
                Output.progress(
                    "writing \(output): \(Int(100 * share)) %"
                        + " (\(Format.duration(seconds / share - seconds)) left)")
            }
            Output.endProgress()
            // This fails if the folder `output` exists and is not empty.
            guard rename(unfinished.path, output) == 0 else {
                throw CommandFailure.failed(
                    "cannot write \(output): \(FileBytes.reason(errno))", code: "file")
            }
        } catch {
            do { try FileManager.default.removeItem(at: unfinished) } catch {
                Output.note("warning: \(unfinished.path) could not be removed")
            }
            if error is any Remedied || error is CommandFailure { throw error }
            throw CommandFailure.failed(
                "cannot write \(output): \(FileBytes.reason(error))", code: "file")
        }
        try show(bundle, device, bytes)
    }

    private func checkFree() throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: output, isDirectory: &isFolder) else { return }
        let content =
            isFolder.boolValue ? try FileManager.default.contentsOfDirectory(atPath: output) : ["-"]
        guard content.isEmpty else {
            throw CommandFailure.failed(
                "\(output) exists\(isFolder.boolValue ? " and is not empty" : "")",
                remedy: "name another folder, or remove it")
        }
    }

    private func show(_ bundle: DeviceBundle, _ device: DeviceTarget, _ bytes: Int) throws {
        func count(_ kind: DeviceBundle.Kind) -> Int { bundle.entries.count { $0.kind == kind } }
        let threads = device.threads
        let document = Document(
            device: name, space: bundle.source.space, folder: output, batch: bundle.source.batch,
            resolutions: bundle.source.resolutions, parts: count(.part),
            whole_networks: count(.network), bytes: bytes, manifest: try bundle.manifestDigest,
            threads: threads)
        try Output.answer(document, answer) {
            try Output.line(
                "\(output): \(document.parts) parts and \(document.whole_networks) whole networks,"
                    + " \(Format.decimal(Double(bytes) * 1e-6, 1)) MB")
            try Output.line(
                "copy it to the device and run there: python3 run.py"
                    + (threads > 1 ? " --threads \(threads)" : ""))
            try Output.line("then here: ofa device import-results \(name) results.json")
        }
    }

    /// The JSON answer.
    private struct Document: Encodable {
        let device, space, folder: String
        let batch: Int
        let resolutions: [Int]
        let parts, whole_networks, bytes: Int
        let manifest: String
        let threads: Int
    }
}

/// Makes a latency table from the results of a bundle and stores the table.
struct DeviceImportResults: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "import-results",
        abstract: "Make a device's latency table from the results of its bundle.",
        discussion: """
            The results are checked against the bundle's plan: the space, the manifest's digest, every model, positive \
            numbers. The table is checked on the whole networks, and a correction fitted to these is stored with it, as \
            by ofa device measure. The table replaces the device's table. Bad results store nothing.

            Example:
              ofa device import-results board results.json
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The file of results.
    @Argument(help: "The results.json that run.py wrote, or '-'.", completion: .file())
    var file: String
    /// The search space.
    @Option(
        help: "The bundle's space, if it is one of your own: its YAML file.", completion: .spaces)
    var space: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Stores the table; prints the table's errors on whole networks, and the device.
    mutating func run() throws {
        let limit = 256 << 20
        let bytes =
            file == "-"
            ? try Input.standardInput(atMost: limit) : try Input.bytes(file)
        let source = file == "-" ? "standard input" : file
        let results = try BundleResults(
            try LatencyTable.text(bytes, source: source), source: source)
        let space =
            try space.map(SpaceCommand.space(named:))
            ?? SearchSpace.named(results.source.space)
        let connection = try database.connectToExisting()
        let device = try DeviceCommand.find(name, connection).target
        let metadata = try connection.transaction { connection in
            try DeviceStore(connection).importResults(results, of: device, space)
        }
        try show(metadata, try DeviceCommand.find(name, connection))
    }

    private func show(_ found: ImportedTableMetadata, _ device: StoredDevice) throws {
        let check = found.check
        let document = Document(
            device: name, latency_table: device.latencyTable?.rawValue, space: found.space,
            entries: found.entries, resolutions: found.resolutions,
            mean_error: check.meanError, worst_error: check.worstError,
            corrected_mean_error: check.heldOutError,
            correction: .init(
                scale: check.correction.scale, per_block_ms: check.correction.perBlockMs,
                fixed_ms: check.correction.fixedMs),
            networks: check.rows.map {
                .init(
                    arch: $0.arch, table_ms: $0.tableMs, corrected_ms: $0.correctedMs,
                    whole_ms: $0.wholeMs)
            },
            runtime: found.runtime, provider: found.provider, threads: found.threads,
            machine: found.machine, part_runs: found.runs)
        try Output.answer(document, output) {
            func percent(_ share: Double) -> String { Format.decimal(100 * share, 1) + " %" }
            try Output.line(
                "\(found.entries) entries of \(found.runtime), \(found.provider), threads:"
                    + " \(found.threads), on \(found.machine)\(found.runs.map(Self.told) ?? "")")
            try Output.line(
                "table against \(check.rows.count) whole networks: \(percent(check.meanError)) mean"
                    + " error, \(percent(check.worstError)) at worst; corrected, each network left out"
                    + " of its fit: \(percent(check.heldOutError))")
            try DevicePrinter.show(device, output)
        }
    }

    private static func told(_ runs: BundleResults.Runs) -> String {
        switch runs {
        case .first: "; of each visit of a part the first run counts, after other models ran"
        case .repeated: "; of each visit of a part the repeated runs count"
        case .all: ""
        }
    }

    /// The JSON answer.
    private struct Document: Encodable {
        struct Correction: Encodable {
            let scale, per_block_ms, fixed_ms: Double
        }
        struct Network: Encodable {
            let arch: SubnetConfig
            let table_ms, corrected_ms, whole_ms: Double
        }
        let device: String
        let latency_table: Int64?
        let space: String
        let entries: Int
        let resolutions: [Int]
        let mean_error, worst_error, corrected_mean_error: Double
        let correction: Correction
        let networks: [Network]
        let runtime, provider: String
        let threads: Int
        let machine: String
        let part_runs: BundleResults.Runs?
    }
}
