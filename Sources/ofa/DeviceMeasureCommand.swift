// `ofa device measure`: measures a latency table of this machine, one part of the network at a time, and checks the
// table on whole networks.

import ArgumentParser
import Devices
import Foundation
import Jobs
import Networks
import Pipelines
import Postgres

/// Measures this machine for a device.
struct DeviceMeasure: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measures this machine's latency table, part by part, for a device.",
        discussion: """
            Every part is timed inside whole networks, on the device's threads, which are pinned; disturbed timings are \
            left out. The table \
            is checked against random whole networks, and a correction fitted to these is stored with it. The table is \
            an artifact, which every later search for the device uses. Entries that the device's table already has are \
            kept. After an interruption the same command continues. Measure while the machine is quiet.

            Example:
              ofa device measure this-machine
              ofa device measure this-machine --space ofa-mbv3-w1.0 --resolutions 224 --json
            """)

    /// The device's name.
    @Argument(help: "The device's name.", completion: .devices) var name: String
    /// The search space.
    @Option(help: "The search space of the networks to measure.", completion: .spaces) var space =
        "fashion-mbv3"
    /// The image sizes.
    @Option(help: "Image sizes to measure, separated by commas; by default all of the space.")
    var resolutions: String?
    /// The minimum number of timings per part of the network.
    @Option(
        help: "The least number of timings per part.", transform: Number.whole(3...10_000))
    var repeats = 60
    /// The number of whole networks that the table is checked on.
    @Option(
        help: "Random whole networks to check and correct the table.",
        transform: Number.whole(1...1000))
    var wholeNetworks = 20
    /// Whether to measure all entries again, instead of keeping those of the device's table.
    @Flag(help: "Start a new table instead of reusing the device's entries.")
    var anew = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid image sizes.
    mutating func validate() throws {
        _ = try ImageSizes.read(resolutions)
    }

    /// Measures in a run with one stage, so that the table's lineage and costs are recorded.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: space)
        let sizes = try ImageSizes.read(resolutions, of: space)
        let url = try database.url()
        let connection = try database.connect(url)
        let queue = JobQueue(connection)
        let device = try DeviceCommand.find(name, connection)
        let run = try EnqueuedRun(
            try Specialization.measureSpec(
                device, space: space, resolutions: sizes,
                repeats: repeats, wholeNetworks: wholeNetworks, isAnew: anew), queue)
        run.note()
        try RunWatch(url: url, connection: connection, run: run.run).untilEnded()
        guard try queue.run(run.run).state == .completed else {
            let problem =
                try queue.runStatus(run.run).stages.compactMap(\.problem).first
                ?? "see ofa status \(run.run)"
            throw CommandFailure.failed("device \(name) was not measured: \(problem)")
        }
        let measured = try DeviceCommand.find(name, connection)
        guard let table = measured.latencyTable else {
            throw CommandFailure.failed(
                "device \(name) changed while it was measured",
                remedy: "ofa artifacts list --run \(run.run) has its table"
            )
        }
        let document = MeasurementDocument(
            DeviceDocument(measured), try DeviceStore(connection).measurement(table))
        try Output.answer(document, output) {
            try show(document.measurement)
            try DevicePrinter.show(measured, output)
        }
    }

    /// If the table's mean relative error on whole networks exceeds this value, the command advises to measure the
    /// table's earlier entries again. New tables have errors of 0.4 to 3 %.
    private static let largeError = 0.05

    private func show(_ found: MeasurementDocument.Measurement) throws {
        var table = Table(
            .number("TABLE ms"), .number("CORRECTED ms"), .number("WHOLE ms"), .number("ERROR %"))
        table.rows = found.networks.map { row in
            [
                Format.decimal(row.table_ms, 4), Format.decimal(row.corrected_ms, 4),
                Format.decimal(row.whole_ms, 4),
                Format.decimal(100 * (row.table_ms / row.whole_ms - 1), 1),
            ]
        }
        try Output.table(table)
        func percent(_ share: Double) -> String { Format.decimal(100 * share, 1) + " %" }
        try Output.line(
            "\(found.measured) entries measured, \(found.known) known before, in"
                + " \(Format.duration(found.seconds)); \(found.outliers) timings while the machine changed its speed"
        )
        try Output.line(
            "table against \(found.networks.count) whole networks: \(percent(found.mean_error)) mean"
                + " error, \(percent(found.worst_error)) at worst; corrected, each network left out"
                + " of its fit: \(percent(found.corrected_mean_error))")
        if found.mean_error > Self.largeError, found.known > 0 {
            try Output.line(
                "the entries known before do not fit this machine as it is now:"
                    + " ofa device measure \(name) --anew measures them again")
        }
        let processors = found.processors.map(String.init).joined(separator: " and ")
        let machine: [String?] = [
            found.processors.isEmpty
                ? "not pinned" : "processor\(found.processors.count > 1 ? "s" : "") \(processors)",
            found.threads > 1 ? "\(found.threads) threads" : nil, found.instruction_set,
            found.mhz_low.map {
                "\(Format.decimal($0, 0)) to \(Format.decimal(found.mhz_high ?? $0, 0)) MHz"
            },
            found.load_before.map { "load \($0)" },
            found.others_busy.map {
                "others busy \(percent($0))"
            },
        ]
        try Output.line("on \(machine.compactMap { $0 }.joined(separator: ", "))")
    }
}

