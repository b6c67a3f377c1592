// Genes: every network once, and back again.
import Devices
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct GeneLayoutTests {
    @Test(
        "networks become genes and genes the same networks",
        arguments: ["fashion-mbv3", "ofa-mbv3-w1.0", "compofa-mbv3-w1.0"])
    func roundTrip(name: String) throws {
        let space = try SearchSpace.named(name)
        let layout = try GeneLayout(space)
        var stream = RandomStream(seed: 4)
        for _ in 0..<300 {
            let config = space.sample(using: &stream)
            let genes = try layout.genes(config)
            #expect(layout.config(genes) == config)
            #expect(try layout.genes(layout.config(genes)) == genes)
        }
    }

    @Test("every network of a small space comes once, with a key of its own")
    func enumeration() throws {
        let layout = try GeneLayout(tinySpace)
        var found: [SubnetConfig] = []
        var keys: Set<UInt128> = []
        layout.forEachNetwork { genes in
            found.append(layout.config(genes))
            keys.insert(layout.key(genes))
        }
        #expect(found.count == tinyNetworks.count && Set(found) == Set(tinyNetworks))
        #expect(keys.count == found.count)
        #expect(layout.networkCount == UInt64(found.count))
        let coupled = try GeneLayout(try SearchSpace.named("compofa-mbv3-w1.0"))
        #expect(coupled.networkCount == 243 * 25)
        var count = 0
        coupled.forEachNetwork { _ in count += 1 }
        #expect(count == 243 * 25)
        #expect(try GeneLayout(try SearchSpace.named("ofa-mbv3-w1.0")).networkCount == nil)
    }

    @Test("genes of skipped layers do not change the key")
    func skipped() throws {
        let layout = try GeneLayout(tinySpace)
        var genes = try layout.genes(tinySpace.smallest)
        let key = layout.key(genes)
        genes[1] = 3
        #expect(layout.isSkipped(1, genes) && layout.key(genes) == key)
        genes[0] = 3
        #expect(layout.key(genes) != key)
    }

    @Test("looked-up quantities are those of the networks")
    func costs() throws {
        var space = SearchSpace.fashion
        space.resolutions = [20, 28]
        let layout = try GeneLayout(space)
        let device = DeviceTarget(name: "d", kind: .phone, limits: .init())
        let costs = try LayerCosts(space, table: nil)
        let quantities: [Quantity] = [.macs, .params, .peakMemoryKB, .flashKB, .energyMJ]
        let limits = LimitCosts(
            layout, costs, device, quantities: quantities.map { ($0, .infinity) })
        var stream = RandomStream(seed: 8)
        for _ in 0..<200 {
            let config = space.sample(using: &stream)
            let metrics = device.metrics(try NetworkCost(space, config), latencyMs: nil)
            let genes = try layout.genes(config)
            for (place, quantity) in quantities.enumerated() {
                let exact = try #require(metrics.value(of: quantity))
                #expect(abs(limits.value(place, genes) - exact) <= 1e-12 * exact, "\(quantity)")
            }
        }
    }

    @Test("streams of neighbouring seeds have no draw in common")
    func seeds() {
        var seen: Set<UInt64> = []
        for seed in 0..<50 as Range<UInt64> {
            var random = GeneRandom(seed: seed)
            for _ in 0..<200 { #expect(seen.insert(random.next()).inserted, "seed \(seed)") }
        }
    }
}
