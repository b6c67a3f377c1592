// Predicts the accuracies of batches of networks, given as genes, for searches. A layer's kernel and ratio features are
// combined into one lookup.
import Devices
import Networks
import Tensors

/// Returns the scores of a batch of networks, given as genes, in the order of the networks; a larger score is better.
typealias GeneScore = ([Genes]) throws -> [Double]

extension AccuracyPredictor {
    /// Returns a score function for networks of `layout`, whose space and resolutions must be within the predictor's
    /// domain.
    func score(_ layout: GeneLayout) throws -> GeneScore {
        switch model {
        case .dense(let network) where network.weights.count > 1:
            return try denseScore(network, layout)
        case .dense(let network):
            let shares = network.weights[0].values.map(Double.init)
            return additiveScore(
                AdditiveModel(
                    bias: Double(network.biases[0][0]), shares: shares, centre: 0, scale: 1,
                    slope: 0, bend: 0), layout, macs: nil)
        case .additive(let ensemble):
            let device = DeviceTarget(name: "macs", kind: .computer, limits: Constraints())
            let macs = LimitCosts(
                layout, try LayerCosts(layout.space, table: nil), device,
                quantities: [(.macs, .infinity)])
            return additiveScore(ensemble.model, layout, macs: macs)
        }
    }

    /// Returns the features of a layer's choice in `layout.space`, which may offer fewer choices than the predictor's
    /// space.
    private func features(_ layer: Int, _ choice: Int, _ layout: GeneLayout) -> [Int] {
        var config = layout.space.largest
        layout.space.stages[layout.stageOf[layer]].set(choice, of: layer, in: &config)
        let kernel =
            config.kernelSizes.isEmpty
            ? nil : encoder.feature(kernel: config.kernelSizes[layer], of: layer)
        let ratio = encoder.feature(ratio: config.expandRatios[layer], of: layer)
        return [kernel, ratio].compactMap(\.self)
    }

    /// Returns the genes that have features and belong to no layer, each with the feature of every value; the
    /// resolution comes last.
    private func others(_ layout: GeneLayout) -> [(gene: Int, features: [Int?])] {
        var others: [(gene: Int, features: [Int?])] = []
        for (number, stage) in layout.space.stages.enumerated() where stage.places.isEmpty {
            others.append(
                (
                    layout.depthGene(number),
                    stage.depths.map { encoder.feature(depth: $0, of: number) }
                ))
        }
        for width in 0..<layout.widths {
            let gene = layout.widthGene(width)
            var genes = Genes(repeating: 0, count: layout.levels.count)
            others.append(
                (
                    gene,
                    (0..<layout.levels[gene]).map { value in
                        genes[gene] = UInt8(value)
                        return encoder.feature(width: layout.widthIndex(width, genes), of: width)
                    }
                ))
        }
        others.append(
            (
                layout.resolutionGene,
                layout.space.resolutions.map { encoder.feature(resolution: $0) }
            ))
        return others
    }

    private func denseScore(_ network: DenseNetwork, _ layout: GeneLayout) throws -> GeneScore {
        let first = network.weights[0], units = first.columns
        func row(_ feature: Int) -> ArraySlice<Float> {
            first.values[feature * units..<(feature + 1) * units]
        }
        let none = [Float](repeating: 0, count: units)
        func sum(_ features: [Int]) -> [Float] {
            guard let first = features.first else { return none }
            return features.dropFirst().reduce(Array(row(first))) { sum, feature in
                zip(sum, row(feature)).map { $0 + $1 }
            }
        }
        var table: [Float] = []
        for layer in 0..<layout.layers {
            for choice in 0..<layout.choices {
                let isOne = choice < layout.levels[layer]
                table += isOne ? sum(features(layer, choice, layout)) : none
            }
        }
        var others: [(gene: Int, first: Int)] = []
        for (gene, features) in self.others(layout) {
            others.append((gene, table.count / max(1, units)))
            for feature in features { table += sum([feature].compactMap(\.self)) }
        }
        let stack = try network.stack(first: table)
        return { population in
            var ones: [Int32] = []
            var ends: [Int] = []
            ones.reserveCapacity(population.count * (layout.layers + 1))
            for genes in population {
                for stage in 0..<layout.stages {
                    for layer in layout.activeLayers(stage, genes) {
                        ones.append(Int32(layer * layout.choices + Int(genes[layer])))
                    }
                }
                for (gene, first) in others { ones.append(Int32(first + Int(genes[gene]))) }
                ends.append(ones.count)
            }
            return stack.outputs(ones: ones, ends: ends).map(Double.init)
        }
    }

    private func additiveScore(
        _ model: AdditiveModel, _ layout: GeneLayout, macs: LimitCosts?
    ) -> GeneScore {
        var shares: [Double] = []
        for layer in 0..<layout.layers {
            for choice in 0..<layout.choices {
                let isOne = choice < layout.levels[layer]
                shares.append(
                    isOne ? features(layer, choice, layout).reduce(0) { $0 + model.shares[$1] } : 0)
            }
        }
        let others = self.others(layout).map { gene, features in
            (gene: gene, shares: features.map { feature in feature.map { model.shares[$0] } ?? 0 })
        }
        return { population in
            population.map { genes in
                var sum = model.bias
                for (gene, shares) in others { sum += shares[Int(genes[gene])] }
                for stage in 0..<layout.stages {
                    for layer in layout.activeLayers(stage, genes) {
                        sum += shares[layer * layout.choices + Int(genes[layer])]
                    }
                }
                return macs.map { sum + model.curve($0.value(0, genes)) } ?? sum
            }
        }
    }
}
