// What a search learns on the way about any score: a sum over the genes, fitted to the networks it has scored. It is
// wrong about single networks and right about which of several children are worth scoring.
import Networks

/// A sum over genes, fitted by ridge.
struct GeneSurrogate {
    private let layout: GeneLayout
    /// By layer and choice, then by resolution.
    private let shares: [Double]

    /// Fits networks to their scores; there must be one.
    init(_ layout: GeneLayout, _ members: [Evolution.Member]) {
        self.layout = layout
        let ratios = layout.space.expandRatios.count
        let perLayer = layout.space.kernelSizes.count + ratios
        let sizes = layout.layers * perLayer, width = sizes + layout.space.resolutions.count
        let mean = members.reduce(0) { $0 + $1.score } / Double(members.count)
        var counts = [Double](repeating: 0, count: width)
        var normal = [Double](repeating: 0, count: width * width)
        var right = counts
        var ones: [Int] = []
        for member in members {
            ones.removeAll(keepingCapacity: true)
            for stage in 0..<layout.stages {
                for layer in layout.activeLayers(stage, member.genes) {
                    let choice = Int(member.genes[layer])
                    ones.append(layer * perLayer + choice / ratios)
                    ones.append(layer * perLayer + perLayer - ratios + choice % ratios)
                }
            }
            ones.append(sizes + Int(member.genes[layout.resolutionGene]))
            // Ascending places: only the lower triangle is needed.
            for (index, one) in ones.enumerated() {
                counts[one] += 1
                right[one] += member.score - mean
                let row = one * width
                for other in 0...index { normal[row &+ ones[other]] += 1 }
            }
        }
        for i in 0..<width {
            for j in 0...i {
                normal[i * width + j] -= counts[i] * counts[j] / Double(members.count)
            }
        }
        let factor = Cholesky(normal, size: width, penalty: 1)
        let weights = factor.backward(factor.forward(right))
        var shares: [Double] = []
        for layer in 0..<layout.layers {
            for choice in 0..<layout.choices {
                shares.append(
                    weights[layer * perLayer + choice / ratios]
                        + weights[layer * perLayer + perLayer - ratios + choice % ratios])
            }
        }
        self.shares = shares + weights[sizes...]
    }

    /// The sum, but for what all networks share.
    func value(_ genes: Genes) -> Double {
        var sum = shares[layout.layers * layout.choices + Int(genes[layout.resolutionGene])]
        for stage in 0..<layout.stages {
            for layer in layout.activeLayers(stage, genes) {
                sum += shares[layer * layout.choices + Int(genes[layer])]
            }
        }
        return sum
    }
}
