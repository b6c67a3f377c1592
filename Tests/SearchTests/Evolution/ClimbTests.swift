// Climbs: never down, never beyond the limits, and to the top of a score that is a sum.
import Devices
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct ClimbTests {
    private let device = DeviceTarget(name: "d", kind: .phone, limits: .init())

    private func limits(_ layout: GeneLayout, _ quantities: [(Quantity, Double)]) throws
        -> LimitCosts
    {
        LimitCosts(
            layout, try LayerCosts(layout.space, table: nil), device, quantities: quantities)
    }

    @Test("one climb finds the best network of a sum under one limit, from anywhere")
    func sum() throws {
        let layout = try GeneLayout(tinySpace)
        func score(_ networks: [Genes]) -> [Double] {
            networks.map { genes in
                (0..<layout.stages).reduce(Double(genes[layout.resolutionGene])) { sum, stage in
                    layout.activeLayers(stage, genes).reduce(sum) {
                        $0 + Double((3 * $1 + 7 * Int(genes[$1])) % 11)
                    }
                }
            }
        }
        for limit in [400_000.0, 600_000, 1_000_000] {
            let limits = try limits(layout, [(.macs, limit)])
            var best = -Double.infinity
            layout.forEachNetwork { genes in
                if limits.areMet(genes) { best = max(best, score([genes])[0]) }
            }
            var random = GeneRandom(seed: 1)
            for size in 0...1 {
                var start = try layout.genes(tinySpace.smallest)
                start[layout.resolutionGene] = UInt8(size)
                guard limits.areMet(start) else { continue }
                var climb = try Climb(layout, most: 10_000, score)
                let found = try climb.climb(from: start, limits, 0...1, &random) { _, _ in }
                #expect(found?.score == best, "limit \(limit), from size \(size)")
            }
        }
    }

    @Test("a climb ends within all limits and no lower than it began")
    func limits() throws {
        let layout = try GeneLayout(SearchSpace.fashion)
        let limits = try limits(
            layout, [(.macs, 4e6), (.flashKB, 1500), (.peakMemoryKB, 150), (.energyMJ, .infinity)])
        var stream = RandomStream(seed: 2)
        var variation = GeneVariation(layout, seed: 2)
        // No sum: neighbours matter to each other.
        func score(_ networks: [Genes]) -> [Double] {
            networks.map { genes in
                genes.indices.reduce(0) { sum, gene in
                    let next = Int(genes[(gene + 1) % genes.count])
                    return sum + Double((Int(genes[gene]) + 1) * (next + 3) % 7)
                }
            }
        }
        var climbs = 0
        for _ in 0..<20 {
            var start = try layout.genes(layout.space.sample(using: &stream))
            let sizes = 0...layout.space.resolutions.count - 1
            guard variation.repair(&start, limits, sizes) else { continue }
            climbs += 1
            var climb = try Climb(layout, most: 5000, score)
            var seen: Set<UInt128> = []
            let found = try #require(
                try climb.climb(from: start, limits, sizes, &variation.random) {
                    genes, _ in #expect(seen.insert(layout.key(genes)).inserted)
                })
            #expect(limits.areMet(found.genes))
            #expect(found.score >= score([start])[0])
            #expect(found.score == score([found.genes])[0])
            #expect(seen.count == climb.scored.count)
        }
        #expect(climbs > 10)
    }

    @Test("what exceeds the limits or has no score is no start")
    func noStart() throws {
        let layout = try GeneLayout(tinySpace)
        var climb = try Climb(layout, most: 100) { $0.map { _ in 1 } }
        var random = GeneRandom(seed: 1)
        let start = try layout.genes(tinySpace.largest)
        let tight = try limits(layout, [(.macs, 1000)])
        #expect(
            try climb.climb(from: start, tight, 0...1, &random, seen: { _, _ in }) == nil)
        var none = try Climb(layout, most: 100) { $0.map { _ in .nan } }
        let wide = try limits(layout, [(.macs, .infinity)])
        #expect(
            try none.climb(from: start, wide, 0...1, &random, seen: { _, _ in }) == nil)
    }
}
