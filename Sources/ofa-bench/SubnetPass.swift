// Our side: one subnet run inside its supernet, as in a training step or an evaluation.
import Foundation
import Networks
import Tensors

/// The kind of pass.
enum PassMode: String, Codable {
    /// Clear the gradients, forward with batch statistics, loss, backward.
    case train
    /// Forward with the running statistics.
    case eval
    /// Calibration: forward with batch statistics, which become the running ones.
    case calibrate

    /// Floating-point operations of a pass per multiply-accumulate of the forward pass: 2 forward,
    /// and in training 2 more for each of the two gradients.
    var flopsPerMac: Int { self == .train ? 6 : 2 }
}

/// Runs passes of one subnet on fixed random images. Used by one thread.
final class SubnetPass {
    /// The engine.
    let backend: Backend
    /// The supernet.
    let network: Network
    /// The subnet.
    let shape: NetworkShape
    /// Seconds outside the engine's operators since the last reset.
    private(set) var secondsClearing = 0.0
    private let images: FeatureMap
    private let labels: [Int32]
    private let gradient, soft: Tensor

    /// A subnet of `space` with fresh weights and `batch` random images.
    convenience init(_ space: SearchSpace, _ config: SubnetConfig, batch: Int, backend: Backend)
        throws
    {
        let network = try Network(
            supernet: Weights(supernetOf: space, seed: 1), of: space, backend: backend)
        self.init(network, try NetworkShape(space, config), batch: batch)
    }

    /// A shape that `network` supports, with `batch` random images.
    init(_ network: Network, _ shape: NetworkShape, batch: Int) {
        self.network = network
        self.shape = shape
        backend = network.backend
        let side = shape.resolution
        let storage = Storage(count: batch * side * side * shape.inputChannels)
        var stream = RandomStream(seed: 1, 2, 3, 4)
        for index in 0..<storage.count { storage.all[index] = stream.uniform() * 2 - 1 }
        images = Network.input(shape, images: batch, storage: storage)
        labels = (0..<batch).map { Int32($0 % shape.classes) }
        gradient = Storage(count: batch * shape.classes).all
        soft = Storage(count: batch * shape.classes).all
        soft.fill(with: 1 / Float(shape.classes))
    }

    /// One pass over its own images.
    func run(_ mode: PassMode) {
        backend.profile?.place = "stem"
        switch mode {
        case .eval: _ = network.forward(images, shape, mode: .running)
        case .calibrate: _ = network.forward(images, shape, mode: .calibrate(share: 0.5))
        case .train: train(images, labels)
        }
    }

    /// One training pass that first clears the gradients of the subnet, as an optimizer step would.
    func train(_ images: FeatureMap, _ labels: [Int32]) {
        let clock = ContinuousClock()
        secondsClearing += clock.measure(clearGradients) / .seconds(1)
        trainUncleared(images, labels)
    }

    /// A training pass that adds to the gradients.
    func trainUncleared(_ images: FeatureMap, _ labels: [Int32]) {
        let logits = network.forward(
            images, shape, mode: .train(momentum: 0.1), training: true)
        _ = backend.crossEntropy(
            logits, classes: shape.classes, labels: labels, soft: soft, smoothing: 0.1,
            gradient: gradient)
        backend.profile?.place = "head"
        network.backward(gradient)
    }

    private func clearGradients() {
        for (_, range) in network.touchedRanges {
            Tensor(storage: network.gradients, offset: range.lowerBound, count: range.count)
                .fill(with: 0)
        }
    }

    /// Milliseconds of one pass without clearing gradients: the part that depends on the memory
    /// layout.
    func bareMilliseconds(_ mode: PassMode) -> Double {
        ContinuousClock().measure {
            switch mode {
            case .eval, .calibrate: run(mode)
            case .train: trainUncleared(images, labels)
            }
        } / .milliseconds(1)
    }

    /// Milliseconds of each of `runs` passes, after `warmup` passes.
    func milliseconds(_ mode: PassMode, runs: Int, warmup: Int) -> [Double] {
        let clock = ContinuousClock()
        for _ in 0..<warmup { run(mode) }
        return (0..<runs).map { _ in clock.measure { run(mode) } / .milliseconds(1) }
    }

    /// Profiles `runs` passes and returns the fastest one's profile, which other load disturbed
    /// least.
    func profile(_ mode: PassMode, runs: Int) -> PassProfile {
        run(mode)
        let clock = ContinuousClock()
        var fastest = Double.infinity, lines: [PassProfile.Line] = []
        for _ in 0..<runs {
            let profile = OperatorProfile()
            secondsClearing = 0
            backend.profile = profile
            let seconds = clock.measure { run(mode) } / .seconds(1)
            backend.profile = nil
            if seconds < fastest {
                fastest = seconds
                lines = profile.all.map {
                    PassProfile.Line(
                        place: $0.place, name: $0.name, calls: $0.calls, seconds: $0.seconds,
                        flops: $0.flops, bytes: $0.bytes)
                }
                if mode == .train { lines += ownLines }
            }
        }
        return PassProfile(lines, passes: 1, seconds: fastest)
    }

    /// The profile of work outside the engine's operators.
    private var ownLines: [PassProfile.Line] {
        let floats = network.touchedRanges.reduce(0) { $0 + $1.range.count }
        return [
            PassProfile.Line(
                place: "step", name: "clearGradients", calls: 1, seconds: secondsClearing,
                flops: 0, bytes: 4 * floats)
        ]
    }

    /// Bytes of the weights and running statistics.
    var weightBytes: Int {
        4 * (network.weights.parameters.count + network.weights.statistics.count)
    }
    /// The most bytes of feature maps and the tape of a pass.
    var workspaceBytes: Int { network.workspaceBytes }
    /// Bytes of the gradients, one arena a thread; a pass in training mode makes them.
    var gradientBytes: Int { 4 * network.gradients.count }
}
