// ofa-bench kernels: times every hot operator on every supported instruction set, on one thread.
import ArgumentParser
import Foundation
import Tensors

/// Times the kernels of each instruction set, from scalar code to the widest vectors.
struct KernelBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Times the hot operators on every instruction set of this machine.",
        discussion: """
            Prints the fastest of several runs on one thread, in shapes of the published networks: GFLOP/s of operators \
            that multiply, GB/s (of the least bytes read and written) of the others; 'scalar' is the oracle that the \
            others are tested against. Rungs named 'codes' are operators on codes of eight bits.

            Example: ofa-bench kernels --images 4 --json
            """)

    /// Images of a pass.
    @Option(help: "Images of a pass.") var images = 2
    /// The number of runs, of which the fastest counts.
    @Option(help: "Runs, of which the fastest counts.") var runs = 7
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// The speed of one operator in one shape.
    struct Line: Encodable {
        /// The operator's name and shape.
        let name: String
        /// GFLOP/s or GB/s.
        let unit: String
        /// The rates in `unit`, by instruction set.
        var rates: [String: Double]
        /// Milliseconds of the fastest run on the fastest instruction set.
        var ms: Double
    }

    /// The whole answer; the headline is the geometric mean of `ms`.
    struct Report: Encodable {
        /// The results of all operators.
        let operators: [Line]
    }

    /// Refuses invalid options.
    func validate() throws {
        for (name, value) in [("images", images), ("runs", runs)] where !(1...1000).contains(value)
        {
            throw ValidationError("--\(name) is \(value); it must lie in 1...1000")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        var lines: [Line] = []
        for set in InstructionSet.available {
            Output.note("\(set): \(KernelLadder.shapes.count) shapes")
            let ladder = try KernelLadder(set, images: images, runs: runs)
            for found in KernelLadder.shapes.flatMap(ladder.measure) {
                if let index = lines.firstIndex(where: { $0.name == found.name }) {
                    lines[index].rates[set.description] = found.rate
                    lines[index].ms = min(lines[index].ms, found.ms)
                } else {
                    lines.append(
                        Line(
                            name: found.name, unit: found.unit,
                            rates: [set.description: found.rate], ms: found.ms))
                }
            }
        }
        if json {
            return try Output.json(Headline(ms: lines.map(\.ms)), Report(operators: lines))
        }
        let sets = InstructionSet.available.map(\.description)
        var table = Table(text: ["operator", "unit"], numbers: sets)
        for line in lines {
            table.rows.append(
                [line.name, line.unit]
                    + sets.map { set in line.rates[set].map { decimal($0, 1) } ?? "" })
        }
        try table.print()
    }
}
