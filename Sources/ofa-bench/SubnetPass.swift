// Our side: one subnet of a supernet, run in place, as a training step or an evaluation runs it.
import Foundation
import Networks
import Tensors

/// What a pass does.
enum PassMode: String, Codable {
    /// Clear the gradients, forward with batch statistics, loss, backward.
    case train
    /// Forward with the running statistics.
    case eval
    /// Forward with batch statistics, which become the running ones.
    case calibrate

    /// Floating-point operations of a pass per multiply-accumulate of one forward pass: two each, and in training as
    /// much again for either gradient.
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
    /// Seconds spent on what is no operator of the engine, since they were last set to 0.
    private(set) var secondsClearing = 0.0
    private let images: FeatureMap
    private let labels: [Int32]
    private let gradient, soft: Tensor

    /// Prepares `batch` images for a subnet of `space`, with fresh weights.
    convenience init(_ space: SearchSpace, _ config: SubnetConfig, batch: Int, backend: Backend)
        throws
    {
        let network = try Network(
            supernet: Weights(supernetOf: space, seed: 1), of: space, backend: backend)
        self.init(network, try NetworkShape(space, config), batch: batch)
    }

    /// Prepares `batch` images for one shape that `network` can run.
    init(_ network: Network, _ shape: NetworkShape, batch: Int) {
        self.network = network
        self.shape = shape
        backend = network.backend
        let side = shape.resolution
        let storage = Storage(count: batch * side * side * shape.stem.inWidth)
        var stream = RandomStream(seed: 1, 2, 3, 4)
        for index in 0..<storage.count { storage.all[index] = stream.uniform() * 2 - 1 }
        images = Network.input(shape, images: batch, storage: storage)
        labels = (0..<batch).map { Int32($0 % shape.classes) }
        gradient = Storage(count: batch * shape.classes).all
        soft = Storage(count: batch * shape.classes).all
        soft.fill(with: 1 / Float(shape.classes))
    }

    /// One pass over the images of its own.
    func run(_ mode: PassMode) {
        backend.profile?.place = "stem"
        switch mode {
        case .eval: _ = network.forward(images, shape, mode: .running)
        case .calibrate: _ = network.forward(images, shape, mode: .calibrate(share: 0.5))
        case .train: train(images, labels)
        }
    }

    /// One training pass: the gradients of what the subnet uses are cleared, as an optimizer's step would do.
    func train(_ images: FeatureMap, _ labels: [Int32]) {
        let clock = ContinuousClock()
        secondsClearing += clock.measure(clearGradients) / .seconds(1)
        trainUncleared(images, labels)
    }

    /// A training pass that adds to whatever the gradients hold.
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
            for storage in network.gradients {
                Tensor(storage: storage, offset: range.lowerBound, count: range.count)
                    .fill(with: 0)
            }
        }
    }

    /// Milliseconds of one pass that clears nothing: what depends on how the network lies in memory.
    func bareMilliseconds(_ mode: PassMode) -> Double {
        ContinuousClock().measure {
            switch mode {
            case .eval, .calibrate: run(mode)
            case .train: trainUncleared(images, labels)
            }
        } / .milliseconds(1)
    }

    /// Milliseconds of each of `runs` passes, after `warmup` others.
    func milliseconds(_ mode: PassMode, runs: Int, warmup: Int) -> [Double] {
        let clock = ContinuousClock()
        for _ in 0..<warmup { run(mode) }
        return (0..<runs).map { _ in clock.measure { run(mode) } / .milliseconds(1) }
    }

    /// Runs passes with a profile each and takes the fastest apart: the one that other work disturbed least.
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

    /// What a training pass does beside the engine's operators.
    private var ownLines: [PassProfile.Line] {
        let floats = network.touchedRanges.reduce(0) { $0 + $1.range.count }
        return [
            PassProfile.Line(
                place: "step", name: "clearGradients", calls: 1, seconds: secondsClearing,
                flops: 0, bytes: 4 * floats * network.gradients.count)
        ]
    }

    /// Bytes of the weights and running statistics.
    var weightBytes: Int {
        4 * (network.weights.parameters.count + network.weights.statistics.count)
    }
    /// Bytes that feature maps, and whatever else a pass keeps, take at most.
    var workspaceBytes: Int { network.workspaceBytes }
    /// Bytes of the gradients, one arena a thread; a pass in training mode makes them.
    var gradientBytes: Int { 4 * network.gradients.reduce(0) { $0 + $1.count } }
}
