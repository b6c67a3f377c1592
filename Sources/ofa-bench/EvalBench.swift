// ofa-bench eval: times evaluation or calibration passes.
import ArgumentParser

/// Times evaluation passes, or with `--calibrate` calibration passes.
struct EvalBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Times evaluation passes of one subnet: forward with running statistics.",
        discussion: """
            With --calibrate a pass is that of recalibration: batch statistics, which become the running ones. The\
             peer then evaluates with its batch norms left in training mode.

            Examples:
              ofa-bench eval --arch max --resolution 128 --batch 32 --peer
              ofa-bench eval --arch '{"ks":[…],"e":[…],"d":[…],"r":224}' --batch 1 --threads 1 --profile
            """)

    /// The networks and the number of passes.
    @OptionGroup var options: PassOptions

    /// Whether to time calibration passes.
    @Flag(help: "Time passes of recalibration: batch statistics, which become the running ones.")
    var calibrate = false

    /// Refuses invalid options.
    func validate() throws { try options.check() }

    /// Runs the benchmark.
    func run() throws { try PassBench(calibrate ? .calibrate : .eval, options).run() }
}
