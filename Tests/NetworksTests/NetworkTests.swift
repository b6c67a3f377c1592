// Whole networks: what they compute does not depend on what they skip, and nothing bad is hidden.
import Networks
import Tensors
import TestSupport
import Testing

/// Images of random pixels.
func randomImages(_ count: Int, _ shape: NetworkShape, seed: UInt64 = 1) -> FeatureMap {
    var stream = RandomStream(seed: seed, count, shape.resolution)
    let floats = count * shape.resolution * shape.resolution * shape.inputChannels
    return FeatureMap(
        Tensor((0..<floats).map { _ in stream.normal() }), images: count, height: shape.resolution,
        width: shape.resolution, channels: shape.inputChannels)
}

/// A supernet with weights that are nothing special.
func shakenNetwork(_ space: SearchSpace, threads: Int = 2, set: InstructionSet? = nil) throws
    -> Network
{
    let weights = try Weights(supernetOf: space, seed: 1)
    weights.shake()
    return try Network(
        supernet: weights, of: space, engine: try CPUEngine(threads: threads, instructionSet: set))
}

/// The largest difference over the largest value.
func relativeError(_ a: [Float], _ b: [Float]) -> Float {
    let scale = max(b.map { abs($0) }.max() ?? 0, .leastNormalMagnitude)
    return zip(a, b).reduce(0) {
        $1.0.isNaN || $1.1.isNaN ? .infinity : max($0, abs($1.0 - $1.1) / scale)
    }
}

@Suite struct NetworkTests {
    private let space = SearchSpace.tiny()

