// The program that ContributingTests builds within a copy of the room Networks to which the page's type of layers was
// added: it runs a family with average pooling. Prints each fact that does not hold, and at the end how many it checked.
import Foundation
import Tensors

@main
struct AddedLayerRun {
    private var checked = 0

    static func main() throws {
        var run = AddedLayerRun()
        try run.definition()
        try run.costs()
        try run.layer()
        try run.gradients()
        try run.weights()
        print("checked \(run.checked)")
    }

    private mutating func expect(_ holds: Bool, _ fact: @autoclosure () -> String) {
        checked += 1
        if !holds { print("fails: \(fact())") }
    }

    /// A pooling that reads a pending norm, of an even size, and another that reads a pending skip, of an odd size.
    private let space = SearchSpace(
        name: "averaged", inputChannels: 2, classes: 3, resolutions: [8, 10],
        layers: [
            .convolution(
                .init(
                    name: "stem", width: .constant(8), kernel: 3, activation: .hSwish, key: "Conv")),
            .averagePooling(.init(key: "AveragePool2D")),
            .invertedResiduals(
                .init(
                    width: .constant(8), stride: 1, activation: .hSwish, kernelSizes: [3, 5],
                    expandRatios: [2, 3], depths: [1, 2])),
            .averagePooling(.init(key: "AveragePool2D")),
            .convolution(
                .init(
                    name: "last", width: .constant(24), kernel: 1, activation: .hSwish,
                    key: "Conv_1")),
            .meanPooling(.init(key: nil)), .dense(.classifier()),
        ])

