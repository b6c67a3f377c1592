// `ofa predictor fit`: fits an accuracy predictor on measurements that people have.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Networks
import Pipelines
import Search

/// Fits a predictor on a table of measured networks.
struct PredictorFit: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "fit", abstract: "Fits a predictor on measured networks in a CSV file.",
        discussion: """
            The first line names the columns: an architecture (arch, Sub-network), its accuracy (accuracy, top1, Top-1 \
            Acc (%)) and, for architectures without image size, resolution. An architecture is genes as JSON or a Python \
            dictionary, or a net.config, in quotes. Other columns are ignored; repeated measurements of a network are \
            averaged. Accuracies are shares, or percent if all are above 1 or --percent says so. A fifth of the networks \
            is held out to state the error. Only networks of genes and image sizes that occur in the table are predicted. \
            The predictor is stored as an artifact, or written to a file with --output.

            Example:
              ofa predictor fit measured.csv --space ofa-mbv3-w1.0 --name measured
              ofa predictor fit measured.csv --space birds.yaml --method ensemble -o birds.bin
            """)

    /// The models to fit.
    enum Method: String, CaseIterable {
        case ridge, ensemble, mlp

        /// The method as the predictor's room knows it, with the settings of a fit-predictor stage.
        var fitted: AccuracyPredictor.Method {
            switch self {
            case .ridge: .ridge
            case .ensemble: .ensemble(8)
            case .mlp: .multilayer(AdamOptions())
            }
        }
    }

    /// The table.
    @Argument(help: "The table of measured networks.", completion: .file(extensions: ["csv"]))
    var file: String
    /// The space.
    @Option(help: "The space of the networks: a name, or a YAML file.", completion: .spaces)
    var space: String
    /// The model.
    @Option(
        help: "ridge, ensemble (also states its uncertainty) or mlp (ridge).",
        completion: Word.completion(Method.self), transform: Word.one(of: Method.self))
    var method: Method = .ridge
    /// The seed of the fit.
    @Option(help: "The seed that chooses the held-out networks (0).", transform: Number.seed)
    var seed: UInt64?
    /// Whether the accuracies are percentages.
    @Flag(help: "The accuracies are percentages.") var percent = false
    /// The artifact's name.
    @Option(help: "The artifact's name; by default the file's.") var name: String?
    /// The output file, instead of the database.
    @Option(
        name: [.short, .customLong("output")],
        help: "Write a file instead of an artifact; - is standard output.", completion: .file())
    var outputFile: String?
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// The largest table that is read.
    private static let mostBytes = 256 << 20

    /// Refuses invalid names.
    mutating func validate() throws { name = try name.map { try ArgumentGate.name($0, "--name") } }

    /// Reads the table, fits, stores and shows the predictor.
    mutating func run() throws {
        let target = try outputFile.map { try OutputFile($0, files, output) }
        let space = try SpaceCommand.space(named: space)
        let bytes = try Input.bytes(file, atMost: Self.mostBytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure.failed(
                "\(file) is no text in UTF-8", remedy: "save it as CSV in UTF-8", code: "file")
        }
        let measured = try MeasuredNetworks(
            csv: text, space: space, percent: percent ? true : nil, source: file)
        Output.note(
            "\(measured.rows) measurements of \(measured.samples.count) networks, accuracies"
                + " \(measured.isPercent ? "in percent" : "as shares")")
        var predictor = try AccuracyPredictor.fit(
            measured.samples, space: space, method: method.fitted, seed: seed ?? 0)
        let domain = try TrainedDomain(covering: measured.samples.map(\.config), of: space)
        if domain != TrainedDomain(space) {
            Output.note(
                "the networks have \(domain.words) only, of \(TrainedDomain(space).words): no other is predicted"
            )
        }
        predictor.trained = domain
        try predictor.checkScale(space, "the predictor fitted on \(file)")
        var artifact: Int64?
        if let target {
            let encoded = Data(try predictor.encoded())
            try target.write { try $0(encoded) }
            if target.isStandardOutput { return }
        } else {
            let url = URL(filePath: file)
            artifact = try PredictorStore.add(
                predictor, name: name ?? ImportedName.of(file),
                source: ArtifactSource(file: url.lastPathComponent, bytes: bytes),
                over: try database.connect()
            ).rawValue
        }
        try PredictorPrinter.show(predictor, artifact: artifact, output)
    }
}
