// A compiled network computes what the network computes, for every family, batch and number of threads.
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct CompiledNetworkTests {
    /// Both sides compute in float32, with sums in another order in dense layers, means and derived filters. Logits in
    /// float32 are off by up to 1.5e-5 of the largest (measured for the parity fixtures, against float64), so two such
    /// results differ by at most twice that.
    private static let tolerance: Float = 2 * 1.5e-5

    @Test(
        "it gives the logits of the subnet in its supernet, and of the extracted network",
        arguments: [
            SearchSpace.tiny(), .tiny(transform: false), .tinyProxyless, .tinyResNet,
        ])
    func logits(space: SearchSpace) throws {
        for set in InstructionSet.available {
            for threads in [1, 2, 3] {
                let network = try shakenNetwork(space, threads: threads, set: set)
                let engine = try #require(network.engine as? CPUEngine)
                var stream = RandomStream(seed: 9)
                for config in [space.largest, space.smallest]
                    + (0..<3).map({ _ in space.sample(using: &stream) })
                {
                    let shape = try NetworkShape(space, config)
                    for count in [1, 3, 5] {
                        let images = randomImages(count, shape)
                        let expected = network.forward(images, shape, mode: .running).values
                        let own = network.extract(shape, statistics: network.weights.statistics)
                        for (weights, shape) in [(network.weights, shape), (own, shape.renumbered)]
                        {
                            let compiled = CompiledNetwork(
                                weights, shape, images: count, engine: engine)
                            #expect(
                                relativeError(compiled.forward(images).values, expected)
                                    < Self.tolerance,
                                "\(space.name) \(set), \(threads) threads, \(count) images")
                        }
                    }
                }
            }
        }
    }

    @Test(
        "networks that share weights and a room give what each gives alone, for any number of images",
        arguments: SearchSpace.tinyFamilies, [1, 2])
    func sharing(space: SearchSpace, threads: Int) throws {
        let network = try shakenNetwork(space, threads: threads), room = PassRoom()
        let engine = try #require(network.engine as? CPUEngine)
        let other = try CPUEngine(threads: threads, instructionSet: engine.instructionSet)
        let networks = try [space.smallest, space.largest].map { config in
            CompiledNetwork(
                network.weights, try NetworkShape(space, config), images: 4, engine: engine)
        }
        for count in [1, 4, 3, 9, 2] {
            for one in networks {
                let own = one.sharing(images: count, on: other, room: room)
                let alone = CompiledNetwork(
                    network.weights, one.shape, images: count, engine: engine)
                let images = randomImages(count, one.shape)
                let found = own.forward(images).values
                let expected = alone.forward(images).values
                #expect(found.count == expected.count)
                // With several threads, means may be summed in other parts.
                #expect(
                    threads == 1
                        ? found == expected : relativeError(found, expected) < Self.tolerance)
                #expect(own.pass.weightBytes == one.pass.weightBytes)
            }
        }
        // The weights were not written.
        for one in networks {
            let images = randomImages(4, one.shape)
            let again = CompiledNetwork(network.weights, one.shape, images: 4, engine: engine)
            #expect(one.forward(images).values == again.forward(images).values)
        }
    }

    @Test(
        "a clock times the parts of the latency table's keys", arguments: SearchSpace.tinyFamilies)
    func clock(space: SearchSpace) throws {
        let network = try shakenNetwork(space), clock = PassClock(countsProcessorTime: false)
        let engine = try #require(network.engine as? CPUEngine)
        for config in [space.smallest, space.largest] {
            let shape = try NetworkShape(space, config), images = randomImages(2, shape)
            let compiled = CompiledNetwork(network.weights, shape, images: 2, engine: engine)
            compiled.pass.clock = clock
            for _ in 0..<2 {
                _ = compiled.forward(images)
                #expect(clock.milliseconds.count == shape.latencyKeys.count)
            }
        }
    }

    @Test(
        "a profiled pass gives the same logits, and a time for each operator, whose costs add up to the network's",
        arguments: SearchSpace.tinyFamilies, [1, 2])
    func profile(space: SearchSpace, threads: Int) throws {
        let network = try shakenNetwork(space, threads: threads)
        let clock = PassClock(countsProcessorTime: false)
        let engine = try #require(network.engine as? CPUEngine)
        for config in [space.smallest, space.largest] {
            let shape = try NetworkShape(space, config), images = randomImages(3, shape)
            let compiled = CompiledNetwork(network.weights, shape, images: 3, engine: engine)
            let expected = compiled.forward(images).values, costs = compiled.pass.costs
            #expect(compiled.pass.profiled(images, clock).values == expected)
            #expect(clock.milliseconds.count == costs.count)
            #expect(costs.reduce(0) { $0 + $1.macs } == 3 * NetworkCost(shape).macs)
            // Packed weights are padded to whole vectors.
            let weights = costs.reduce(0) { $0 + $1.weightBytes }
            #expect(weights > 0 && weights <= compiled.pass.weightBytes)
            #expect(costs.allSatisfy { $0.mapBytes > 0 && $0.weightBytes >= 0 })
            #expect(threads > 1 || !costs.contains(where: \.isShared))
            let places = Set(shape.layers.map(\.label))
            #expect(costs.allSatisfy { places.contains($0.place) })
        }
    }

    @Test("it uses the statistics that it is given")
    func statistics() throws {
        let space = SearchSpace.tiny(), network = try shakenNetwork(space)
        let engine = try #require(network.engine as? CPUEngine)
        let shape = try NetworkShape(space, space.largest), images = randomImages(4, shape)
        let (_, statistics) = network.withOwnStatistics {
            network.forward(images, shape, mode: .calibrate(share: 1))
        }
        let expected = network.withStatistics(statistics) {
            network.forward(images, shape, mode: .running).values
        }
        let compiled = CompiledNetwork(
            network.weights, shape, statistics: statistics, images: 4, engine: engine)
        #expect(relativeError(compiled.forward(images).values, expected) < Self.tolerance)
        let before = CompiledNetwork(network.weights, shape, images: 4, engine: engine)
        #expect(relativeError(before.forward(images).values, expected) > 0.01)
    }

    @Test("it repeats itself bit by bit, and keeps its weights when the supernet's change")
    func repeats() throws {
        let space = SearchSpace.tiny(), network = try shakenNetwork(space, threads: 3)
        let engine = try #require(network.engine as? CPUEngine)
        let shape = try NetworkShape(space, space.largest), images = randomImages(2, shape)
        let compiled = CompiledNetwork(network.weights, shape, images: 2, engine: engine)
        let first = compiled.forward(images).values
        #expect(first.allSatisfy { $0.isFinite })
        _ = compiled.forward(randomImages(2, shape, seed: 7))
        network.weights.shake()
        for _ in 0..<20 { #expect(compiled.forward(images).values == first) }
    }

    @Test(
        "one NaN pixel makes its image's logits NaN, and only those",
        arguments: InstructionSet.available)
    func nanPixel(set: InstructionSet) throws {
        let space = SearchSpace.tiny(), network = try shakenNetwork(space, set: set)
        let engine = try #require(network.engine as? CPUEngine)
        let shape = try NetworkShape(space, space.largest), images = randomImages(3, shape)
        images.tensor[shape.resolution * shape.resolution + 37] = .nan
        let logits = CompiledNetwork(network.weights, shape, images: 3, engine: engine).forward(
            images
        ).values
        #expect(logits[5..<10].allSatisfy { $0.isNaN })
        #expect(logits[..<5].allSatisfy { $0.isFinite } && logits[10...].allSatisfy { $0.isFinite })
    }
}