    @Test(
        "one NaN pixel makes its image's logits NaN, and only those",
        arguments: InstructionSet.available)
    func nanPixel(set: InstructionSet) throws {
        let network = try shakenNetwork(space, set: set),
            shape = try NetworkShape(space, space.largest)
        for bad in [Float.nan, .infinity] {
            let images = randomImages(3, shape)
            images.tensor[shape.resolution * shape.resolution + 37] = bad
            let logits = network.forward(images, shape, mode: .running).values
            #expect(logits[5..<10].allSatisfy { $0.isNaN })
            #expect(
                logits[..<5].allSatisfy { $0.isFinite } && logits[10...].allSatisfy { $0.isFinite })
            // With statistics of the batch nobody is spared.
            #expect(network.forward(images, shape, mode: .batch).values.allSatisfy { $0.isNaN })
        }
    }

    @Test("genes of skipped layers change nothing")
    func skippedGenes() throws {
        let network = try shakenNetwork(space)
        var first = space.largest
        first.depths = [1, 1]
        var second = first
        (
            second.kernelSizes[1], second.expandRatios[1], second.kernelSizes[3],
            second.expandRatios[3]
        ) = (3, 2, 5, 3)
        #expect(space.canonical(first) == space.canonical(second))
        let shape = try NetworkShape(space, first), images = randomImages(2, shape)
        let logits = network.forward(images, shape, mode: .running).values
        #expect(
            network.forward(images, try NetworkShape(space, second), mode: .running).values
                == logits)
        second.kernelSizes[0] = 3
        #expect(
            network.forward(images, try NetworkShape(space, second), mode: .running).values
                != logits)
    }

    @Test("passes of other subnets in between change nothing")
    func interleaved() throws {
        let network = try shakenNetwork(space)
        var stream = RandomStream(seed: 8)
        let shapes = try (0..<12).map { _ in try NetworkShape(space, space.sample(using: &stream)) }
        let first = shapes.map { network.forward(randomImages(3, $0), $0, mode: .running).values }
        let second = shapes.reversed().map {
            network.forward(randomImages(3, $0), $0, mode: .running).values
        }
        #expect(first == second.reversed())
    }

    @Test("an extracted subnet computes what the supernet did", arguments: [true, false])
    func extraction(transform: Bool) throws {
        let space = SearchSpace.tiny(transform: transform), network = try shakenNetwork(space)
        var stream = RandomStream(seed: 9)
        for config in [space.largest, space.smallest]
            + (0..<6).map({ _ in space.sample(using: &stream) })
        {
            let shape = try NetworkShape(space, config), images = randomImages(4, shape)
            let (_, statistics) = network.withOwnStatistics {
                network.forward(images, shape, mode: .calibrate(share: 1))
            }
            let expected = network.withStatistics(statistics) {
                network.forward(images, shape, mode: .running).values
            }
            let weights = network.extract(shape, statistics: statistics)
            let alone = shape.renumbered
            let subnet = Network(weights, widest: alone, engine: network.engine)
            #expect(
                relativeError(subnet.forward(images, alone, mode: .running).values, expected) < 1e-5
            )
            let parameters = weights.layout.parameters.reduce(0) { $0 + $1.count }
            #expect(parameters == NetworkCost(shape).parameters)
        }
    }

    @Test("calibrating leaves the weights' own statistics alone")
    func ownStatistics() throws {
        let network = try shakenNetwork(space), shape = try NetworkShape(space, space.smallest)
        let before = network.weights.statistics.all.values
        let (_, statistics) = network.withOwnStatistics {
            _ = network.forward(randomImages(4, shape), shape, mode: .calibrate(share: 1))
        }
        #expect(network.weights.statistics.all.values == before)
        #expect(statistics.all.values != before)
    }

    @Test("dropout keeps the mean, repeats its draws, and does nothing outside training")
    func dropout() throws {
        let network = try shakenNetwork(space), shape = try NetworkShape(space, space.largest)
        let images = randomImages(4, shape),
            dropout = Network.Dropout(rate: 0.5, streams: ImageStreams(seed: 4))
        let plain = network.forward(images, shape, mode: .running).values
        #expect(network.forward(images, shape, mode: .running, dropout: dropout).values == plain)
        let first = network.forward(images, shape, mode: .running, training: true, dropout: dropout)
            .values
        #expect(first != plain)
        #expect(
            network.forward(images, shape, mode: .running, training: true, dropout: dropout).values
                == first)
        var mean = [Float](repeating: 0, count: plain.count)
        for draw in 0..<400 {
            let drop = Network.Dropout(rate: 0.2, streams: ImageStreams(seed: 4, step: draw))
            let logits = network.forward(
                images, shape, mode: .running, training: true, dropout: drop
            ).values
            for i in mean.indices { mean[i] += logits[i] / 400 }
        }
        // The deviation of a logit is about half its size; the mean of 400 has a twentieth of that.
        #expect(relativeError(mean, plain) < 0.15)
    }

    @Test("dropout of a part of a batch is that of the whole")
    func dropoutOfParts() throws {
        let network = try shakenNetwork(space), shape = try NetworkShape(space, space.largest)
        let images = randomImages(6, shape), each = images.tensor.count / 6
        func logits(_ part: Range<Int>) -> [Float] {
            let some = Tensor(
                Array(images.tensor.values[part.lowerBound * each..<part.upperBound * each]))
            let map = FeatureMap(
                some, images: part.count, height: images.height, width: images.width,
                channels: images.channels)
            return network.forward(
                map, shape, mode: .running, training: true,
                dropout: .init(
                    rate: 0.5, streams: ImageStreams(seed: 4, step: 2).from(part.lowerBound))
            ).values
        }
        // Products of other numbers of rows may add up in another order; another draw would change half of the features.
        #expect(relativeError(logits(0..<2) + logits(2..<6), logits(0..<6)) < 1e-5)
    }

    @Test("the same number of threads gives the same gradients, bit for bit", arguments: 1...3)
    func sameBits(threads: Int) throws {
        func gradients() throws -> [Float] {
            let network = try shakenNetwork(space, threads: threads),
                shape = try NetworkShape(space, space.largest)
            let logits = network.forward(
                randomImages(5, shape), shape, mode: .train(momentum: 0.1), training: true)
            network.backward(Tensor(logits.values))
            return network.gradients.all.values
                + network.weights.statistics.all.values
        }
        #expect(try gradients() == gradients())
    }
}