/// The JSON form of a device and its measurement.
private struct MeasurementDocument: Encodable {
    let device: DeviceDocument
    let measurement: Measurement

    /// The table's quality, and the state of the machine during the measurement.
    struct Measurement: Encodable {
        let space: String
        let entries, measured, known, outliers: Int
        let resolutions: [Int]
        let mean_error, worst_error, corrected_mean_error: Double
        let correction: Correction
        let networks: [Row]
        let host, instruction_set: String
        let method: String?
        let threads: Int
        let processor: Int?
        let processors: [Int]
        let mhz_low, mhz_high, load_before, load_after, others_busy: Double?
        let seconds: Double
    }

    /// The correction that is applied to sums of table entries.
    struct Correction: Encodable {
        let scale, per_block_ms, fixed_ms: Double
    }

    /// The latency of one whole network in milliseconds: by the table, by the corrected table, and measured.
    struct Row: Encodable {
        let arch: SubnetConfig
        let table_ms, corrected_ms, whole_ms: Double
    }

    init(_ device: DeviceDocument, _ known: LatencyTableMetadata) {
        self.device = device
        let check = known.check, machine = known.machine
        measurement = Measurement(
            space: known.space, entries: known.entries, measured: known.measured,
            known: known.known, outliers: known.outliers, resolutions: known.resolutions,
            mean_error: check.meanError, worst_error: check.worstError,
            corrected_mean_error: check.heldOutError,
            correction: Correction(
                scale: check.correction.scale, per_block_ms: check.correction.perBlockMs,
                fixed_ms: check.correction.fixedMs),
            networks: check.rows.map {
                Row(
                    arch: $0.arch, table_ms: $0.tableMs, corrected_ms: $0.correctedMs,
                    whole_ms: $0.wholeMs)
            },
            host: known.host, instruction_set: known.instructionSet, method: known.method,
            threads: known.threads ?? 1, processor: machine.processor,
            processors: machine.processors ?? [machine.processor].compactMap(\.self),
            mhz_low: machine.megahertzLow, mhz_high: machine.megahertzHigh,
            load_before: machine.before.loadAverage, load_after: machine.after.loadAverage,
            others_busy: machine.othersBusy, seconds: machine.seconds)
    }

    /// Encodes the device's fields, as `ofa device show` does, and the measurement.
    func encode(to encoder: any Encoder) throws {
        try device.encode(to: encoder)
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(measurement, forKey: .measurement)
    }

    private enum CodingKeys: CodingKey { case measurement }
}
