// Parts and the genes that they depend on: costs that are looked up are those of the networks, in every family.
import Networks
import TestSupport
import Tensors
import Testing

@testable import Devices

@Suite struct NetworkPartsTests {
    private static let spaces = [tinySpace, smallProxyless, smallResNet] + SearchSpace.published

    @Test(
        "the costs of a network's parts add up to the network's, to the last unit",
        arguments: spaces.map(\.name))
    func costs(name: String) throws {
        var space = try #require(Self.spaces.first { $0.name == name })
        space.resolutions = [space.resolutions[0], space.resolutions[space.resolutions.count - 1]]
        let costs = try LayerCosts(space, table: nil)
        var stream = RandomStream(seed: 5)
        for config in [space.largest, space.smallest]
            + (0..<60).map({ _ in space.sample(using: &stream) })
        {
            #expect(costs.tally(config).cost == (try NetworkCost(space, config)), "\(config)")
        }
    }

    @Test(
        "latencies of a network's parts add up to the table's sum",
        arguments: spaces.map(\.name))
    func latencies(name: String) throws {
        var space = try #require(Self.spaces.first { $0.name == name })
        space.resolutions = [space.resolutions[0]]
        var table = LatencyTable(), energy = LatencyTable()
        for (place, key) in try LatencyKey.all(in: space, resolution: space.resolutions[0])
            .enumerated()
        {
            table[space.resolutions[0], key] = LatencyEntry(milliseconds: [Double(1 + place)])
            energy[space.resolutions[0], key] = LatencyEntry(milliseconds: [Double(place % 7)])
        }
        let costs = try LayerCosts(space, table: table, energy: energy)
        var stream = RandomStream(seed: 6)
        for _ in 0..<60 {
            let config = space.sample(using: &stream), shape = try NetworkShape(space, config)
            // Whole numbers: their sums are exact.
            #expect(costs.tally(config).latencyMs == (try table.latencyMs(shape)))
            #expect(costs.tally(config).energyMJ == (try energy.latencyMs(shape)))
        }
    }

    @Test(
        "a part depends on its layer's genes, on the widths before and after it, and on nothing else"
    )
    func dependencies() throws {
        let parts = try NetworkParts(smallResNet).parts
        let layers = parts.filter { $0.layer != nil }
        // Blocks of every stage in order: the first of a stage has two widths, the others one.
        #expect(layers.compactMap(\.layer) == Array(0..<smallResNet.layerCount))
        for stage in 1..<3 {
            let own = smallResNet.stages[stage].places.map { layers[$0] }
            #expect(own.first?.widths == [stage, stage + 1])
            #expect(own.dropFirst().allSatisfy { $0.widths == [stage + 1] })
        }
        // The stem's optional layer, and what pools and classifies.
        let others = parts.filter { $0.layer == nil }
        #expect(others.map(\.widths) == [[0], [0], [0, 1], [1], [3], [3]])
        #expect(others.map(\.stage) == [nil, 0, nil, nil, nil, nil])
        let fixed = try NetworkParts(smallProxyless).parts.filter { $0.layer == nil }
        #expect(fixed.allSatisfy { $0.widths.isEmpty && $0.stage == nil })
    }

    @Test("a cover of the widths brings every part into each of its states")
    func cover() throws {
        for space in [smallResNet, try SearchSpace.named("ofa-resnet50")] {
            let parts = try NetworkParts(space), cover = parts.widthCover()
            for part in parts.parts {
                let states = Set(cover.map { widths in parts.state(part) { widths[$0] } })
                #expect(states == Set(0..<part.states))
            }
            #expect(cover.count <= 2 * (parts.parts.map(\.states).max() ?? 1))
        }
        #expect(try NetworkParts(tinySpace).widthCover() == [[]])
    }
}
