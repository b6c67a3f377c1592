// Single changes: all of them, once, and exact for a score that is a sum.
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct SingleChangesTests {
    @Test("a network has every single change once, and none is the network")
    func all() throws {
        let layout = try GeneLayout(tinySpace)
        var stream = RandomStream(seed: 3)
        for _ in 0..<50 {
            let genes = try layout.genes(tinySpace.sample(using: &stream))
            let changes = SingleChanges(layout, genes, 0...1).networks
            // Four layers of three other choices, two depths, one other resolution.
            #expect(changes.count == 4 * 3 + 2 + 1)
            #expect(Set(changes.map(layout.key)).count == changes.count)
            #expect(!changes.map(layout.key).contains(layout.key(genes)))
            #expect(SingleChanges(layout, genes, 1...1).networks.count <= changes.count)
        }
        let coupled = try GeneLayout(try SearchSpace.named("compofa-mbv3-w1.0"))
        let genes = try coupled.genes(coupled.space.smallest)
        // Five stages of two other depths; layers follow.
        #expect(SingleChanges(coupled, genes, 0...0).networks.count == 10)
    }

    @Test("where a score is a sum, the values say what every other network's score is")
    func sums() throws {
        var space = SearchSpace.fashion
        space.resolutions = [20, 24, 28]
        let layout = try GeneLayout(space)
        var stream = RandomStream(seed: 5)
        let shares = (0..<layout.layers * layout.choices).map { _ in
            Double(stream.below(1000)) / 1000
        }
        let depthShares = (0..<layout.stages * layout.depths).map { _ in
            Double(stream.below(1000)) / 500
        }
        func score(_ genes: Genes) -> Double {
            var sum = Double(genes[layout.resolutionGene])
            for stage in 0..<layout.stages {
                let depth = Int(genes[layout.layers + stage])
                sum += depthShares[stage * layout.depths + depth]
                for layer in layout.activeLayers(stage, genes) {
                    sum += shares[layer * layout.choices + Int(genes[layer])]
                }
            }
            return sum
        }
        for _ in 0..<20 {
            let genes = try layout.genes(space.sample(using: &stream))
            let changes = SingleChanges(layout, genes, 0...2)
            let base = score(genes)
            let (values, sizes) = changes.values(base, changes.networks.map(score))
            for _ in 0..<50 {
                let other = try layout.genes(space.sample(using: &stream))
                var sum = sizes[Int(other[layout.resolutionGene])]
                for stage in 0..<layout.stages {
                    let depth = Int(other[layout.layers + stage])
                    sum += values.depths[stage * layout.depths + depth]
                    for layer in layout.activeLayers(stage, other) {
                        sum += values.layers[layer * layout.choices + Int(other[layer])]
                    }
                }
                #expect(abs(Double(sum) - (score(other) - base)) < 1e-4)
            }
        }
    }

    @Test("what has no score is no way on")
    func notFinite() throws {
        let layout = try GeneLayout(tinySpace)
        let genes = try layout.genes(tinySpace.smallest)
        let changes = SingleChanges(layout, genes, 0...1)
        let (values, sizes) = changes.values(
            0, changes.networks.map { _ in -.infinity })
        #expect(sizes[0] == 0 && sizes[1] < -1e6)
        #expect(values.layers.allSatisfy { $0 == 0 || $0 < -1e6 })
        #expect(values.depths.allSatisfy { $0 == 0 || $0 < -1e6 })
    }
}
