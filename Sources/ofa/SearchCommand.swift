// `ofa search`: the network with the best predicted accuracy within limits, without queue and, for
// files, without a database.

import ArgumentParser
import Artifacts
import Foundation
import Networks
import Search

/// Searches a space for one network.
struct SearchCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Find the most accurate network within limits; nothing is stored.",
        discussion: """
            The predictor is a file, or the number or name of an artifact. Limits that no network meets end with exit \
            code 2 and say the smallest values that can be reached.

            Example:
              ofa search --space fashion-mbv3 --predictor 11 --max-macs 3000000
              ofa search --space ofa-mbv3-w1.0 --predictor predictor.bin --latency-table tables/note10 \\
                --resolutions 160,176,192 --max-latency-ms 25 --json
            """)

    /// The space.
    @Option(help: "The search space.") var space: String
    /// The predictor.
    @Option(
        help: ArgumentHelp("The accuracy predictor: a file, or an artifact.", valueName: "file|id"))
    var predictor: String
    /// Latency tables.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A folder of latency tables, or files like 192_lookup_table.yaml.",
            valueName: "dir|file"))
    var latencyTable: [String] = []
    /// The resolutions searched.
    @Option(
        help:
            "Image sizes to search, separated by commas; those the predictor was fitted on otherwise."
    )
    var resolutions: String?
    /// What the memory limits count.
    @Option(
        help:
            "The kind of device, which decides the bytes of a number: computer, phone or microcontroller."
    )
    var kind = DeviceTarget.Kind.phone
    /// The limits.
    @OptionGroup var limits: LimitOptions
    /// What repeats the search.
    @Option(help: "Decides every draw; the same seed finds the same network.") var seed: UInt64 = 0
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private var sizes: [Int]? {
        resolutions.map {
            $0.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) ?? 0 }
        }
    }

    /// Refuses resolutions that are no numbers.
    mutating func validate() throws {
        if let sizes, sizes.isEmpty || sizes.contains(where: { $0 < 1 }) {
            throw ValidationError(
                "--resolutions is '\(resolutions ?? "")'; write image sizes such as 160,176,192")
        }
    }

    /// Searches and prints the network.
    mutating func run() throws {
        let start = ContinuousClock.now
        let space = try SpaceCommand.space(named: space)
        let table = latencyTable.isEmpty ? nil : try LatencyTable(files: latencyTable)
        let predictor = try readPredictor()
        var options = EvolutionarySearch.Options()
        options.seed = seed
        let sizes = sizes ?? predictor.fittedResolutions
        try predictor.checkDomain(space: space, resolutions: sizes)
        let device = DeviceTarget(name: "search", kind: kind, limits: limits.replacing())
        let search = try EvolutionarySearch(
            space: space, resolutions: sizes, device: device, latencyTable: table, options: options)
        let found = try search.run(predictor: predictor)
        let answer = Answer(found, seconds: (.now - start) / .seconds(1))
        try Output.answer(answer, output) {
            var table = Table(.text("RESULT"), .number("VALUE"))
            table.rows = [
                ["predicted accuracy", Format.decimal(100 * answer.predicted_accuracy, 2) + " %"],
                ["multiply-accumulates", Format.grouped(answer.macs)],
                ["parameters", Format.grouped(answer.params)],
            ]
            if let latency = answer.latency_ms {
                table.rows.append(["latency", Format.decimal(latency, 4) + " ms"])
            }
            try Output.table(table)
            try Output.line(
                "\(answer.evaluations) networks scored in \(Format.duration(answer.seconds))")
            try Output.line(try Output.jsonText(answer.arch))
        }
    }

    /// The predictor of a file, or of an artifact where there is no such file.
    private func readPredictor() throws -> AccuracyPredictor {
        if FileManager.default.fileExists(atPath: predictor) {
            return try AccuracyPredictor(bytes: try Input.bytes(predictor), source: predictor)
        }
        guard !predictor.contains("/") else {
            throw CommandFailure.notFound("there is no file \(predictor)")
        }
        let connection = try database.connect()
        let artifact = try ArtifactStore(connection).find(predictor)
        return try AccuracyPredictor(
            bytes: try BlobStore(connection).get(artifact.digest),
            source: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// What scripts read.
    private struct Answer: Encodable {
        let arch: SubnetConfig
        let predicted_accuracy: Double
        let latency_ms: Double?
        let macs, params, evaluations: Int
        let seconds: Double

        init(_ found: SearchResult, seconds: Double) {
            arch = found.arch
            predicted_accuracy = found.predictedAccuracy
            latency_ms = found.metrics.latencyMs
            macs = found.metrics.macs
            params = found.metrics.params
            evaluations = found.evaluations
            self.seconds = seconds
        }
    }
}