    /// The family is valid, its JSON names the type, and its variants and parts keep the layer.
    private mutating func definition() throws {
        try space.check()
        let data = try JSONEncoder().encode(space)
        expect(
            try JSONDecoder().decode(SearchSpace.self, from: data) == space, "JSON keeps the family"
        )
        expect(
            String(decoding: data, as: UTF8.self).contains(
                #"{"average_pooling":{"key":"AveragePool2D"}}"#),
            "JSON names the type")
        var change = SpaceChange()
        (change.width, change.depths) = (2, [2])
        let wide = space.changed(change, name: "wide")
        try wide.check()
        expect(
            wide.layers[1] == space.layers[1] && wide.layers[2] != space.layers[2],
            "a variant keeps the layer")
        let domain = TrainedDomain(
            kernelSizes: [5], expandRatios: [3], depths: [2], resolutions: [10])
        let part = try space.restricted(to: domain)
        expect(
            part.layers[3] == space.layers[3] && part.stages[0].depths == [2],
            "a part keeps the layer")
        expect(
            try part.part(of: space).difference(from: space) == nil,
            "a part is a part of the family")
        expect(try space.constantLayers == 2, "the first pooling is the same in all networks")
    }

    /// Sizes, names, parameters and costs, counted by hand.
    private mutating func costs() throws {
        let shape = try NetworkShape(space, space.largest)
        let pools = shape.layers.filter { if case .averagePooling = $0 { true } else { false } }
        expect(
            pools.map(\.outSize) == [5, 3] && pools.map(\.outWidth) == [8, 8],
            "sizes are halved, rounded up")
        expect(
            pools.allSatisfy { $0.label == "averagePooling" && $0.blockNumber == nil },
            "the type is the label")
        expect(
            shape.latencyKeys.map(\.description).filter { $0.hasPrefix("AveragePool2D-") }
                == ["AveragePool2D-input:10x10x8", "AveragePool2D-input:5x5x8"],
            "keys of latency tables")
        let cost = NetworkCost(pools[0])
        expect(
            (cost.parameters, cost.macs, cost.flashElements) == (0, 0, 0),
            "no parameters, no products")
        expect(cost.movedActivationElements == 8 * (100 + 25), "traffic")
        expect(cost.liveActivationElements == 8 * (100 + 25), "peak memory")
        var without = space
        without.layers.remove(at: 3)
        without.layers.remove(at: 1)
        let names = { (space: SearchSpace) in
            try Weights.layout(supernetOf: space).parameters.map(\.name)
        }
        expect(try names(space) == names(without), "names of parameters")
        expect(
            try NetworkCost(shape).parameters == NetworkCost(without, without.largest).parameters,
            "parameters")
    }

    /// One layer alone against means computed here.
    private mutating func layer() throws {
        let engine = try CPUEngine(threads: 2)
        let size = 5
        let half = 3
        let channels = 3
        let images = 2
        let shape = try NetworkShape(space, space.largest)
        let weights = try Weights(supernetOf: space, seed: 1)
        let context = NetworkContext(
            weights: weights, engine: engine, normEpsilon: shape.normEpsilon)
        context.keepsTape = true
        let running = AveragePoolingRun(context)
        let layer = Layer.averagePooling(
            .init(key: "", width: channels, inSize: size, outSize: half))
        let input = map(images, size, channels, draw: 1)
        let pass = ForwardPass(workspace: context.workspace, images: images, turns: nil)
        let output = running.forward(LayerInput(input), layer, pass).raw
        let room = GradientRoom(turns: context.gradientTurns)
        let d = map(images, half, channels, draw: 2)
        let dx = running.backward(Upstream(d, y: output), room)?.d?.tensor.values ?? []
        let (x, given) = (input.tensor.values, d.tensor.values)
        var means = [Float](repeating: 0, count: images * half * half * channels)
        var gradient = [Float](repeating: 0, count: x.count)
        for image in 0..<images {
            for (row, column) in (0..<size * size).map({ ($0 / size, $0 % size) }) {
                let (y, x0) = (row / 2, column / 2)
                // A window across the border averages the pixels inside.
                let count = Float(min(2, size - 2 * y) * min(2, size - 2 * x0))
                for channel in 0..<channels {
                    let from = ((image * size + row) * size + column) * channels + channel
                    let to = ((image * half + y) * half + x0) * channels + channel
                    means[to] += x[from] / count
                    gradient[from] = given[to] / count
                }
            }
        }
        // Four terms below 4, each rounded, in either order of operations.
        expect(isClose(output.tensor.values, means, 16 * 0x1p-22), "means")
        expect(isClose(dx, gradient, 4 * 0x1p-23), "gradient of means")
    }

    /// The gradient of every parameter against differences of the loss.
    private mutating func gradients() throws {
        let engine = try CPUEngine(threads: 2)
        let weights = try Weights(supernetOf: space, seed: 1)
        // Small scales of norms keep all values away from the activations' kinks at ±3, where differences are not valid.
        for scale in weights.layout.parameters
        where scale.role == .norm && scale.name.hasSuffix(".weight") {
            weights.view(scale).fill(from: [Float](repeating: 0.4, count: scale.count))
        }
        let network = try Network(supernet: weights, of: space, engine: engine)
        let shape = try NetworkShape(space, space.largest)
        let images = map(4, shape.resolution, shape.inputChannels, draw: 3)
        let gradient = Storage(count: 12).all
        func loss() -> (value: Double, size: Double) {
            let logits = network.forward(images, shape, mode: .batch, training: true)
            let found = engine.crossEntropy(
                logits, classes: 3, labels: [0, 2, 1, 1], soft: nil, smoothing: 0.1,
                gradient: gradient)
            return (found.hard, found.hard + 1)
        }
        _ = loss()
        network.backward(gradient)
        var compared = 0
        for parameter in weights.layout.parameters {
            let total = weights.view(parameter, in: network.gradients).values
            let length = total.length
            guard length > 0.003 else { continue }
            for raw in [total, FiniteDifference.direction(total.count, draw: 1)] {
                let direction = raw.map { $0 / Float(raw.length) }
                let difference = FiniteDifference(
                    of: weights.view(parameter), along: direction, step: 0.04, roundings: 20,
                    loss: loss)
                let slope = total.dot(direction)
                expect(
                    abs(slope - difference.slope) <= difference.uncertainty + length / 100
                        && difference.uncertainty < length / 10,
                    "\(parameter.name): slope \(slope), differences \(difference), length \(length)"
                )
            }
            if parameter.name.hasPrefix("first") || parameter.name.hasPrefix("stem") {
                compared += 1
            }
        }
        expect(compared == 3, "the stem, before both poolings, has \(compared) gradients of 3")
    }

    /// The logits after channel sorting, and those of an extracted network.
    private mutating func weights() throws {
        let engine = try CPUEngine(threads: 2)
        let weights = try Weights(supernetOf: space, seed: 1)
        let network = try Network(supernet: weights, of: space, engine: engine)
        let shape = try NetworkShape(space, space.largest)
        let images = map(4, shape.resolution, shape.inputChannels, draw: 3)
        let logits = { network.forward(images, shape, mode: .running).values }
        let before = logits()
        try ChannelSort.sort(weights, of: space)
        expect(isClose(logits(), before, 1e-5), "channel sorting keeps the function")
        let (own, ownShape) = Network.alone(
            network.extract(shape, statistics: weights.statistics), shape, engine: engine)
        expect(
            isClose(own.forward(images, ownShape, mode: .running).values, logits(), 1e-5),
            "the extracted network is the subnet")
        expect(before.allSatisfy(\.isFinite) && Set(before).count == before.count, "logits differ")
    }

    private func isClose(_ a: [Float], _ b: [Float], _ limit: Float) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= limit * max(1, abs($1)) }
    }

    private func map(_ images: Int, _ size: Int, _ channels: Int, draw: Int) -> FeatureMap {
        var stream = RandomStream(seed: 7, draw)
        return FeatureMap(
            Tensor((0..<images * size * size * channels).map { _ in stream.normal() }),
            images: images,
            height: size, width: size,
            channels: channels)
    }
}
