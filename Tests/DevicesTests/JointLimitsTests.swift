// The cheapest networks, against all networks of small spaces.
import Networks
import TestSupport
import Tensors
import Testing

@testable import Devices

@Suite struct JointLimitsTests {
    private let device = DeviceTarget(name: "d", kind: .phone, limits: .init())

    /// Every network of the least depths, with its tally.
    private func all(_ space: SearchSpace, _ costs: LayerCosts) throws -> [LayerCosts.Tally] {
        var tallies: [LayerCosts.Tally] = []
        func grow(_ config: SubnetConfig, _ layers: ArraySlice<Int>, _ widths: ArraySlice<Int>) {
            if let layer = layers.first {
                let stage = space.stages[space.stage(of: layer)]
                for choice in 0..<stage.choices {
                    var next = config
                    stage.set(choice, of: layer, in: &next)
                    grow(next, layers.dropFirst(), widths)
                }
            } else if let width = widths.first {
                for index in space.widthGenes[width].indices {
                    var next = config
                    next.widths[width] = index
                    grow(next, [], widths.dropFirst())
                }
            } else {
                tallies.append(costs.tally(config))
            }
        }
        let layers = space.stages.flatMap { $0.places.prefix($0.active($0.depths[0])) }
        grow(space.smallest, layers[...], Array(space.widthGenes.indices)[...])
        return tallies
    }

    /// A table without any order: neither small kernels nor small widths need be fast.
    private func table(_ space: SearchSpace) throws -> LatencyTable {
        var table = LatencyTable(), stream = RandomStream(seed: 3)
        for key in try LatencyKey.all(in: space, resolution: space.resolutions[0]) {
            table[space.resolutions[0], key] = LatencyEntry(
                milliseconds: [Double(1 + stream.below(1000))])
        }
        return table
    }

    @Test("the least of a sum and of a peak are those of all networks", arguments: [0, 1, 2])
    func least(number: Int) throws {
        var space = [tinySpace, smallProxyless, smallResNet][number]
        space.resolutions = [space.resolutions[0]]
        let size = space.resolutions[0]
        let costs = try LayerCosts(space, table: try table(space))
        let joint = JointLimits(space, costs, device), tallies = try all(space, costs)
        for weight in [
            { Double($0.cost.macs) }, { Double($0.cost.parameters) }, { $0.latencyMs },
        ] as [(LayerCosts.Tally) -> Double] {
            let found = joint.least(size, by: weight)
            #expect(weight(costs.tally(found)) == tallies.map(weight).min())
        }
        let peak = { (tally: LayerCosts.Tally) in Double(tally.cost.liveActivationElements) }
        let found = joint.least(size, isPeak: true, by: peak)
        #expect(peak(costs.tally(found)) == tallies.map(peak).min())
    }

    @Test("networks within two limits are found where there are any", arguments: [0, 1, 2])
    func two(number: Int) throws {
        var space = [tinySpace, smallProxyless, smallResNet][number]
        space.resolutions = [space.resolutions[0]]
        let size = space.resolutions[0]
        let costs = try LayerCosts(space, table: try table(space))
        let joint = JointLimits(space, costs, device), tallies = try all(space, costs)
        var stream = RandomStream(seed: 4), met = 0
        for _ in 0..<30 {
            // Limits that some network meets exactly, and ones a hair below.
            let one = tallies[stream.below(tallies.count)]
            for share in [1, 0.98] {
                let limits: [(quantity: Quantity, limit: Double)] = [
                    (.macs, Double(one.cost.macs)), (.latencyMs, one.latencyMs * share),
                ]
                let some = tallies.filter {
                    Double($0.cost.macs) <= limits[0].limit && $0.latencyMs <= limits[1].limit
                }
                let found = joint.networks(size, limits)
                #expect(found.isEmpty == some.isEmpty)
                if !found.isEmpty { met += 1 }
                for config in found {
                    let tally = costs.tally(config)
                    #expect(Double(tally.cost.macs) <= limits[0].limit)
                    #expect(tally.latencyMs <= limits[1].limit * (1 + 1e-9))
                }
                #expect(
                    found.first.map { costs.tally($0).cost.macs } == some.map(\.cost.macs).min())
            }
        }
        #expect(met >= 30)
    }
}
