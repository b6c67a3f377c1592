// ofa-bench eval: times passes of compiled networks, or calibration passes.
import ArgumentParser

/// Times passes of compiled networks, or with `--calibrate` calibration passes.
struct EvalBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Times passes of compiled networks: forward with running statistics.",
        discussion: """
            The runtimes get the network as the ONNX model that this program exports. With --profile, every operator \
            stands beside the least time that the machine's peak rates allow, which are measured in the same run.

            With --calibrate a pass is that of recalibration: batch statistics, which become the running ones. The\
             peer then evaluates with its batch norms left in training mode.

            Examples:
              ofa-bench eval --arch max --resolution 128 --batch 32 --peer
              ofa-bench eval --arch max,mid,min --resolution 224 --batch 1 --threads 1 --peer onnxruntime,openvino,pytorch
              ofa-bench eval --arch '{"ks":[…],"e":[…],"d":[…],"r":224}' --batch 1 --threads 1 --profile
            """)

    /// The networks and the number of passes.
    @OptionGroup var options: PassOptions

    /// Whether to time calibration passes.
    @Flag(help: "Time passes of recalibration: batch statistics, which become the running ones.")
    var calibrate = false

    /// Refuses invalid options.
    func validate() throws { try options.check(mode) }

    /// Runs the benchmark.
    func run() throws { try PassBench(mode, options).run() }

    private var mode: PassMode { calibrate ? .calibrate : .eval }
}
