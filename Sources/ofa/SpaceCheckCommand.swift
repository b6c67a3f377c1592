// `ofa space check`: whether a space of one's own can be built, how many networks it holds, what its ends cost, and what
// training it takes in memory, before anything is enqueued.
import ArgumentParser
import Networks
import Pipelines

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

    /// The file.
    @Argument(
        help: "A YAML file with the key space.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
    /// Images of a step.
    @Option(help: "Images of a training step.") var batch = 32
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a batch out of range.
    func validate() throws {
        guard (1...65_536).contains(batch) else {
            throw ValidationError("--batch is \(batch); it must lie in 1...65536")
        }
    }

    /// Prints what the space holds and takes.
    mutating func run() throws {
        let space = try SpaceFile.read(file)
        let report = try SpaceReport(space, batch: batch)
        try Output.answer(report, output) {
            try Output.line("\(space.name): \(report.architectures) architectures")
            if report.genotypes != report.architectures {
                try Output.line(
                    "(\(report.genotypes) lists of genes; equal widths make equal networks)")
            }
            try Output.line(
                "\(space.inputChannels) channels, \(space.classes) classes, image sizes"
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
                    + " \(Format.bytes(memory.pass_bytes)) of feature maps of the largest network")
        }
    }
}

/// What `ofa space check` says.
private struct SpaceReport: Encodable {
    /// Memory of a training step.
    struct Training: Encodable {
        let batch, bytes, weight_bytes, pass_bytes: Int
    }

    let space: SearchSpace
    let hash, architectures, genotypes: String
    let largest, smallest: SpaceEnd
    let training: Training

    init(_ space: SearchSpace, batch: Int) throws {
        self.space = space
        hash = try space.definitionHash
        architectures = try space.architectureCount
        genotypes = try space.genotypeCount
        largest = try SpaceEnd(space, space.largest)
        smallest = try SpaceEnd(space, space.smallest)
        let layout = try Weights.layout(supernetOf: space)
        let weights = 4 * (3 * layout.parameterCount + layout.statisticCount)
        let pass = Network.workspaceBytes(
            try NetworkShape(space, space.largest), images: batch, training: true)
        training = Training(
            batch: batch, bytes: weights + pass, weight_bytes: weights, pass_bytes: pass)
    }
}

/// A network at one end of a space, and its costs.
struct SpaceEnd: Encodable {
    let arch: SubnetConfig
    let params: Int
    let macs: Int
    let peak_activation_elements: Int

    /// Counts the costs of `config`.
    init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        let cost = try NetworkCost(space, config)
        arch = config
        params = cost.parameters
        macs = cost.macs
        peak_activation_elements = cost.peakActivationElements
    }
}
