// `ofa predictor`: imports and shows accuracy predictors.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Interchange
import Networks
import Pipelines
import Search

/// The commands about predictors.
struct PredictorCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "predictor",
        abstract: "Accuracy predictors: import, fit and show.",
        discussion:
            "Example:\n  ofa predictor import acc_predictor.pth --space ofa-mbv3-w1.2 -o p.bin",
        subcommands: [PredictorImport.self, PredictorFit.self, PredictorShow.self])
}

/// Whether a predictor predicts fractions or percentages.
struct PredictorScale: ParsableArguments {
    /// Whether to divide the predictions by 100.
    @Flag(help: "The predictor was fitted elsewhere and predicts percentages: divide by 100.")
    var percent = false
}

/// Reads a predictor for a command.
enum PredictorSource {
    /// Reads the predictor from the file `reference` or, if there is no such file, from the artifact `reference`.
    /// Checks the predictor against `space` if given.
    static func read(
        _ reference: String, space: SearchSpace?, resolutions: [Int]? = nil,
        isPercent: Bool = false, _ database: DatabaseOptions
    ) throws -> AccuracyPredictor {
        if FileManager.default.fileExists(atPath: reference) {
            return try read(
                Input.bytes(reference), space: space, resolutions: resolutions,
                isPercent: isPercent, source: reference)
        }
        guard !reference.contains("/") else {
            throw CommandFailure.notFound("there is no file \(reference)")
        }
        let connection = try database.connectToExisting()
        let artifact = try ArtifactStore(connection).find(reference)
        guard artifact.kind == ArtifactRole.predictor.rawValue else {
            throw CommandFailure.failed(
                "artifact \(artifact.id) is a \(artifact.kind), not of kind predictor",
                remedy: "ofa artifacts list --kind predictor", code: "missing_input")
        }
        var predictor = try read(
            try BlobStore(connection).get(artifact.digest), space: space, resolutions: resolutions,
            isPercent: isPercent, source: "artifact \(artifact.id) (\(artifact.kind))")
        predictor.trained = try predictor.trained ?? PredictorStore.trained(artifact)
        return predictor
    }

    /// Decodes a predictor from this program's format, or from named tensors of dense layers, which require `space`.
    /// Checks the predictor against `space` if given.
    static func read(
        _ bytes: [UInt8], space: SearchSpace?, resolutions: [Int]? = nil, isPercent: Bool = false,
        source: String
    ) throws -> AccuracyPredictor {
        let predictor = try decoded(bytes, space, resolutions, source)
        guard let space else { return predictor }
        try predictor.checkDomain(space: space, resolutions: [])
        if isPercent { return try predictor.inPercent(space, source) }
        try predictor.checkScale(space, source)
        return predictor
    }

    private static func decoded(
        _ bytes: [UInt8], _ space: SearchSpace?, _ resolutions: [Int]?, _ source: String
    ) throws -> AccuracyPredictor {
        guard
            let tensors = try InterchangeError.naming(source, { try PredictorTensors.read(bytes) })
        else {
            guard resolutions == nil else {
                throw CommandFailure.failed(
                    "\(source) is no PyTorch checkpoint, and a predictor of this program knows its image sizes",
                    remedy: "leave --resolutions out")
            }
            return try AccuracyPredictor(bytes: bytes, source: source)
        }
        guard let space else {
            throw CommandFailure.failed(
                "\(source) is a PyTorch checkpoint, which does not say its space",
                remedy: "name it with --space"
            )
        }
        return try AccuracyPredictor(
            stateDict: tensors, space: space, resolutions: resolutions, source: source)
    }
}

/// Named tensors in files of other programs.
enum PredictorTensors {
    /// Returns the tensors of a PyTorch checkpoint or a safetensors file, integers as floats; nil for other formats.
    static func read(_ bytes: [UInt8]) throws -> [String: (shape: [Int], values: [Float])]? {
        guard let file = try TensorFile.read(bytes) else { return nil }
        if let (name, why) = file.unread.min(by: { $0.key < $1.key }) {
            throw InterchangeError(
                .unsupported, "tensor \(Shown.excerpt(name)) \(why)", remedy: "convert it to floats"
            )
        }
        var tensors = file.tensors.mapValues { ($0.shape, $0.values) }
        for (name, tensor) in file.integers {
            tensors[name] = (tensor.shape, tensor.values.map(Float.init))
        }
        // The constant that is added to every prediction (`base_acc`) may be a plain number instead of a tensor.
        for (name, number) in file.numbers where isBase(name) {
            tensors[name] = ([], [Float(number)])
        }
        if let other = file.passedOver.first(where: isBase) {
            throw InterchangeError(
                .unsupported, "\(Shown.excerpt(other)) is neither a tensor nor a number",
                remedy: "save it as one: it is added to every prediction")
        }
        return tensors
    }

    private static func isBase(_ name: String) -> Bool {
        name == "base_acc" || name.hasSuffix(".base_acc")
    }
}

