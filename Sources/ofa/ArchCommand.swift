// `ofa arch cost`: what a network costs, without running it; a database is needed for what is named of it only.
import ArgumentParser
import Artifacts
import Foundation
import Intake
import Networks
import Pipelines
import Search

/// Architectures: what one costs.
struct ArchCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "arch", abstract: "Architectures: what one network of a space costs.",
        discussion: "Example:\n  ofa arch cost --space ofa-mbv3-w1.0 --arch - < archs.jsonl",
        subcommands: [ArchCost.self])
}

/// Costs of one network, or of every network on standard input.
struct ArchCost: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "cost",
        abstract:
            "Parameters, multiply-accumulates, memory, latency, energy and accuracy of a network.",
        discussion: """
            An architecture is JSON: kernel sizes and expand ratios of every layer at full depth, \
            the depths of the stages, the resolution. With '-' every line of standard input is \
            one, and every line of the answer is its cost as JSON. Energy and peak memory are those of one image, or of \
            the device's batch.

            Example:
              ofa arch cost --space fashion-mbv3 \\
                --arch '{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}'
            """)

    /// The search space's name.
    @Option(help: "The search space.", completion: .spaces) var space: String
    /// The network, or a dash.
    @Option(help: "The network as JSON, or '-' for JSON Lines on standard input.") var arch: String
    /// A stored device that runs it.
    @Option(
        help: ArgumentHelp(
            "A stored device, whose tables, batch, bytes and picojoules count.", valueName: "name"),
        completion: .devices)
    var device: String?
    /// Bytes a stored weight takes.
    @Option(
        help: "Bytes a stored weight takes: the device's, else 4 as trained; 1 for 8-bit integers.",
        transform: Number.bytes)
    var bytesPerWeight: Int?
    /// Bytes an activation takes.
    @Option(
        help: "Bytes an activation takes while the network runs: the device's, else 4.",
        transform: Number.bytes)
    var bytesPerActivation: Int?
    /// Tables of its parts.
    @OptionGroup var given: TableOptions
    /// Where an accuracy predictor is.
    @Option(
        help: ArgumentHelp(
            "The accuracy predictor: a file, or an artifact.", valueName: "file|id"),
        completion: .file())
    var predictor: String?
    /// What its answers are.
    @OptionGroup var scale: PredictorScale
    /// The database, for a table or predictor that is an artifact.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Answers about one network, or about every line.
    mutating func run() throws {
        let costing = try Costing(self)
        if arch == "-" { return try answerLines(costing) }
        let answer = try costing.answer(arch, place: "--arch")
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

    /// Answers the lines that are there, some at a time since a predictor is faster with many networks, and waits for more
    /// only then: a program may write one and read its answer. What comes before a wrong line is answered before the error.
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

/// Everything that answers about a network: the space, and the table and predictor if given.
private struct Costing {
    /// Lines that are answered together.
    static let batch = 1024

    private let space: SearchSpace
    /// What runs the networks.
    let device: DeviceTarget
    /// Its millijoules a part; nil where energy is modelled.
    let energyTable: LatencyTable?
    private let table: LatencyTable?
    private let predictor: AccuracyPredictor?
    private let costs = CostCache()
    private let given: TableOptions

    init(_ command: ArchCost) throws {
        let space = try SpaceCommand.space(named: command.space)
        self.space = space
        given = command.given
        let stored = try command.device.map { name in
            try DeviceCommand.find(name, try command.database.connectToExisting())
        }
        let tables = TableSource(
            database: command.database, space: space, batch: stored?.target.batch)
        var device =
            stored?.target ?? DeviceTarget(name: "", kind: .computer, limits: Constraints())
        device.bytesPerWeight = command.bytesPerWeight ?? device.bytesPerWeight
        device.bytesPerActivation = command.bytesPerActivation ?? device.bytesPerActivation
        self.device = device
        /// The tables that were named, else the device's.
        func read(_ given: [String], _ stored: ArtifactID?, _ role: ArtifactRole) throws
            -> LatencyTable?
        {
            try tables.read(given.isEmpty ? stored.map { ["\($0)"] } ?? [] : given, role)
        }
        table = try read(command.given.latencyTable, stored?.latencyTable, .latencyTable)
        energyTable = try read(command.given.energyTable, stored?.energyTable, .energyTable)
        predictor = try command.predictor.map { reference in
            guard !reference.contains("/") || FileManager.default.fileExists(atPath: reference)
            else { throw CommandFailure.notFound("there is no file \(reference)") }
            return try PredictorSource.read(
                reference, space: space, isPercent: command.scale.percent, command.database)
        }
    }

    /// The costs of the network in this text; errors begin with `place`.
    func answer(_ text: String, place: String) throws -> ArchAnswer {
        let (answers, failure) = answers([(text, place)])
        guard let answer = answers.first else {
            throw failure ?? CommandFailure.failed("\(place): no network")
        }
        return answer
    }

    /// The costs of the networks in these texts up to the first that is wrong, and what is wrong with it.
    func answers(_ lines: [(text: String, place: String)]) -> (
        [ArchAnswer], failure: CommandFailure?
    ) {
        var configs: [SubnetConfig] = []
        var answers: [ArchAnswer] = []
        var failure: CommandFailure?
        for (text, place) in lines {
            do {
                let config = try SubnetConfig(json: text)
                try space.validate(config)
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
                        predicted_accuracy: nil))
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

/// The costs of layers that were asked for before, by resolution: networks of one space share them.
private final class CostCache {
    private var known: [Int: NetworkCosting] = [:]
    /// Resolutions at which a table lacks parts: a network that has none of them still has a latency.
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
            } catch let error as SearchError where error.code == .missingLatency {
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

/// The answer about one network; what was not asked for is null.
private struct ArchAnswer: Encodable {
    let params: Int
    let macs: Int
    let peak_activation_elements: Int
    let peak_memory_bytes: Int
    let flash_bytes: Int
    let energy_mj: Double?
    let latency_ms: Double?
    var predicted_accuracy: Double?

    /// The answer as a line of JSON with sorted keys, as `Output.jsonText` writes it, but without an encoder's detours:
    /// thousands are written.
    var line: String {
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "null" }
        return
            "{\"energy_mj\":\(number(energy_mj)),\"flash_bytes\":\(flash_bytes),\"latency_ms\":\(number(latency_ms)),"
            + "\"macs\":\(macs),\"params\":\(params),"
            + "\"peak_activation_elements\":\(peak_activation_elements),"
            + "\"peak_memory_bytes\":\(peak_memory_bytes),\"predicted_accuracy\":\(number(predicted_accuracy))}"
    }

    private enum CodingKeys: CodingKey {
        case params, macs, peak_activation_elements, peak_memory_bytes, flash_bytes, energy_mj,
            latency_ms
        case predicted_accuracy
    }

    /// Writes null for what was not asked for, where the synthesised form leaves the key out.
    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(params, forKey: .params)
        try values.encode(macs, forKey: .macs)
        try values.encode(peak_activation_elements, forKey: .peak_activation_elements)
        try values.encode(peak_memory_bytes, forKey: .peak_memory_bytes)
        try values.encode(flash_bytes, forKey: .flash_bytes)
        try values.encode(energy_mj, forKey: .energy_mj)
        try values.encode(latency_ms, forKey: .latency_ms)
        try values.encode(predicted_accuracy, forKey: .predicted_accuracy)
    }
}
