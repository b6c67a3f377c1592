// `ofa arch cost`: what a network costs, without running it and without a database.
import ArgumentParser
import Foundation
import Networks
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
        abstract: "Parameters, multiply-accumulates, memory, latency and accuracy of a network.",
        discussion: """
            An architecture is JSON: kernel sizes and expand ratios of every layer at full depth, \
            the depths of the stages, the resolution. With '-' every line of standard input is \
            one, and every line of the answer is its cost as JSON.

            Example:
              ofa arch cost --space fashion-mbv3 \\
                --arch '{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}'
            """)

    /// The search space's name.
    @Option(help: "The search space.") var space: String
    /// The network, or a dash.
    @Option(help: "The network as JSON, or '-' for JSON Lines on standard input.") var arch: String
    /// Bytes a stored weight takes, 1 to 8.
    @Option(help: "Bytes a stored weight takes: 4 as trained, 1 for 8-bit integers.")
    var bytesPerWeight = 4
    /// Where latency tables are.
    @Option(help: "A folder of latency tables, or one file like 192_lookup_table.yaml.")
    var latencyTable: String?
    /// Where an accuracy predictor is.
    @Option(help: "A file of an accuracy predictor.") var predictor: String?
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses sizes that no number has.
    mutating func validate() throws {
        guard (1...8).contains(bytesPerWeight) else {
            throw ValidationError("--bytes-per-weight is \(bytesPerWeight); it can be 1 to 8")
        }
    }

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
                ["flash (\(bytesPerWeight) B a weight)", Format.bytes(answer.flash_bytes)],
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

    private func answerLines(_ costing: Costing) throws {
        var number = 0
        while let line = readLine() {
            number += 1
            if line.allSatisfy(\.isWhitespace) { continue }
            try Output.json(try costing.answer(line, place: "line \(number)"))
        }
    }
}

/// Everything that answers about a network: the space, and the table and predictor if given.
private struct Costing {
    private let space: SearchSpace
    private let bytesPerWeight: Int
    private let table: LatencyTable?
    private let predictor: AccuracyPredictor?
    private let decoder = JSONDecoder()

    init(_ command: ArchCost) throws {
        space = try SpaceCommand.space(named: command.space)
        bytesPerWeight = command.bytesPerWeight
        table = try command.latencyTable.map { try LatencyTable(contentsOf: $0) }
        predictor = try command.predictor.map { path in
            try AccuracyPredictor(bytes: Input.bytes(path), source: path)
        }
        try predictor?.checkDomain(space: space, resolutions: [])
    }

    /// The costs of the network in this text; errors begin with `place`.
    func answer(_ text: String, place: String) throws -> ArchAnswer {
        do {
            let config = try decoder.decode(SubnetConfig.self, from: Data(text.utf8))
            let shape = try NetworkShape(space, config)
            let cost = NetworkCost(shape)
            return ArchAnswer(
                params: cost.parameters, macs: cost.macs,
                peak_activation_elements: cost.peakActivationElements,
                flash_bytes: cost.flashElements * bytesPerWeight,
                latency_ms: try table?.latencyMs(shape),
                predicted_accuracy: try predictor?.predict([config]).first)
        } catch {
            throw CommandFailure.failed("\(place): \(Output.describe(error))")
        }
    }
}

/// The answer about one network; what was not asked for is null.
private struct ArchAnswer: Encodable {
    let params: Int
    let macs: Int
    let peak_activation_elements: Int
    let flash_bytes: Int
    let latency_ms: Double?
    let predicted_accuracy: Double?

    private enum CodingKeys: CodingKey {
        case params, macs, peak_activation_elements, flash_bytes, latency_ms, predicted_accuracy
    }

    /// Writes null for what was not asked for, where the synthesised form leaves the key out.
    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(params, forKey: .params)
        try values.encode(macs, forKey: .macs)
        try values.encode(peak_activation_elements, forKey: .peak_activation_elements)
        try values.encode(flash_bytes, forKey: .flash_bytes)
        try values.encode(latency_ms, forKey: .latency_ms)
        try values.encode(predicted_accuracy, forKey: .predicted_accuracy)
    }
}
