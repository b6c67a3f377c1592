// `ofa import`: takes in what other programs trained.

import ArgumentParser
import Artifacts
import Datasets
import Foundation
import Intake
import Interchange
import Networks
import Pipelines
import Postgres

/// The commands that import; data sets are imported by pipelines, predictors by `ofa predictor import`.
struct ImportCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Imports the weights of a supernet trained elsewhere.",
        discussion:
            "Example:\n  ofa import supernet ofa_mbv3_d234_e346_k357_w1.0 --space ofa-mbv3-w1.0",
        subcommands: [ImportSupernet.self])
}

/// The genes that an imported supernet was trained for.
struct TrainedOptions: ParsableArguments {
    /// Trained image sizes.
    @Option(help: "Image sizes it was trained for, separated by commas (all of the space).")
    var resolutions: String?
    /// Trained kernel sizes.
    @Option(help: "Kernel sizes it was trained for (all of the space).") var kernelSizes: String?
    /// Trained expand ratios.
    @Option(help: "Expand ratios it was trained for (all of the space).") var expandRatios: String?
    /// Trained depths.
    @Option(help: "Depths it was trained for (all of the space).") var depths: String?
    /// Trained widths.
    @Option(help: "Values of width genes it was trained for (all of the space).")
    var widths: String?

    /// The genes of a network trained alone: those of the largest network of `space`, at all image sizes.
    static func alone(_ space: SearchSpace) throws -> TrainedDomain {
        var domain = try TrainedDomain(covering: [space.largest], of: space)
        domain.resolutions = space.resolutions
        return domain
    }

    /// Returns the trained domain; values that no option gives are those of `usual`. Throws `ValidationError` for a value
    /// that `space` lacks.
    func domain(of space: SearchSpace, usual: TrainedDomain) throws -> TrainedDomain {
        var domain = usual
        let whole = TrainedDomain(space)
        func read(
            _ text: String?, _ name: String, _ usual: [Double], _ known: [Double]
        ) throws -> [Double] {
            guard let text else { return usual }
            let values = try NumberList.read(text, name, in: 0...4096)
            if let other = values.first(where: { !known.contains($0) }) {
                throw ValidationError(
                    "\(name) has \(SearchSpace.text(other)), and space \(space.name) has "
                        + (known.isEmpty
                            ? "no such genes"
                            : known.map(SearchSpace.text).joined(separator: ", ")),
                    remedy: "give values of the space")
            }
            return Set(values).sorted()
        }
        func set(
            _ path: WritableKeyPath<TrainedDomain, [Int]>, _ text: String?, _ name: String
        ) throws {
            domain[keyPath: path] = try read(
                text, name, usual[keyPath: path].map(Double.init),
                whole[keyPath: path].map(Double.init)
            ).map { Int($0) }
        }
        try set(\.resolutions, resolutions, "--resolutions")
        try set(\.kernelSizes, kernelSizes, "--kernel-sizes")
        try set(\.depths, depths, "--depths")
        try set(\.widths, widths, "--widths")
        domain.expandRatios = try read(
            expandRatios, "--expand-ratios", usual.expandRatios, whole.expandRatios)
        _ = try space.restricted(to: domain)
        return domain
    }
}

/// Numbers separated by commas.
enum NumberList {
    /// Returns the numbers in `text`, the value of the option `name`. Throws `ValidationError` for other texts.
    static func read(_ text: String, _ name: String, in range: ClosedRange<Double>) throws
        -> [Double]
    {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            do throws(InputFault) {
                return try DecimalNumber.real(part.trimmingCharacters(in: .whitespaces), in: range)
            } catch {
                throw ValidationError(
                    "\(name) is '\(Shown.excerpt(text))'",
                    remedy: "write numbers separated by commas: one \(error)")
            }
        }
    }
}

