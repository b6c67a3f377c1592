// `ofa arch cost`: computes the costs of a network without running it. A database is needed only for arguments that
// name a stored device or artifact.
import ArgumentParser
import Artifacts
import Devices
import Foundation
import Intake
import Networks
import Pipelines
import Search

/// The commands about single architectures.
struct ArchCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "arch", abstract: "Architectures: what one network of a space costs.",
        discussion: "Example:\n  ofa arch cost --space ofa-mbv3-w1.0 --arch - < archs.jsonl",
        subcommands: [ArchCost.self])
}

/// Prints the costs of one network, or of every network on standard input.
struct ArchCost: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "cost",
        abstract:
            "Parameters, multiply-accumulates, memory, latency, energy and accuracy of a network.",
        discussion: """
            An architecture is JSON or a Python dictionary: kernel sizes and expand ratios of every layer at full depth, \
            the depths of the stages, the resolution; or a published net.config; or a file with one of them. With '-' \
            every line of standard input is an architecture, and every line of the answer has its costs as JSON. Energy \
            and peak memory are those of one image, or of the device's batch.

            Example:
              ofa arch cost --space ofa-mbv3-w1.2 --arch net.config --resolution 224
              ofa arch cost --space fashion-mbv3 \\
                --arch '{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}'
            """)

    /// The search space's name.
    @Option(help: "The search space.", completion: .spaces) var space: String
    /// The network, or a dash.
    @Option(
        help: "The network: text or a file, or '-' for one a line on standard input.",
        completion: .file())
    var arch: String
    /// The image size of an architecture that states none.
    @Option(
        help: "The image size, if the architecture states none, as a net.config.",
        transform: Number.whole(1...4096))
    var resolution: Int?
    /// The stored device that runs the network.
    @Option(
        help: ArgumentHelp(
            "A stored device: its tables, batch, number formats and energies apply.",
            valueName: "name"),
        completion: .devices)
    var device: String?
    /// Bytes per stored weight.
    @Option(
        help: "Bytes per stored weight: the device's, else 4 as trained; 1 for 8-bit integers.",
        transform: Number.bytes)
    var bytesPerWeight: Int?
    /// Bytes per activation.
    @Option(
        help: "Bytes per activation: the device's, else 4.",
        transform: Number.bytes)
    var bytesPerActivation: Int?
    /// Latency and energy tables.
    @OptionGroup var given: TableOptions
    /// The accuracy predictor.
    @Option(
        help: ArgumentHelp(
            "The accuracy predictor: a file, or an artifact.", valueName: "file|id"),
        completion: .file())
    var predictor: String?
    /// Whether the predictor predicts fractions or percentages.
    @OptionGroup var scale: PredictorScale
    /// The database, for a table or predictor that is an artifact.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the costs of one network, or of every line.
    mutating func run() throws {
        let costing = try Costing(self)
        if arch == "-" { return try answerLines(costing) }
        let answer = try costing.answer(ArchitectureText.read(arch), place: "--arch")
        try Output.answer(answer, output) {
            var table = Table(.text("COST"), .number("VALUE"))
            table.rows = [
                ["parameters", Format.grouped(answer.params)],
                ["multiply-accumulates", Format.grouped(answer.macs)],
                ["peak activation elements", Format.grouped(answer.peak_activation_elements)],
                [
                    "peak memory (\(costing.device.bytesPerActivation) B an activation)",
                    Format.bytes(answer.peak_memory_bytes),
                ],
                [
                    "flash (\(costing.device.bytesPerWeight) B a weight)",
                    Format.bytes(answer.flash_bytes),
                ],
                [
                    "energy" + (costing.energyTable == nil ? " (modelled)" : ""),
                    answer.energy_mj.map { Format.decimal($0, 4) + " mJ" } ?? "",
                ],
            ]
            if let latency = answer.latency_ms {
                table.rows.append(["latency", Format.decimal(latency, 4) + " ms"])
            }
            if let accuracy = answer.predicted_accuracy {
                table.rows.append(["predicted accuracy", Format.decimal(100 * accuracy, 2) + " %"])
            }
            try Output.table(table)
        }
    }

    /// Answers the lines of standard input in batches, because a predictor is faster with many networks. All lines read
    /// so far are answered before more are read, so that another program can write one line and wait for its answer. At
    /// an invalid line, the lines before it are answered, then the error is thrown.
    private func answerLines(_ costing: Costing) throws {
        var lines: [(text: String, place: String)] = []
        func flush() throws {
            let (answers, failure) = costing.answers(lines)
            lines.removeAll(keepingCapacity: true)
            if !answers.isEmpty {
                try Output.lines(answers.map(\.line).joined(separator: "\n"))
            }
            if let failure { throw failure }
        }
        var number = 0
        func take(_ line: some Collection<UInt8>) throws {
            number += 1
            let text = String(decoding: line, as: UTF8.self)
            if text.allSatisfy(\.isWhitespace) { return }
            lines.append((text, "line \(number)"))
            if lines.count == Costing.batch { try flush() }
        }
        var rest: [UInt8] = []
        while let more = try Input.available() {
            rest += more
            let whole = rest.split(
                separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for line in whole.dropLast() { try take(line) }
            rest = Array(whole.last ?? [])
            try flush()
        }
        try take(rest)
        try flush()
    }
}

