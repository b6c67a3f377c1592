// Scored networks: each asked for once, no more than there is room for.
import Networks
import TestSupport
import Testing

@testable import Search

@Suite struct ScoredNetworksTests {
    @Test("a network is asked for once, in whatever batch it comes, and its score stays")
    func once() throws {
        let layout = try GeneLayout(tinySpace)
        let small = try layout.genes(tinySpace.smallest),
            large = try layout.genes(tinySpace.largest)
        // The same network: the gene belongs to a skipped layer.
        var same = small
        same[1] = 3
        var asked: [Int] = []
        func score(_ networks: [Genes]) -> [Double] {
            asked.append(networks.count)
            return networks.indices.map { Double(10 * asked.count + $0) }
        }
        var scored = ScoredNetworks(layout, most: 10, score)
        #expect(try scored.scores(of: [small, large, same]) == [10, 11, 10])
        #expect(try scored.scores(of: [large, small]) == [11, 10])
        #expect(asked == [2] && scored.count == 2 && scored.left == 8)
    }

    @Test("what there is no room for, and what has no number, counts as the worst")
    func room() throws {
        let layout = try GeneLayout(tinySpace)
        var networks: [Genes] = []
        layout.forEachNetwork { networks.append($0) }
        var scored = ScoredNetworks(layout, most: 3) { $0.indices.map { $0 == 1 ? .nan : 1 } }
        var seen = 0
        let scores = try scored.scores(
            of: Array(networks.prefix(5)), seen: { _, _ in seen += 1 })
        #expect(scores == [1, -.infinity, 1, -.infinity, -.infinity])
        #expect(seen == 2 && scored.count == 3 && scored.left == 0)
    }

    @Test(
        "thousands keep their scores while more come, each is asked for once, and no more than the most"
    )
    func thousands() throws {
        let layout = try GeneLayout(SearchSpace.named("ofa-mbv3-w1.0"))
        let most = 5000
        var variation = GeneVariation(layout, seed: 3)
        let sizes = 0...layout.space.resolutions.count - 1
        // A score of its own for every network.
        func score(_ genes: Genes) -> Double { Double(layout.key(genes) % 1_000_003) }
        var asked: Set<UInt128> = []
        var isOnce = true
        var scored = ScoredNetworks(layout, most: most) { networks in
            for genes in networks where !asked.insert(layout.key(genes)).inserted { isOnce = false }
            return networks.map(score)
        }
        var all: [Genes] = []
        while all.count < 6000 {
            let batch = (0..<1 + all.count / 4).map { _ in variation.fresh(sizes) }
            let again = all.suffix(batch.count)
            let scores = try scored.scores(of: batch + again)
            all += batch
            for (genes, found) in zip(batch + again, scores) {
                #expect(found == (asked.contains(layout.key(genes)) ? score(genes) : -.infinity))
            }
        }
        #expect(isOnce && asked.count == most && scored.count == most && scored.left == 0)
        // With no room left, those known are still known.
        let first = Array(all.prefix(most / 2))
        #expect(try scored.scores(of: first) == first.map(score))
    }
}