/// Imports a predictor.
struct PredictorImport: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Imports a predictor fitted elsewhere.",
        discussion: """
            The file is a state dict of dense layers, of PyTorch or safetensors; no code of it is run. All features are \
            one-hot; the tensors' names determine their order: with base_acc or layers.N, as the OFA library writes \
            them, image sizes, kernels, ratios; otherwise, as published, kernels, ratios, image sizes. The predictor is \
            stored as an artifact, or written to a file with --output.

            Example:
              ofa predictor import acc_predictor.pth --space ofa-mbv3-w1.2 --name published
              ofa predictor import acc_predictor.pth --space ofa-mbv3-w1.2 -o published.bin
              ofa predictor import mine.pth --space ofa-mbv3-w1.0 --resolutions 128,160,192,224 --percent -o mine.bin
            """)

    /// The file to import.
    @Argument(help: "The state dict, or a predictor of this program.", completion: .file())
    var file: String
    /// The space.
    @Option(help: "The search space it was fitted on.", completion: .spaces) var space: String
    /// The image sizes that the predictor was fitted on.
    @Option(
        help:
            """
            Image sizes it was fitted on, separated by commas, in the order of its inputs; by default \
            160,176,192,208,224 of the published eight (112 to 224), or all of the space's.
            """
    )
    var resolutions: String?
    /// Whether the predictor predicts fractions or percentages.
    @OptionGroup var scale: PredictorScale
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

    /// Refuses invalid resolutions and names.
    mutating func validate() throws {
        _ = try ImageSizes.read(resolutions)
        name = try name.map { try ArgumentGate.name($0, "--name") }
    }

    /// Reads, stores and shows the predictor.
    mutating func run() throws {
        let target = try outputFile.map { try OutputFile($0, files, output) }
        let space = try SpaceCommand.space(named: space)
        let bytes = try Input.bytes(file)
        let predictor = try PredictorSource.read(
            bytes, space: space, resolutions: try ImageSizes.read(resolutions),
            isPercent: scale.percent, source: file)
        var artifact: Int64?
        if let target {
            let encoded = Data(try predictor.encoded())
            try target.write { try $0(encoded) }
            if target.isStandardOutput { return }
        } else {
            artifact = try PredictorStore.add(
                predictor, name: name ?? ImportedName.of(file),
                source: ArtifactSource(
                    file: URL(filePath: file).lastPathComponent, bytes: bytes),
                over: try database.connect()
            ).rawValue
        }
        try PredictorPrinter.show(predictor, artifact: artifact, output)
    }
}

/// Shows a predictor.
struct PredictorShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a predictor's domain and quality.",
        discussion: "Example:\n  ofa predictor show fashion-mbv3-predictor")

    /// The predictor.
    @Argument(
        help: ArgumentHelp("A file, or an artifact's number or name.", valueName: "file|id"),
        completion: .file())
    var predictor: String
    /// The space of a checkpoint.
    @Option(help: "The search space, for a state dict.", completion: .spaces) var space: String?
    /// The image sizes of a checkpoint.
    @Option(help: "Image sizes of a state dict, in the order of its inputs.")
    var resolutions: String?
    /// Whether the predictor predicts fractions or percentages.
    @OptionGroup var scale: PredictorScale
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid resolutions, and `--percent` without `--space`.
    mutating func validate() throws {
        _ = try ImageSizes.read(resolutions)
        guard !scale.percent || space != nil else {
            throw ValidationError("--percent needs --space, whose networks it is checked with")
        }
    }

    /// Prints the predictor; exit code 2 if the file or artifact does not exist.
    mutating func run() throws {
        let space = try space.map { try SpaceCommand.space(named: $0) }
        try PredictorPrinter.show(
            try PredictorSource.read(
                predictor, space: space, resolutions: try ImageSizes.read(resolutions),
                isPercent: scale.percent, database), artifact: nil, output)
    }
}

/// Prints predictors.
enum PredictorPrinter {
    /// The JSON answer.
    private struct Document: Encodable {
        let artifact: Int64?
        let space, method: String
        let resolutions: [Int]
        let features, bits: Int
        let trained: TrainedDomain?
        let quality: FitQuality?
    }

    /// Prints one predictor.
    static func show(_ predictor: AccuracyPredictor, artifact: Int64?, _ output: OutputOptions)
        throws
    {
        let document = Document(
            artifact: artifact, space: predictor.space, method: predictor.methodName,
            resolutions: predictor.fittedResolutions, features: predictor.encoder.featureCount,
            bits: predictor.bits, trained: predictor.trained, quality: predictor.quality)
        try Output.answer(document, output) {
            if let artifact { try Output.line("artifact \(artifact)") }
            try Output.line("predictor of \(document.space): \(document.method)")
            let sizes = document.resolutions.map(String.init).joined(separator: ", ")
            try Output.line(
                "  fitted on resolutions \(sizes); no other is predicted"
                    + (predictor.encoder.resolutions.isEmpty
                        ? ", with the same prediction at each" : ""))
            if document.bits == 8 {
                try Output.line("  of accuracies in 8 bits, for devices with one byte a weight")
            }
            if let trained = document.trained {
                try Output.line(
                    "  of networks within \(trained.words); no other is predicted"
                )
            }
            guard let quality = document.quality else {
                return try Output.line("  quality: unknown, it was fitted elsewhere")
            }
            try Output.line(
                "  \(quality.rows) networks, \(quality.heldOut) held out: RMSE"
                    + " \(Format.decimal(100 * quality.rmse, 3)) points, MAE"
                    + " \(Format.decimal(100 * quality.mae, 3)), Spearman"
                    + " \(Format.decimal(quality.spearman, 3)), Kendall"
                    + " \(Format.decimal(quality.kendall, 3))")
        }
    }
}