/// The inputs of `ofa arch cost`: the space and the device, and tables and predictor if given.
private struct Costing {
    /// The maximum number of lines per batch.
    static let batch = 1024

    private let space: SearchSpace
    /// The device that runs the networks.
    let device: DeviceTarget
    /// The energy table in millijoules; nil if energy is modelled.
    let energyTable: LatencyTable?
    private let table: LatencyTable?
    private let state: TableState
    private let predictor: AccuracyPredictor?
    private let costs = CostCache()
    private let given: TableOptions
    private let resolution: Int?

    init(_ command: ArchCost) throws {
        let space = try SpaceCommand.space(named: command.space)
        self.space = space
        given = command.given
        resolution = command.resolution
        let stored = try command.device.map { name in
            try DeviceCommand.find(name, try command.database.connectToExisting())
        }
        let tables = TableSource(
            database: command.database, space: space, batch: stored?.target.batch,
            threads: stored?.target.threads ?? 1)
        var device =
            stored?.target ?? DeviceTarget(name: "", kind: .computer, limits: Constraints())
        device.bytesPerWeight = command.bytesPerWeight ?? device.bytesPerWeight
        device.bytesPerActivation = command.bytesPerActivation ?? device.bytesPerActivation
        self.device = device
        /// Returns the given tables, or else the device's table.
        func named(_ given: [String], _ stored: ArtifactID?) -> [String] {
            given.isEmpty ? stored.map { ["\($0)"] } ?? [] : given
        }
        let latencies = named(command.given.latencyTable, stored?.latencyTable)
        table = try tables.read(latencies)
        state = try tables.state(latencies)
        energyTable = try tables.read(
            named(command.given.energyTable, stored?.energyTable), .energyTable)
        predictor = try command.predictor.map { reference in
            guard !reference.contains("/") || FileManager.default.fileExists(atPath: reference)
            else { throw CommandFailure.notFound("there is no file \(reference)") }
            return try PredictorSource.read(
                reference, space: space, isPercent: command.scale.percent, command.database)
        }
    }

    /// Returns the costs of the network in `text`; errors start with `place`.
    func answer(_ text: String, place: String) throws -> ArchAnswer {
        let (answers, failure) = answers([(text, place)])
        guard let answer = answers.first else {
            throw failure ?? CommandFailure.failed("\(place): no network")
        }
        return answer
    }

    /// Returns the costs of the networks before the first invalid line, and the error of that line; the error is nil if
    /// all lines are valid. If the predictor fails, returns no costs and the predictor's error.
    func answers(_ lines: [(text: String, place: String)]) -> (
        [ArchAnswer], failure: CommandFailure?
    ) {
        var configs: [SubnetConfig] = []
        var answers: [ArchAnswer] = []
        var failure: CommandFailure?
        for (text, place) in lines {
            do {
                let config = space.canonical(
                    try space.architecture(text, resolution: resolution))
                try predictor?.checkDomain(space: space, resolutions: [config.resolution])
                try predictor?.checkDomain(config)
                let (cost, metrics) = try given.naming {
                    try costs.cost(config, space, device, table, energyTable)
                }
                configs.append(config)
                answers.append(
                    ArchAnswer(
                        params: metrics.params, macs: metrics.macs,
                        peak_activation_elements: cost.peakActivationElements,
                        peak_memory_bytes: metrics.peakMemoryBytes,
                        flash_bytes: metrics.flashBytes,
                        energy_mj: metrics.energyMJ, latency_ms: metrics.latencyMs,
                        latency_table_is_outdated: state.isOutdated,
                        latency_table_threads: state.threads, predicted_accuracy: nil))
            } catch {
                failure = CommandFailure.at(place, error)
                break
            }
        }
        do {
            if let predictor {
                for (place, accuracy) in try predictor.predict(configs).enumerated() {
                    answers[place].predicted_accuracy = accuracy
                }
            }
        } catch {
            let place = lines.first?.place ?? ""
            return ([], CommandFailure.at(place, error))
        }
        return (answers, failure)
    }
}

