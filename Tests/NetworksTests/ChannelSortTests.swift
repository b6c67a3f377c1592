// Channel sorting: the widest network computes the same, the most important channels come first.
import Tensors
import TestSupport
import Testing

@testable import Networks

@Suite struct ChannelSortTests {
    private let space = SearchSpace.tiny()

    @Test(
        "channels are ranked by falling importance, each inside its group, equal ones in their order"
    )
    func ranking() {
        #expect(ChannelSort.ranking([1, 3, 2, 3, 0], borders: []) == [1, 3, 2, 0, 4])
        #expect(ChannelSort.ranking([1, 3, 2, 9, 0, 5], borders: [3]) == [1, 2, 0, 3, 5, 4])
        #expect(ChannelSort.ranking([1, 2, 3, 4, 5, 6], borders: [4, 2]) == [1, 0, 3, 2, 5, 4])
    }

    @Test(
        "the full-width network computes the same, at every depth and kernel", arguments: [[], [3]])
    func fullWidth(keeping: [Double]) throws {
        let network = try shakenNetwork(space)
        var configs = [space.largest, space.largest, space.largest]
        configs[1].kernelSizes = [3, 5, 3, 5]
        configs[2].depths = [1, 2]
        let shapes = try configs.map { try NetworkShape(space, $0) }
        let before = shapes.map { network.forward(randomImages(3, $0), $0, mode: .running).values }
        let batch = shapes.map { network.forward(randomImages(3, $0), $0, mode: .batch).values }
        let weights = network.weights.parameters.all.values
        try ChannelSort.sort(network.weights, of: space, keepingRatios: keeping)
        #expect(network.weights.parameters.all.values != weights)
        for (index, shape) in shapes.enumerated() {
            #expect(
                relativeError(
                    network.forward(randomImages(3, shape), shape, mode: .running).values,
                    before[index]) < 1e-5)
            #expect(
                relativeError(
                    network.forward(randomImages(3, shape), shape, mode: .batch).values,
                    batch[index]) < 1e-4)
        }
    }

    @Test(
        "afterwards the projection's columns fall in importance, inside the groups of earlier widths",
        arguments: [0, 3])
    func order(kept: Int) throws {
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.shake()
        try ChannelSort.sort(weights, of: space, keepingRatios: kept == 0 ? [] : [Double(kept)])
        for block in try NetworkShape(space, space.largest).blocks.dropFirst() {
            let values = try weights.values(
                "blocks.\(block.number).conv.point_linear.conv.conv.weight")
            var norms = [Float](repeating: 0, count: block.middleWidth)
            for (index, value) in values.enumerated() {
                norms[index % block.middleWidth] += abs(value)
            }
            let border = kept == 0 ? 0 : block.inWidth * kept
            for c in 1..<block.middleWidth where c != border { #expect(norms[c] <= norms[c - 1]) }
        }
    }

    @Test("sorting twice is sorting once")
    func twice() throws {
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.shake()
        try ChannelSort.sort(weights, of: space)
        let once = weights.parameters.all.values
        try ChannelSort.sort(weights, of: space)
        #expect(weights.parameters.all.values == once)
    }
}
