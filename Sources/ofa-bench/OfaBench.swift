// `ofa-bench`: benchmarks of the engine, the queue and the search. Some can also time comparable published software
// (the peer), in alternation with ours.
import ArgumentParser

/// The command line of the benchmarks.
@main
struct OfaBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "ofa-bench",
        abstract: "Times the engine and the queue, alone or in alternation with a peer.",
        discussion: """
            Example: ofa-bench train --arch max --resolution 128 --batch 32 --peer

            The peer needs Python with torch and numpy: OFA_PEER_PYTHON names the interpreter (python3), OFA_PEERS the \
            folder of the peers' scripts (../shared/peers). Exit codes: 0 done, 1 failed, 64 usage.
            """,
        subcommands: [
            TrainBench.self, EvalBench.self, InferBench.self, ElasticBench.self, KernelBench.self,
            DataBench.self,
            QueueBench.self, SoakBench.self, SoakWorker.self,
            SearchBench.self, CheckpointBench.self, BlobBench.self, LineageBench.self,
            MetricsBench.self, MeterBench.self, ServeBench.self,
        ])

    /// Parses the command line, runs the benchmark and ends with the benchmark's exit code.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error where exitCode(for: error) == .failure && !(error is ExitCode) {
            Output.note("Error: \(error)")
            exit(withError: ExitCode.failure)
        } catch {
            exit(withError: error)
        }
    }
}
