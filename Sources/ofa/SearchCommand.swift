// `ofa search`: searches for the network with the best predicted accuracy within limits. The command does not use the
// queue. It needs no database if predictor and tables are files.

import ArgumentParser
import Devices
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
            The predictor is a file (of this program, or a PyTorch state dict such as the published one), or the number \
            or name of an artifact. Limits may be combined. Limits that no network meets end with exit code 2 and say \
            the smallest values that can be reached. --front gives the best network for every value of one cost, in \
            one run. In a large space that takes some four minutes of two processors and 1.1 GB; --front-evaluations \
            1000000 is a quick look.

            Example:
              ofa search --space fashion-mbv3 --predictor 11 --max-macs 3000000
              ofa search --space ofa-mbv3-w1.0 --predictor predictor.bin --latency-table tables/note10 \\
                --resolutions 160,176,192 --max-latency-ms 25 --json
              ofa search --space ofa-mbv3-w1.2 --predictor acc_predictor.pth --latency-table note10 --front --json
              ofa search --space fashion-mbv3 --predictor 11 --front --front-evaluations 500000
            """)

    /// The space.
    @Option(help: "The search space.", completion: .spaces) var space: String
    /// The predictor.
    @Option(
        help: ArgumentHelp("The accuracy predictor: a file, or an artifact.", valueName: "file|id"),
        completion: .file())
    var predictor: String
    /// Whether the predictor predicts fractions or percentages.
    @OptionGroup var scale: PredictorScale
    /// Latency and energy tables.
    @OptionGroup var given: TableOptions
    /// Whether to search the Pareto front of accuracy against one cost.
    @Flag(help: "Search the whole front of accuracy over one cost instead of one network.")
    var front = false
    /// The cost that the front trades against accuracy; nil for latency if there is a table.
    @Option(
        help: "The cost of the front: latency, macs or energy; latency if there is a table.",
        completion: Word.completion(ParetoFront.Axis.self),
        transform: Word.one(of: ParetoFront.Axis.self))
    var frontOver: ParetoFront.Axis?
    /// The maximum number of networks scored for the front.
    @Option(
        help:
            """
            The most networks scored for the front, by default \(EvolutionarySearch.Options().frontEvaluations); fewer \
            are quicker and find less.
            """,
        transform: Number.whole(1...EvolutionarySearch.Options.mostFrontEvaluations)
    )
    var frontEvaluations: Int?
    /// The image sizes to search, separated by commas.
    @Option(
        help:
            """
            Image sizes to search, separated by commas; by default those that the predictor was fitted on and the tables \
            have.
            """
    )
    var resolutions: String?
    /// The kind of device. It determines the number formats from which memory and flash are computed.
    @Option(
        help:
            "The kind of device, which determines number formats: computer, phone or microcontroller.",
        completion: Word.completion(DeviceTarget.Kind.self),
        transform: Word.one(of: DeviceTarget.Kind.self)
    )
    var kind = DeviceTarget.Kind.phone
    /// The device's limits, batch size, number formats and energies.
    @OptionGroup var terms: TargetOptions
    /// The seed.
    @Option(
        help: "The seed of all draws; the same seed finds the same network.", transform: Number.seed
    )
    var seed: UInt64 = 0
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid resolutions, a latency limit without a table, and front options without `--front`.
    mutating func validate() throws {
        _ = try ImageSizes.read(resolutions)
        guard terms.limits.maxLatencyMs == nil || !given.latencyTable.isEmpty else {
            throw ValidationError(
                "--max-latency-ms needs --latency-table, the milliseconds of every part",
                remedy: nil)
        }
        guard front || frontOver == nil else {
            throw ValidationError("--front-over is about a front", remedy: "give --front too")
        }
        guard front || frontEvaluations == nil else {
            throw ValidationError(
                "--front-evaluations is about a front", remedy: "give --front too")
        }
    }

    /// Searches and prints the network, or the front.
    mutating func run() throws {
        let start = ContinuousClock.now
        let space = try SpaceCommand.space(named: space)
        let wanted = try ImageSizes.read(resolutions, of: space)
        let predictor = try PredictorSource.read(
            predictor, space: space, isPercent: scale.percent, database)
        let trained = try predictor.trainedPart(of: space)
        let known = try predictor.resolutions(in: trained)
        try predictor.checkDomain(space: space, resolutions: wanted ?? known)
        let tables = TableSource(
            database: database, resolutions: wanted ?? known, space: space, batch: terms.batch,
            threads: terms.threads)
        let table = try tables.read(given.latencyTable)
        let state = try tables.state(given.latencyTable)
        let energy = try tables.read(given.energyTable, .energyTable)
        let sizes = try given.naming {
            try wanted ?? LatencyTable.common(known, of: [table, energy])
        }
        var options = EvolutionarySearch.Options()
        options.seed = seed
        options.frontEvaluations = frontEvaluations ?? options.frontEvaluations
        let device = terms.target("", kind)
        try predictor.checkBits(of: device)
        let search = try given.naming {
            try EvolutionarySearch(
                space: trained, resolutions: sizes, device: device, latencyTable: table,
                energyTable: energy, options: options)
        }
        func seconds() -> Double { (.now - start) / .seconds(1) }
        if front {
            let begun = ContinuousClock.now
            let found = try search.front(
                predictor: predictor, over: frontOver, threads: HostRoom.machineThreads
            ) { share in
                let left = (.now - begun) / .seconds(1) * (1 / share - 1)
                Output.progress(
                    "drawing the front: \(StatusText.percent(share)) (\(Format.duration(left)) left)"
                )
            }
            Output.endProgress()
            return try show(found, predictor.bits, state, seconds: seconds())
        }
        let found = try search.run(predictor: predictor)
        try show(Answer(found, predictor.bits, state, seconds: seconds()))
    }

    private func show(_ answer: Answer) throws {
        try Output.answer(answer, output) {
            var table = Table(.text("RESULT"), .number("VALUE"))
            table.rows = [
                [
                    "predicted accuracy" + (answer.predicted_bits == 8 ? " in 8 bits" : ""),
                    Format.decimal(100 * answer.predicted_accuracy, 2) + " %",
                ],
                ["multiply-accumulates", Format.grouped(answer.macs)],
                ["parameters", Format.grouped(answer.params)],
            ]
            if let latency = answer.latency_ms {
                table.rows.append(["latency", Format.decimal(latency, 4) + " ms"])
            }
            if let energy = answer.energy_mj {
                table.rows.append(["energy", Format.decimal(energy, 3) + " mJ"])
            }
            table.rows += [
                [
                    "peak memory",
                    Format.decimal(Double(answer.peak_memory_bytes) / 1024, 1) + " KiB",
                ],
                ["flash", Format.decimal(Double(answer.flash_bytes) / 1024, 1) + " KiB"],
            ]
            try Output.table(table)
            try Output.line(
                "\(answer.evaluations) networks scored in \(Format.duration(answer.seconds))")
            try Output.line(try Output.jsonText(answer.arch))
        }
    }

    private func show(
        _ front: ParetoFront, _ bits: Int, _ state: TableState, seconds: Double
    ) throws {
        let answer = FrontAnswer(
            over: front.axis.rawValue,
            networks: front.networks.map { Answer($0, bits, state, seconds: seconds) },
            evaluations: front.networks.first?.evaluations ?? 0, seconds: seconds)
        try Output.answer(answer, output) {
            var table = Table(
                .number("ACCURACY"), .number("LATENCY"), .number("ENERGY", .medium),
                .number("MACS"), .number("PARAMETERS", .medium), .text("NETWORK", .low, least: 24))
            table.rows = try answer.networks.map { network in
                [
                    Format.decimal(100 * network.predicted_accuracy, 2) + " %",
                    network.latency_ms.map { Format.decimal($0, 3) + " ms" } ?? "",
                    network.energy_mj.map { Format.decimal($0, 3) + " mJ" } ?? "",
                    Format.grouped(network.macs), Format.grouped(network.params),
                    try Output.jsonText(network.arch),
                ]
            }
            try Output.table(table)
            try Output.line(
                "\(answer.evaluations) networks scored in \(Format.duration(seconds))")
        }
    }

    /// The JSON answer for a front.
    private struct FrontAnswer: Encodable {
        let over: String
        let networks: [Answer]
        let evaluations: Int
        let seconds: Double

        private enum CodingKeys: String, CodingKey {
            case over
            case networks = "front"
            case evaluations, seconds
        }
    }

    /// The JSON answer for one network.
    private struct Answer: Encodable {
        let arch: SubnetConfig
        let predicted_accuracy: Double
        let predicted_bits: Int
        let latency_ms: Double?
        let latency_table_is_outdated: Bool?
        let latency_table_threads: Int?
        let energy_mj: Double?
        let macs, params, peak_memory_bytes, flash_bytes, evaluations: Int
        let seconds: Double

        init(_ found: SearchResult, _ bits: Int, _ state: TableState, seconds: Double) {
            arch = found.arch
            predicted_bits = bits
            predicted_accuracy = found.predictedAccuracy
            latency_ms = found.metrics.latencyMs
            latency_table_is_outdated = state.isOutdated
            latency_table_threads = state.threads
            energy_mj = found.metrics.energyMJ
            macs = found.metrics.macs
            params = found.metrics.params
            peak_memory_bytes = found.metrics.peakMemoryBytes
            flash_bytes = found.metrics.flashBytes
            evaluations = found.evaluations
            self.seconds = seconds
        }
    }
}
