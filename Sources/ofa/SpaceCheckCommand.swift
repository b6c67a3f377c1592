// `ofa space check`: reads a search space from a file and checks that its networks can be built, without enqueuing
// anything. It prints the number of networks, the costs of the largest and the smallest network, and the memory that
// training takes.
import ArgumentParser
import Foundation
import Networks
import Pipelines
import Tensors

/// Checks the space of a file.
struct SpaceCheck: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract:
            "Checks a space of your own: how many networks, their costs, the memory of training.",
        discussion: """
            FILE is YAML with the key space, such as a pipeline file: {base: ofa-mbv3-w1.0, width: 0.5, classes: 37, …} \
            or a whole family with its layers (pipelines/README.md).
            Example:
              ofa space check my-birds.yaml --batch 64
            """)

    /// The YAML file with the space.
    @Argument(
        help: "A YAML file with the key space.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
    /// The number of images of a training step.
    @Option(help: "Images of a training step.") var batch = 32
    /// The format of feature maps in training.
    @Option(help: "Feature maps in training: float32 or bf16, as in a train stage.")
    var precision = MapFormat.float32.rawValue
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a batch out of range and unknown formats.
    func validate() throws {
        _ = try format()
        guard (1...65_536).contains(batch) else {
            throw ValidationError("--batch is \(batch); it must lie in 1...65536")
        }
    }

    private func format() throws -> MapFormat {
        guard let format = MapFormat(rawValue: precision) else {
            throw ValidationError("--precision is '\(precision)'; it is float32 or bf16")
        }
        return format
    }

    /// Prints the number of networks, the costs, and the memory of training.
    mutating func run() throws {
        let space = try SpaceFile.read(file)
        let report = try SpaceReport(space, batch: batch, precision: try format())
        try Output.answer(report, output) {
            for line in SpaceCommand.counted(space, report.architectures, report.genotypes) {
                try Output.line(line)
            }
            let channels = space.inputChannels
            try Output.line(
                "\(channels) channel\(channels == 1 ? "" : "s"), \(space.classes) classes, image sizes"
                    + " \(SearchSpace.listed(space.resolutions)); hash \(report.hash.prefix(12))")
            var ends = Table(
                .text("NETWORK"), .number("SIZE"), .number("PARAMS"), .number("MACS"),
                .number("PEAK ELEMENTS"))
            for (label, end) in [("largest", report.largest), ("smallest", report.smallest)] {
                ends.rows.append([
                    label, "\(end.arch.resolution)", Format.grouped(end.params),
                    Format.grouped(end.macs), Format.grouped(end.peak_activation_elements),
                ])
            }
            try Output.table(ends)
            let memory = report.training
            try Output.line(
                "training a batch of \(batch) takes \(Format.bytes(memory.bytes)):"
                    + " \(Format.bytes(memory.weight_bytes)) of weights, momentum and gradients,"
                    + " \(Format.bytes(memory.pass_bytes)) of feature maps of the largest network,"
                    + " \(Format.bytes(memory.working_bytes)) of images and working memory of \(memory.threads) threads;"
                    + " a teacher takes its weights and a forward pass more")
        }
    }
}

/// The JSON answer of `ofa space check`.
private struct SpaceReport: Encodable {
    /// The memory of a training step, in bytes.
    struct Training: Encodable {
        let batch, threads, bytes, weight_bytes, pass_bytes, working_bytes: Int
    }

    let space: SearchSpace
    let hash, architectures, genotypes: String
    let largest, smallest: SpaceEnd
    let training: Training

    init(_ space: SearchSpace, batch: Int, precision: MapFormat) throws {
        self.space = space
        hash = try space.definitionHash
        architectures = try space.architectureCount
        genotypes = try space.genotypeCount
        largest = try SpaceEnd(space, space.largest)
        smallest = try SpaceEnd(space, space.smallest)
        let layout = try Weights.layout(supernetOf: space)
        // A step keeps the previous batch-norm statistics until its results are known to be finite.
        let weights = 4 * (3 * layout.parameterCount + 2 * layout.statisticCount)
        let shape = try NetworkShape(space, space.largest)
        let threads = ProcessInfo.processInfo.activeProcessorCount
        if precision == .bfloat16, let layer = shape.float32Layer {
            throw ValidationError(
                "--precision bf16: layer \(layer) of space \(space.name) is trained in float32 only"
            )
        }
        let pass = Network.trainingBytes(
            shape, images: batch, threads: threads, format: precision)
        // Two batches of images are in memory: one is trained on while the next is read.
        let image = shape.resolution * shape.resolution * space.inputChannels
        let working = pass.working + 4 * 2 * batch * (image + space.classes)
        training = Training(
            batch: batch, threads: threads, bytes: weights + pass.maps + working,
            weight_bytes: weights, pass_bytes: pass.maps, working_bytes: working)
    }
}

/// The largest or smallest network of a space, with its costs.
struct SpaceEnd: Encodable {
    let arch: SubnetConfig
    let params: Int
    let macs: Int
    let peak_activation_elements: Int

    /// Computes the costs of `config`.
    init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        let cost = try NetworkCost(space, config)
        arch = config
        params = cost.parameters
        macs = cost.macs
        peak_activation_elements = cost.peakActivationElements
    }
}
