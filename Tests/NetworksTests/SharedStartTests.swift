// Subnets of one step share the layers that are the same in all of them: the same gradients and statistics as alone.
import TestSupport
import Testing

@testable import Networks
@testable import Tensors

@Suite struct SharedStartTests {
    @Test("the layers before the first elastic one are the same in every network")
    func constantLayers() throws {
        for (name, count) in [
            ("ofa-mbv3-w1.0", 2), ("fashion-mbv3", 2), ("compofa-mbv3-w1.0", 2),
            ("ofa-proxyless-w1.3", 2), ("ofa-resnet50", 0),
        ] {
            let space = try SearchSpace.named(name)
            #expect(try space.constantLayers == count, "\(space.name)")
            var stream = RandomStream(seed: 4)
            let most = try NetworkShape(space, space.largest)
            for _ in 0..<50 {
                var config = space.sample(using: &stream)
                config.resolution = space.largest.resolution
                let shape = try NetworkShape(space, config)
                #expect(shape.placed.prefix(count) == most.placed.prefix(count))
            }
        }
    }

    @Test(
        "subnets that take turns give the gradients and running statistics that they give one by one, to rounding",
        arguments: SearchSpace.tinyFamilies)
    func turns(space: SearchSpace) throws {
        let together = try shakenNetwork(space), alone = try shakenNetwork(space)
        var stream = RandomStream(seed: 9)
        let configs = (0..<3).map { _ in
            var config = space.sample(using: &stream)
            config.resolution = space.largest.resolution
            return config
        }
        let images = randomImages(6, try NetworkShape(space, space.largest))
        func run(_ network: Network, turn: (Int) -> Network.Turn) throws -> [[Float]] {
            try configs.enumerated().map { number, config in
                let logits = network.forward(
                    images, try NetworkShape(space, config), mode: .train(momentum: 0.1),
                    training: true, turn: turn(number))
                var direction = RandomStream(seed: 11, number)
                let gradient = Tensor((0..<logits.count).map { _ in direction.normal() })
                let values = logits.values
                network.backward(gradient)
                return values
            }
        }
        // Twice: a second step begins anew.
        for _ in 0..<2 {
            let first = try run(together) { Network.Turn($0, of: configs.count) }
            let second = try run(alone) { _ in Network.Turn() }
            for (a, b) in zip(first, second) { #expect(relativeError(a, b) < 1e-4) }
        }
        #expect(together.touched == alone.touched)
        // A bias that a norm without an activation takes away again has a gradient of rounding alone.
        let most = alone.gradients.all.values.reduce(0) { max($0, abs($1)) }
        for parameter in alone.weights.layout.parameters {
            let one = together.weights.view(parameter, in: together.gradients).values
            let other = alone.weights.view(parameter, in: alone.gradients).values
            let length = other.reduce(0) { max($0, abs($1)) }
            let error = zip(one, other).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(
                error <= 1e-3 * length + 1e-6 * most, "\(parameter.name): \(error) of \(length)")
        }
        for statistic in alone.weights.layout.statistics {
            let error = relativeError(
                together.weights.view(statistic).values, alone.weights.view(statistic).values)
            #expect(error < 1e-5, "\(statistic.name): \(error)")
        }
        // What is constant is run once: the engine's count of its operators says so.
        let (constant, count) = (try space.constantLayers, configs.count)
        for (network, times) in [(together, constant > 0 ? 1 : count), (alone, count)] {
            let profile = OperatorProfile()
            network.engine.profile = profile
            _ = try run(network) {
                network === together ? Network.Turn($0, of: count) : Network.Turn()
            }
            let label = try NetworkShape(space, space.largest).placed[0].layer.label
            let forward = profile.all.filter { $0.place == label && $0.name == "normalise" }
            #expect(forward.map(\.calls) == [times], "\(label)")
        }
    }
}
