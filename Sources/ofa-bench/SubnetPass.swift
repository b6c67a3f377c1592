// The passes of our engine: one subnet run inside its supernet, as in a training step or an evaluation.
import Foundation
import Networks
import Tensors

/// The kind of pass.
enum PassMode: String, Codable {
    /// Training: gradients are cleared; forward with batch statistics, loss and backward follow.
    case train
    /// Evaluation: forward with the running statistics.
    case eval
    /// Calibration: forward with batch statistics, which are averaged into the running statistics.
    case calibrate

    /// Floating-point operations of a pass per multiply-accumulate of the forward pass: 2 forward,
    /// and in training 2 more for each of the two gradients.
    var flopsPerMac: Int { self == .train ? 6 : 2 }
}

/// Runs passes of one subnet on fixed random images. Only one thread may use a `SubnetPass`.
final class SubnetPass {
    /// The engine.
    let engine: any Engine
    /// The supernet.
    let network: Network
    /// The shape of the subnet.
    let shape: NetworkShape
    /// Seconds spent on clearing gradients, which the engine's own profile does not include; `profile` resets this to
    /// 0.
    private(set) var secondsClearing = 0.0
    /// The images of every pass.
    let images: FeatureMap
    private let labels: [Int32]
    private let gradient, soft: Tensor
    /// Whether memory is reserved for training passes, and for evaluation and calibration passes.
    private var isRoomMade = (training: false, evaluation: false)

    /// Prepares a subnet of `space` with fresh weights and `batch` random images.
    convenience init(_ space: SearchSpace, _ config: SubnetConfig, batch: Int, engine: CPUEngine)
        throws
    {
        let network = try Network(
            supernet: Weights(supernetOf: space, seed: 1), of: space, engine: engine)
        self.init(network, try NetworkShape(space, config), batch: batch)
    }

    /// Prepares the subnet `shape` of `network`, with `batch` random images.
    init(_ network: Network, _ shape: NetworkShape, batch: Int) {
        self.network = network
        self.shape = shape
        engine = network.engine
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

    /// Runs one pass on the fixed images.
    func run(_ mode: PassMode) {
        engine.profile?.place = "stem"
        if mode != .train, !isRoomMade.evaluation {
            network.reserve([shape], images: images.images, training: false)
            isRoomMade.evaluation = true
        }
        switch mode {
        case .eval: _ = network.forward(images, shape, mode: .running)
        case .calibrate: _ = network.forward(images, shape, mode: .calibrate(share: 0.5))
        case .train: train(images, labels)
        }
    }

    /// Runs one evaluation pass. Returns the logits.
    func logits() -> [Float] {
        run(.eval)
        return network.forward(images, shape, mode: .running).values
    }

    /// Runs one training pass, which first clears the gradients of the subnet, as an optimizer step would.
    func train(_ images: FeatureMap, _ labels: [Int32]) {
        let clock = ContinuousClock()
        secondsClearing += clock.measure(clearGradients) / .seconds(1)
        trainUncleared(images, labels)
    }

    /// Runs one training pass on the fixed images and returns its mean loss per image.
    func firstLoss() -> Double { trainUncleared(images, labels).hard }

    /// Runs one training pass that adds to the gradients instead of clearing them first. Returns the loss.
    @discardableResult
    func trainUncleared(_ images: FeatureMap, _ labels: [Int32]) -> Loss {
        if !isRoomMade.training {
            network.reserve([shape], images: images.images, training: true)
            isRoomMade.training = true
        }
        let logits = network.forward(
            images, shape, mode: .train(momentum: 0.1), training: true)
        let loss = engine.crossEntropy(
            logits, classes: shape.classes, labels: labels, soft: soft, smoothing: 0.1,
            gradient: gradient)
        engine.profile?.place = "head"
        network.backward(gradient)
        return loss
    }

    private func clearGradients() {
        for (_, range) in network.touchedRanges {
            Tensor(storage: network.gradients, offset: range.lowerBound, count: range.count)
                .fill(with: 0)
        }
    }

    /// Runs one pass without clearing gradients and returns its milliseconds. `ElasticBench` compares only this part.
    func bareMilliseconds(_ mode: PassMode) -> Double {
        ContinuousClock().measure {
            switch mode {
            case .eval, .calibrate: run(mode)
            case .train: trainUncleared(images, labels)
            }
        } / .milliseconds(1)
    }

    /// Returns the milliseconds of each of `runs` passes, after `warmup` passes.
    func milliseconds(_ mode: PassMode, runs: Int, warmup: Int) -> [Double] {
        let clock = ContinuousClock()
        for _ in 0..<warmup { run(mode) }
        return (0..<runs).map { _ in clock.measure { run(mode) } / .milliseconds(1) }
    }

    /// Profiles `runs` passes after one warm-up pass, and returns the profile of the fastest pass, because other
    /// programs slowed it least.
    func profile(_ mode: PassMode, runs: Int) -> PassProfile {
        run(mode)
        let clock = ContinuousClock()
        var fastest = Double.infinity, lines: [PassProfile.Line] = []
        for _ in 0..<runs {
            let profile = OperatorProfile()
            secondsClearing = 0
            engine.profile = profile
            let seconds = clock.measure { run(mode) } / .seconds(1)
            engine.profile = nil
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

    /// The profile lines of work outside the engine's operators: clearing gradients.
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
    /// The largest number of bytes that the feature maps and the tape (values saved for the backward pass) of a pass
    /// take.
    var workspaceBytes: Int { network.workspaceBytes }
    /// Bytes of the gradients of all threads, which a training pass allocates.
    var gradientBytes: Int { 4 * network.gradients.count }
}
