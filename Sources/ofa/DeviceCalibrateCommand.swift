// `ofa device calibrate`: makes a latency table for a device on which only whole networks can be timed. The table is
// made from another device's table and ten to twenty measured networks.

import ArgumentParser
import Artifacts
import Devices
import Foundation
import Networks
import Pipelines

/// Makes a device's latency table from another device's table and a few measured networks.
struct DeviceCalibrate: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Make a device's latency table from another device's and a few whole networks.",
        discussion: """
            First --plan prints networks worth measuring, a line each. Measure each on the device, add \
            "latency_ms" to its line, and give the file back with --measurements. Every entry of the table gets an \
            error bar; the error to expect on networks that were not measured is printed. Networks that were measured \
            while the device was slow get less weight.

            Example:
              ofa device add watch --kind phone --max-latency-ms 30
              ofa device calibrate watch --reference note10 --space ofa-mbv3-w1.2 --resolutions 160,192 --plan 12
              ofa device calibrate watch --reference note10 --space ofa-mbv3-w1.2 --measurements watch.jsonl
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The device, file or folder whose latency table is calibrated for this device.
    @Option(
        help: ArgumentHelp(
            "The device whose latency table is calibrated, or a folder or file of one.",
            valueName: "device|dir|file"), completion: .devices)
    var reference: String
    /// The search space.
    @Option(help: "The search space of the networks.", completion: .spaces) var space: String
    /// The file of measured networks; `-` is standard input.
    @Option(
        help: ArgumentHelp(
            "JSON Lines with \"arch\" and \"latency_ms\", or '-' for standard input.",
            valueName: "file"), completion: .file())
    var measurements: String?
    /// The number of networks to propose for measurement.
    @Option(
        help: "Print this many networks worth measuring instead; store nothing.",
        transform: Number.whole(1...300))
    var plan: Int?
    /// The image sizes of the networks to propose.
    @Option(help: "Image sizes of the networks of --plan, separated by commas; by default all.")
    var resolutions: String?
    /// The seed of the proposed networks.
    @Option(help: "The seed of --plan.", transform: Number.seed) var seed: UInt64 = 0
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Requires either `--plan` or measurements.
    mutating func validate() throws {
        guard (plan == nil) != (measurements == nil) else {
            throw ValidationError("give either --plan or --measurements")
        }
        _ = try ImageSizes.read(resolutions)
    }

    /// Prints networks to measure, or stores the calibrated table and prints the device.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: space)
        let sizes = try ImageSizes.read(resolutions, of: space)
        let connection = try database.connectToExisting()
        let devices = DeviceStore(connection)
        let device = try DeviceCommand.find(name, connection)
        let (table, source) = try referenceTable(devices, device.target)
        if let plan {
            let networks = try LatencyCalibration.plan(
                space, reference: table, resolutions: sizes, count: plan, seed: seed)
            for arch in networks { try Output.json(["arch": arch]) }
            return
        }
        let rows = try readMeasurements(space, table)
        let calibration = try LatencyCalibration(space, reference: table, measurements: rows)
        let calibrated = try calibration.table()
        try connection.transaction { connection in
            let devices = DeviceStore(connection)
            let artifact = try devices.importCalibration(
                calibrated, calibration, of: device.target, reference: source, measured: rows)
            try devices.save(device.target, latencyTable: artifact)
        }
        try show(calibration, calibrated, try DeviceCommand.find(name, connection), rows.count)
    }

    private func referenceTable(_ devices: DeviceStore, _ target: DeviceTarget) throws -> (
        LatencyTable, String
    ) {
        if FileManager.default.fileExists(atPath: reference) {
            let table = try LatencyTable(contentsOf: reference)
            TableSource.warn(table, reference)
            return (table, reference)
        }
        guard let other = try devices.find(reference) else {
            throw CommandFailure.notFound(
                "there is no device, file or folder \(reference)", remedy: "ofa device list")
        }
        guard let table = other.latencyTable else {
            throw CommandFailure.failed(
                "device \(reference) has no latency table to start from",
                remedy: "measure it or give one")
        }
        if other.target.batch != target.batch {
            Output.note(
                "warning: the table of \(reference) is of a batch of \(other.target.batch), and \(name) has"
                    + " \(target.batch): costs that scale differently with the batch will be wrong")
        }
        if other.target.threads != target.threads {
            Output.note(
                "warning: the table of \(reference) is of \(other.target.threads) threads, and \(name) has"
                    + " \(target.threads): parts that gain differently from threads will be wrong")
        }
        let corrected = try devices.table(table).corrected(
            for: try SpaceCommand.space(named: space))
        return (corrected, "\(reference), artifact \(table)")
    }

    private func readMeasurements(
        _ space: SearchSpace, _ reference: LatencyTable
    ) throws -> [LatencyCalibration.Measurement] {
        let file = measurements ?? "-"
        let bytes =
            file == "-" ? try Input.standardInput(atMost: 64 << 20) : try Input.bytes(file)
        return try LatencyCalibration.measurements(
            try LatencyTable.text(bytes, source: file), space: space, reference: reference,
            source: file == "-" ? "standard input" : file)
    }

    private func show(
        _ calibration: LatencyCalibration, _ table: LatencyTable, _ device: StoredDevice,
        _ count: Int
    ) throws {
        let bars = table.entries.values.flatMap(\.values).map { $0.std / max($0.mean, 1e-12) }
        let answer = Answer(
            device: name, latency_table: device.latencyTable?.rawValue, measurements: count,
            factor: calibration.factor, constant_share: calibration.constantShare,
            held_out_error: calibration.leaveOneOutError,
            entries: bars.count, median_error_bar: bars.sorted()[bars.count / 2],
            resolutions: table.resolutions, warnings: calibration.warnings)
        for warning in answer.warnings { Output.note("warning: \(warning)") }
        try Output.answer(answer, output) {
            try Output.line(
                "\(count) networks: \(Format.decimal(answer.factor, 3)) times the reference;"
                    + " networks that were not measured are predicted"
                    + (answer.held_out_error < 5e-4
                        ? " without error, which real measurements never are"
                        : " within \(Format.decimal(100 * answer.held_out_error, 1)) % on average"))
            if answer.constant_share > 0.05 {
                try Output.line(
                    "\(Format.decimal(100 * answer.constant_share, 0)) % of the time is constant,"
                        + " whatever the size of the operators")
            }
            try Output.line(
                "\(answer.entries) entries, half of them known within"
                    + " \(Format.decimal(100 * answer.median_error_bar, 1)) % (one deviation)")
            try DevicePrinter.show(device, output)
        }
    }

    /// The JSON answer.
    private struct Answer: Encodable {
        let device: String
        let latency_table: Int64?
        let measurements: Int
        let factor, constant_share, held_out_error: Double
        let entries: Int
        let median_error_bar: Double
        let resolutions: [Int]
        let warnings: [String]
    }
}