/// Imports a supernet.
struct ImportSupernet: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "supernet", abstract: "Imports a supernet's weights as an artifact.",
        discussion: """
            The file is a state dict of the OFA library, of PyTorch (any version) or safetensors, with floats of 16, 32 \
            or 64 bits; no code of it is run, and objects beside the tensors are ignored. Names of older versions, with \
            or without module., are understood. Every tensor of the space must be there, except the kernel transform \
            matrices, which may all be missing and are then the identity. Nothing is stored if a tensor is missing, \
            unknown or of another shape.

            The artifact records how images are normalised (--mean and --std; by default the file's, or ImageNet's) and \
            which genes and image sizes were trained. By default these are all of the space; for a file without matrices, \
            as of a network trained alone, only the largest genes. It can then be used like a supernet trained here: \
            sampled, specialised, evaluated and exported.

            Example:
              ofa import supernet ofa_mbv3_d234_e346_k357_w1.0 --space ofa-mbv3-w1.0
              ofa import supernet birds.safetensors --space birds.yaml --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 \\
                --resolutions 160,192,224
            """)

    /// The file to import.
    @Argument(help: "The file with the weights.", completion: .file()) var file: String
    /// The space.
    @Option(
        help: "The space it was trained in: a name, or a YAML file with the key space.",
        completion: .spaces)
    var space: String
    /// The means of the channels.
    @Option(help: "Mean of pixel / 255 of each channel, separated by commas.") var mean: String?
    /// The standard deviations of the channels.
    @Option(help: "Standard deviation of pixel / 255 of each channel.") var std: String?
    /// The trained genes.
    @OptionGroup var trained: TrainedOptions
    /// The part of the file.
    @Option(
        help:
            "The part of the file to read, if it holds several, such as state_dict_ema; . is the top level."
    )
    var part: String?
    /// The artifact's name.
    @Option(help: "The artifact's name; by default the file's.") var name: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// The JSON answer.
    private struct Answer: Encodable {
        let artifact: Int64
        let digest: String
        let tensors: Int
        let space, name, part: String
        let identity_transforms: Bool
        let source: ArtifactSource
        let normalization: PixelNormalization
        let trained: TrainedDomain
    }

    /// Refuses invalid names.
    mutating func validate() throws { name = try name.map { try ArgumentGate.name($0, "--name") } }

    /// Reads, checks and stores the supernet.
    mutating func run() throws {
        let space = try SpaceCommand.space(named: space)
        let usual = try trained.domain(of: space, usual: TrainedDomain(space))
        let name = try name ?? ImportedName.of(file)
        let given = try self.normalization(space)
        let bytes = try Input.bytes(file, atMost: Self.mostBytes(space))
        let (supernet, stated) = try InterchangeError.naming(file) {
            guard let file = try TensorFile.read(bytes) else {
                throw InterchangeError(
                    .malformed, "this is no PyTorch checkpoint and no safetensors file",
                    remedy: "save the state dict with torch.save or safetensors")
            }
            return (try SupernetFile(file, space: space, part: part), file.metadata)
        }
        let domain =
            supernet.isWithoutTransforms
            ? try trained.domain(of: space, usual: TrainedOptions.alone(space)) : usual
        let normalization = try given ?? self.stated(stated, space) ?? imageNet(space)
        let url = URL(filePath: file)
        let source = ArtifactSource(file: url.lastPathComponent, bytes: bytes)
        let artifact = try SupernetStore.add(
            supernet.weights, of: space, normalization: normalization, trained: domain,
            source: source, name: name, over: try database.connect())
        if domain != usual {
            Output.note(
                "\(file) has no kernel transform matrices, as a network trained alone: recorded as trained for"
                    + " \(domain.words); --kernel-sizes, --expand-ratios and --depths give more")
        }
        let answer = Answer(
            artifact: artifact.id.rawValue, digest: artifact.digest.hex, tensors: supernet.tensors,
            space: space.name, name: artifact.name, part: supernet.part,
            identity_transforms: supernet.isWithoutTransforms, source: source,
            normalization: normalization, trained: domain)
        try Output.answer(answer, output) { try say(answer) }
    }

    private func say(_ answer: Answer) throws {
        try Output.line("artifact \(answer.artifact): supernet \(answer.name) of \(answer.space)")
        try Output.line(
            "  \(answer.tensors) tensors"
                + (answer.part.isEmpty ? "" : " under \(Shown.excerpt(answer.part))")
                + " of \(answer.source.file), SHA-256 \(answer.source.sha256)")
        if answer.identity_transforms {
            try Output.line("  without kernel transform matrices: they are the identity")
        }
        try Output.line("  images are normalised with \(answer.normalization.words)")
        try Output.line("  trained for \(answer.trained.words)")
    }

    /// The largest file that is read: sixteen times the supernet's own floats, as a training checkpoint has that holds
    /// the optimizer's state and averages of the weights too, and 64 MB.
    private static func mostBytes(_ space: SearchSpace) throws -> Int {
        let layout = try Weights.layout(supernetOf: space)
        return 64 << 20 + 16 * 4 * (layout.parameterCount + layout.statisticCount)
    }

    /// Returns the normalisation of `--mean` and `--std`; nil if neither is given.
    private func normalization(_ space: SearchSpace) throws -> PixelNormalization? {
        guard mean != nil || std != nil else { return nil }
        guard let mean, let std else {
            throw ValidationError("--mean and --std belong together", remedy: "give both")
        }
        let values = [
            try NumberList.read(mean, "--mean", in: -1e3...1e3),
            try NumberList.read(std, "--std", in: 1e-6...1e3),
        ]
        for (name, values) in zip(["--mean", "--std"], values)
        where values.count != space.inputChannels {
            throw ValidationError(
                "\(name) has \(values.count) numbers, and space \(space.name) has"
                    + " \(space.inputChannels) channels", remedy: "give one number a channel")
        }
        return PixelNormalization(
            mean: values[0].map { Float($0) }, deviation: values[1].map { Float($0) })
    }

    /// Returns the normalisation that the metadata of a safetensors file state under `mean` and `std`, as lists with or
    /// without brackets; nil if they state none.
    private func stated(_ metadata: [String: String], _ space: SearchSpace) throws
        -> PixelNormalization?
    {
        guard metadata["mean"] != nil || metadata["std"] != nil else { return nil }
        guard let mean = metadata["mean"], let std = metadata["std"] else {
            throw CommandFailure.failed(
                "\(file): the metadata have \(metadata["mean"] == nil ? "std" : "mean") alone, and mean and std belong"
                    + " together", remedy: "give --mean and --std", code: "malformed")
        }
        var other = self
        (other.mean, other.std) = (
            mean.trimmingCharacters(in: ["[", "]", " "]),
            std.trimmingCharacters(in: ["[", "]", " "])
        )
        do { return try other.normalization(space) } catch let error as ValidationError {
            throw CommandFailure.failed(
                "\(file): the metadata's mean and std are unusable: \(UsageText.parts(error.message).reason)",
                remedy: "give --mean and --std", code: "malformed")
        }
    }

    /// Returns ImageNet's normalisation, and says so. Throws for a space without three channels.
    private func imageNet(_ space: SearchSpace) throws -> PixelNormalization {
        guard space.inputChannels == 3 else {
            throw ValidationError(
                "space \(space.name) has images of \(space.inputChannels) channel"
                    + (space.inputChannels == 1 ? "" : "s")
                    + ", for which there is no usual normalisation",
                remedy: "give --mean and --std that the supernet was trained with")
        }
        Output.note(
            "\(file) does not say how images are normalised: assumed is ImageNet's, with \(SupernetStore.imageNet.words);"
                + " --mean and --std give others")
        return SupernetStore.imageNet
    }
}
