// A predictor as a search asks it: genes in, accuracies out, whole populations at once. What a layer's choice of
// kernel and ratio adds is looked up in one row instead of two features.
import Networks
import Tensors

/// Scores genes; larger is better, and answers come in the order of the networks.
typealias GeneScore = ([Genes]) throws -> [Double]

extension AccuracyPredictor {
    /// What scores the genes of `layout`, a space in the predictor's domain at resolutions it was fitted on.
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

    /// The place of each layer's kernel feature and ratio feature for one choice of `space`, which may offer fewer
    /// than the predictor knows.
    private func features(_ layer: Int, _ choice: Int, _ space: SearchSpace) -> (
        kernel: Int, ratio: Int
    ) {
        let ratios = encoder.expandRatios.count, kernels = encoder.kernelSizes.count
        let choices = space.expandRatios.count
        let kernel = encoder.kernelSizes.firstIndex(of: space.kernelSizes[choice / choices]) ?? 0
        let ratio = encoder.expandRatios.firstIndex(of: space.expandRatios[choice % choices]) ?? 0
        return (
            layer * kernels + kernel, encoder.layerCount * kernels + layer * ratios + ratio
        )
    }

    /// The place of a resolution's feature; nil where it has none.
    private func resolutionFeature(_ resolution: Int) -> Int? {
        let start =
            encoder.layerCount * (encoder.kernelSizes.count + encoder.expandRatios.count)
        return encoder.resolutions.firstIndex(of: resolution).map { start + $0 }
    }

    private func denseScore(_ network: DenseNetwork, _ layout: GeneLayout) throws -> GeneScore {
        let first = network.weights[0], units = first.columns
        func row(_ feature: Int) -> ArraySlice<Float> {
            first.values[feature * units..<(feature + 1) * units]
        }
        var table: [Float] = []
        for layer in 0..<layout.layers {
            for choice in 0..<layout.choices {
                let (kernel, ratio) = features(layer, choice, layout.space)
                table += zip(row(kernel), row(ratio)).map { $0 + $1 }
            }
        }
        for resolution in layout.space.resolutions {
            table +=
                resolutionFeature(resolution).map { Array(row($0)) }
                ?? Array(repeating: 0, count: units)
        }
        let stack = try network.stack(first: table)
        let resolutions = layout.layers * layout.choices
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
                ones.append(Int32(resolutions + Int(genes[layout.resolutionGene])))
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
                let (kernel, ratio) = features(layer, choice, layout.space)
                shares.append(model.shares[kernel] + model.shares[ratio])
            }
        }
        let sizes = layout.space.resolutions.map { size in
            resolutionFeature(size).map { model.shares[$0] } ?? 0
        }
        return { population in
            population.map { genes in
                var sum = model.bias + sizes[Int(genes[layout.resolutionGene])]
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
