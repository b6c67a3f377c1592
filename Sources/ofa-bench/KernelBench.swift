// ofa-bench kernels: every hot operator on every instruction set of this machine, on one thread.
import ArgumentParser
import Foundation
import Tensors

/// The ladder: from the plain oracle to the widest vectors.
struct KernelBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Times the hot operators on every instruction set of this machine.",
        discussion: """
            GFLOP/s of the fastest of several runs on one thread, in shapes of the published networks; 'scalar' is \
            the oracle that the others are tested against.

            Example: ofa-bench kernels --images 4 --json
            """)

    /// Images of a pass.
    @Option(help: "Images of a pass.") var images = 2
    /// Runs, of which the fastest counts.
    @Option(help: "Runs, of which the fastest counts.") var runs = 7
    /// Whether scripts read the answer.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// One operator in one shape.
    struct Line: Encodable {
        /// Its name and shape.
        let name: String
        /// GFLOP/s by instruction set.
        var gflopPerS: [String: Double]
    }

    /// Refuses what makes no sense.
    func validate() throws {
        for (name, value) in [("images", images), ("runs", runs)] where !(1...1000).contains(value)
        {
            throw ValidationError("--\(name) is \(value); it must lie in 1...1000")
        }
    }

    /// Runs it.
    func run() throws {
        var lines: [Line] = []
        for set in InstructionSet.available {
            Output.note("\(set): \(Ladder.shapes.count) shapes")
            let ladder = try Ladder(set, images: images, runs: runs)
            for (name, rate) in Ladder.shapes.flatMap(ladder.rates) {
                if let index = lines.firstIndex(where: { $0.name == name }) {
                    lines[index].gflopPerS[set.description] = rate
                } else {
                    lines.append(Line(name: name, gflopPerS: [set.description: rate]))
                }
            }
        }
        if json { return try Output.json(lines) }
        let sets = InstructionSet.available.map(\.description)
        var table = Table(text: ["operator"], numbers: sets)
        for line in lines {
            table.rows.append(
                [line.name] + sets.map { set in line.gflopPerS[set].map { decimal($0, 1) } ?? "" })
        }
        try table.print()
    }
}

/// Runs operators of one instruction set.
private struct Ladder {
    /// One operator's shape: a pointwise product or a depthwise convolution on a square map.
    enum Shape {
        case pointwise(size: Int, inputs: Int, outputs: Int)
        case depthwise(size: Int, channels: Int, kernel: Int, stride: Int)
    }

    /// Shapes of `ofa-mbv3-w1.0` at 128 pixels, from the first stage to the last.
    static let shapes: [Shape] = [
        .pointwise(size: 64, inputs: 16, outputs: 96),
        .pointwise(size: 32, inputs: 144, outputs: 24),
        .pointwise(size: 16, inputs: 40, outputs: 240),
        .pointwise(size: 8, inputs: 480, outputs: 80),
        .pointwise(size: 4, inputs: 160, outputs: 960),
        .depthwise(size: 64, channels: 96, kernel: 7, stride: 2),
        .depthwise(size: 32, channels: 144, kernel: 7, stride: 1),
        .depthwise(size: 16, channels: 240, kernel: 5, stride: 1),
        .depthwise(size: 32, channels: 72, kernel: 3, stride: 1),
        .depthwise(size: 16, channels: 240, kernel: 3, stride: 2),
    ]

    private let backend: Backend
    private let images, runs: Int

    init(_ set: InstructionSet, images: Int, runs: Int) throws {
        backend = try Backend(threads: 1, instructionSet: set)
        self.images = images
        self.runs = runs
    }

    /// GFLOP/s of the forward pass and of the gradient.
    func rates(_ shape: Shape) -> [(String, Double)] {
        switch shape {
        case .pointwise(let size, let inputs, let outputs):
            let name = "\(size) px, \(inputs) to \(outputs)"
            return zip(
                ["pointwise", "pointwiseGradient"], pointwise(size, inputs, outputs)
            ).map { ("\($0) \(name)", $1) }
        case .depthwise(let size, let channels, let kernel, let stride):
            let name = "\(size) px, \(channels), kernel \(kernel), stride \(stride)"
            return zip(
                ["depthwise", "depthwiseGradient"], depthwise(size, channels, kernel, stride)
            ).map { ("\($0) \(name)", $1) }
        }
    }

    private func map(_ size: Int, _ channels: Int) -> FeatureMap {
        let storage = Storage(count: images * size * size * channels)
        var stream = RandomStream(seed: 1, size, channels)
        for index in 0..<storage.count { storage.all[index] = stream.uniform() - 0.5 }
        return FeatureMap(
            storage.all, images: images, height: size, width: size, channels: channels)
    }

    private func values(_ count: Int) -> Tensor { Tensor([Float](repeating: 0.01, count: count)) }

    private func norm(_ channels: Int) -> NormGradient {
        NormGradient(a: values(channels), b: values(channels), c: values(channels))
    }

    private func pointwise(_ size: Int, _ inputs: Int, _ outputs: Int) -> [Double] {
        backend.reserve(pointwise: inputs, outputs)
        let x = map(size, inputs), y = map(size, outputs), dx = map(size, inputs)
        let weight = MatrixSlice(
            values(inputs * outputs), rows: outputs, columns: inputs, stride: inputs)
        let dweight = MatrixSlice(
            values(inputs * outputs), rows: outputs, columns: inputs, stride: inputs)
        let scale = ChannelMap(
            scale: values(inputs), shift: values(inputs), activation: .hSwish)
        return [
            fastest("pointwise") {
                backend.pointwise(
                    x, map: scale, weight: weight, output: y,
                    end: .statistics(center: values(outputs)))
            },
            fastest("pointwiseGradient") {
                backend.pointwiseGradient(
                    Upstream(y, y: y), norm: norm(outputs), input: x, map: scale, weight: weight,
                    inputGradient: dx, accumulate: false, sums: .slope(center: values(inputs)),
                    weightGradient: { _ in dweight })
            },
        ]
    }

    private func depthwise(_ size: Int, _ channels: Int, _ kernel: Int, _ stride: Int) -> [Double] {
        backend.reserve(depthwise: (size: size, channels: channels), kernel: kernel, stride: stride)
        let x = map(size, channels), dx = map(size, channels)
        let y = map((size - 1) / stride + 1, channels)
        let filter = values(channels * kernel * kernel), dfilter = values(filter.count)
        let scale = ChannelMap(
            scale: values(channels), shift: values(channels), activation: .hSwish)
        return [
            fastest("depthwise") {
                backend.depthwise(
                    x, map: scale, filter: filter, kernel: kernel, stride: stride, output: y,
                    end: .statistics(center: values(channels)))
            },
            fastest("depthwiseGradient") {
                backend.depthwiseGradient(
                    Upstream(y, y: y, map: scale), norm: norm(channels), input: x, map: scale,
                    filter: filter, kernel: kernel, stride: stride, inputGradient: dx,
                    center: values(channels), filterGradient: { _ in dfilter })
            },
        ]
    }

    /// GFLOP/s of the fastest run of the operator called `name`, which `work` calls once.
    private func fastest(_ name: String, _ work: () -> Void) -> Double {
        var best = 0.0
        for _ in 0..<runs {
            let profile = OperatorProfile()
            backend.profile = profile
            work()
            backend.profile = nil
            for line in profile.all where line.name == name {
                best = max(best, Double(line.flops) / line.seconds / 1e9)
            }
        }
        return best
    }
}
