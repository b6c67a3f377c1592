// The compiled network that `ofa-bench eval` and `ofa-bench infer` time, and its model for other runtimes.
import Foundation
import Interchange
import Networks
import Tensors

/// A network whose passes are timed.
protocol TimedPass: AnyObject {
    /// Returns the milliseconds of each of `runs` passes, after `warmup` passes.
    func milliseconds(_ mode: PassMode, runs: Int, warmup: Int) -> [Double]
    /// Bytes of the weights, of the feature maps of a pass, and of the gradients of all threads.
    var weightBytes: Int { get }
    var workspaceBytes: Int { get }
    var gradientBytes: Int { get }
}

extension SubnetPass: TimedPass {}

/// A compiled network on fixed images. Only one thread may use it.
final class CompiledSubnet: TimedPass {
    /// The compiled network.
    let network: CompiledNetwork
    /// The images of every pass.
    let images: FeatureMap
    private let engine: CPUEngine
    private let clock = ContinuousClock()

    /// Compiles the subnet `shape` of `weights` for passes over `images`.
    init(_ weights: Weights, _ shape: NetworkShape, images: FeatureMap, engine: CPUEngine) {
        network = CompiledNetwork(weights, shape, images: images.images, engine: engine)
        self.images = images
        self.engine = engine
    }

    /// Runs one pass. Returns the logits.
    func logits() -> [Float] { network.forward(images).values }

    /// Returns the milliseconds of each of `runs` passes, after `warmup` passes, which are evaluations.
    func milliseconds(_ mode: PassMode = .eval, runs: Int, warmup: Int) -> [Double] {
        precondition(mode == .eval, "a compiled network only evaluates")
        for _ in 0..<warmup { _ = network.forward(images) }
        return (0..<runs).map { _ in
            clock.measure { _ = network.forward(images) } / .milliseconds(1)
        }
    }

    /// Profiles at least `runs` passes, in turn with passes without a clock. Returns the figures of the fastest of
    /// either kind, because other programs slowed these least.
    func profile(runs: Int, _ roofline: Roofline) throws -> CompiledProfile {
        let times = PassClock(countsProcessorTime: false)
        var whole = Double.infinity, least = Double.infinity, parts: [Double] = []
        for _ in 0..<max(50, runs) {
            whole = min(whole, milliseconds(runs: 1, warmup: 0)[0])
            _ = network.pass.profiled(images, times)
            let found = times.milliseconds, sum = found.reduce(0, +)
            if sum < least { (least, parts) = (sum, found) }
        }
        let touched = weightBytes + workspaceBytes
        let single = try CPUEngine(threads: 1, instructionSet: engine.instructionSet)
        return CompiledProfile(
            network.pass.costs, microseconds: parts.map { 1e3 * $0 }, passUs: 1e3 * whole, roofline,
            Roofline.weightRates(engine, single: single, bytes: touched))
    }

    /// Bytes of the packed weights.
    var weightBytes: Int { network.pass.weightBytes }
    /// Bytes of the maps.
    var workspaceBytes: Int { network.pass.mapBytes }
    /// No gradients.
    var gradientBytes: Int { 0 }
}

extension Roofline {
    /// Measures the rates of `engine` and of one of its threads.
    init(_ engine: CPUEngine) throws {
        self.init(
            engine, single: try CPUEngine(threads: 1, instructionSet: engine.instructionSet))
    }
}

extension Network {
    /// Returns the subnet `shape` as the bytes of an ONNX model for `images` images.
    func model(_ shape: NetworkShape, images: Int) throws -> [UInt8] {
        let own = extract(shape, statistics: weights.statistics)
        var model = ONNXModel(try OperatorGraph(shape, own), name: "network")
        model.images = images
        return model.encoded
    }
}

extension Weights {
    /// Gives every norm statistics of its own. With those of fresh weights, activations vanish, and the logits show
    /// nothing of the layers before the last.
    func spreadStatistics() {
        for (index, statistic) in layout.statistics.enumerated() {
            var stream = RandomStream(seed: 9, index)
            let isVariance = statistic.name.hasSuffix("running_var"), values = view(statistic)
            for i in 0..<values.count {
                values[i] = isVariance ? 0.5 + stream.uniform() : 0.2 * stream.normal()
            }
        }
    }
}
