// ofa-bench train: times training passes.
import ArgumentParser
import Tensors

/// Times training passes.
struct TrainBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Times training passes of one subnet: clear gradients, forward, loss, backward.",
        discussion: """
            Examples:
              ofa-bench train --arch max --resolution 128 --batch 32 --peer
              ofa-bench train --arch max,mid,min --peer pytorch,pytorch-compiled
              ofa-bench train --arch random --count 20 --peer --rounds 3 --json
              ofa-bench train --arch min --profile
              ofa-bench train --arch max --precision bf16
            """)

    /// The networks and the number of passes.
    @OptionGroup var options: PassOptions

    /// The format of feature maps that is compared with float32.
    @Option(help: "Time passes with feature maps of this format, bf16, in turn with float32.")
    var precision: String?

    /// Refuses invalid options.
    func validate() throws {
        try options.check(.train)
        guard let precision else { return }
        guard precision == MapFormat.bfloat16.rawValue else {
            throw ValidationError("--precision is '\(precision)'; it is bf16")
        }
        guard options.peer == nil else {
            throw ValidationError("--precision compares with float32, not with --peer")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        if precision != nil { return try PrecisionBench(options).run() }
        try PassBench(.train, options).run()
    }
}