/// Computes the costs of networks from the costs of their parts, which are cached for each resolution.
private final class CostCache {
    private var known: [Int: NetworkCosting] = [:]
    /// The resolutions at which a table lacks entries. At these, each network is computed by itself, because a network
    /// that needs none of the missing entries still has a latency.
    private var incomplete: Set<Int> = []

    func cost(
        _ config: SubnetConfig, _ space: SearchSpace, _ device: DeviceTarget,
        _ table: LatencyTable?, _ energy: LatencyTable?
    ) throws -> (NetworkCost, NetworkMetrics) {
        let resolution = config.resolution
        if known[resolution] == nil && !incomplete.contains(resolution) {
            do {
                known[resolution] = try NetworkCosting(
                    space, resolution: resolution, table: table, energy: energy)
            } catch let error as DeviceError where error.code == .missingLatency {
                incomplete.insert(resolution)
            }
        }
        if let costing = known[resolution] { return costing.cost(config, on: device) }
        let shape = try NetworkShape(space, config), cost = NetworkCost(shape)
        let metrics = device.metrics(
            cost, latencyMs: try table?.latencyMs(shape),
            energyMJ: try energy?.latencyMs(shape, of: "energy table"))
        return (cost, metrics)
    }
}

/// The JSON answer: the costs of one network. Latency without a table, and accuracy without a predictor, are null.
private struct ArchAnswer: Encodable {
    let params: Int
    let macs: Int
    let peak_activation_elements: Int
    let peak_memory_bytes: Int
    let flash_bytes: Int
    let energy_mj: Double?
    let latency_ms: Double?
    let latency_table_is_outdated: Bool?
    let latency_table_threads: Int?
    var predicted_accuracy: Double?

    /// The answer as a line of JSON with sorted keys, equal to `Output.jsonText` but faster, because thousands of lines
    /// are written.
    var line: String {
        func number(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "null" }
        return
            "{\"energy_mj\":\(number(energy_mj)),\"flash_bytes\":\(flash_bytes),\"latency_ms\":\(number(latency_ms)),"
            + "\"latency_table_is_outdated\":\(number(latency_table_is_outdated)),"
            + "\"latency_table_threads\":\(number(latency_table_threads)),\"macs\":\(macs),\"params\":\(params),"
            + "\"peak_activation_elements\":\(peak_activation_elements),"
            + "\"peak_memory_bytes\":\(peak_memory_bytes),\"predicted_accuracy\":\(number(predicted_accuracy))}"
    }

    private enum CodingKeys: CodingKey {
        case params, macs, peak_activation_elements, peak_memory_bytes, flash_bytes, energy_mj,
            latency_ms, latency_table_is_outdated, latency_table_threads
        case predicted_accuracy
    }

    /// Encodes missing values as null, which the synthesised encoding would omit.
    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(params, forKey: .params)
        try values.encode(macs, forKey: .macs)
        try values.encode(peak_activation_elements, forKey: .peak_activation_elements)
        try values.encode(peak_memory_bytes, forKey: .peak_memory_bytes)
        try values.encode(flash_bytes, forKey: .flash_bytes)
        try values.encode(energy_mj, forKey: .energy_mj)
        try values.encode(latency_ms, forKey: .latency_ms)
        try values.encode(latency_table_is_outdated, forKey: .latency_table_is_outdated)
        try values.encode(latency_table_threads, forKey: .latency_table_threads)
        try values.encode(predicted_accuracy, forKey: .predicted_accuracy)
    }
}
