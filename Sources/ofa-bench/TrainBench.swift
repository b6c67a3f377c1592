// ofa-bench train: times training passes.
import ArgumentParser

/// Times training passes.
struct TrainBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Times training passes of one subnet: clear gradients, forward, loss, backward.",
        discussion: """
            Examples:
              ofa-bench train --arch max --resolution 128 --batch 32 --peer
              ofa-bench train --arch random --count 20 --peer --rounds 3 --json
              ofa-bench train --arch min --profile
            """)

    /// The networks and the number of passes.
    @OptionGroup var options: PassOptions

    /// Refuses invalid options.
    func validate() throws { try options.check() }

    /// Runs the benchmark.
    func run() throws { try PassBench(.train, options).run() }
}
