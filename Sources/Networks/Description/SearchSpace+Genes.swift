// Networks of a space as genes: the largest and the smallest network, random networks, the number
// of networks, and the canonical form.
import Tensors

extension SearchSpace {
    /// The network of the largest genes at the largest resolution.
    public var largest: SubnetConfig { uniform { $0.last } }

    /// The network of the smallest genes at the smallest resolution.
    public var smallest: SubnetConfig { uniform { $0.first } }

    /// The network of the middle genes at the middle resolution: of an even number of choices, the larger of the two.
    public var middle: SubnetConfig { uniform { $0.isEmpty ? nil : $0[$0.count / 2] } }

    private func uniform(_ end: ([Double]) -> Double?) -> SubnetConfig {
        func whole(_ values: [Int]) -> Int { Int(end(values.map(Double.init)) ?? 0) }
        var config = SubnetConfig(
            kernelSizes: Array(repeating: 0, count: kernelGeneCount),
            expandRatios: Array(repeating: 0, count: layerCount),
            depths: stages.map { whole($0.depths) },
            widths: widthGenes.indices.map { whole(openValues[$0]) },
            resolution: whole(resolutions))
        for (number, stage) in stages.enumerated() {
            for layer in stage.places.prefix(stage.active(config.depths[number])) {
                if !stage.kernelSizes.isEmpty {
                    config.kernelSizes[layer] = whole(stage.kernelSizes)
                }
                config.expandRatios[layer] = end(stage.expandRatios) ?? 0
            }
        }
        return canonical(config)
    }

    /// Draws a network: the resolution, every depth, every layer's genes and every width uniformly and independently.
    ///
    /// Genes of skipped layers are drawn too, so the number of draws does not depend on the depths.
    /// Coupled genes are then replaced by those that follow from the depths.
    public func sample(using stream: inout RandomStream) -> SubnetConfig {
        func draw<Value>(_ values: [Value]) -> Value { values[stream.below(values.count)] }
        let resolution = draw(resolutions)
        let depths = stages.map { draw($0.depths) }
        var kernels: [Int] = [], ratios: [Double] = []
        for stage in stages {
            for _ in stage.places {
                if !stage.kernelSizes.isEmpty { kernels.append(draw(stage.kernelSizes)) }
                ratios.append(draw(stage.expandRatios))
            }
        }
        let widths = widthGenes.indices.map { draw(openValues[$0]) }
        return canonical(
            SubnetConfig(
                kernelSizes: kernels, expandRatios: ratios, depths: depths, widths: widths,
                resolution: resolution))
    }

    /// Returns the canonical form of a network. Genes of skipped layers become 0, and coupled genes become the values
    /// that follow from the depths. Depth values with the same meaning become one value (`GeneStage.canonical`); so do
    /// width values with the same width. Returns the network unchanged if its list of kernels, ratios or depths has a
    /// wrong length.
    public func canonical(_ config: SubnetConfig) -> SubnetConfig {
        var config = config
        guard config.depths.count == stages.count, config.expandRatios.count == layerCount,
            config.kernelSizes.count == kernelGeneCount
        else { return config }
        for (number, stage) in stages.enumerated() {
            config.depths[number] = stage.canonical(config.depths[number])
            for layer in stage.places.dropFirst(max(0, stage.active(config.depths[number]))) {
                if !config.kernelSizes.isEmpty { config.kernelSizes[layer] = 0 }
                config.expandRatios[layer] = 0
            }
        }
        for (place, choices) in widthGenes.enumerated()
        where config.widths.indices.contains(place)
            && choices.indices.contains(config.widths[place])
        {
            config.widths[place] =
                choices.firstIndex(of: choices[config.widths[place]]) ?? config.widths[place]
        }
        applyCoupling(&config)
        return config
    }

    /// Sets coupled genes of active layers to the values that follow from the depths, in place. Does nothing if the
    /// space has no coupling.
    public func applyCoupling(_ config: inout SubnetConfig) {
        guard let coupling else { return }
        for (number, stage) in stages.enumerated() {
            guard let place = stage.depths.firstIndex(of: config.depths[number]) else { continue }
            for layer in stage.places.prefix(stage.active(config.depths[number])) {
                config.kernelSizes[layer] = coupling.kernelSizes[number]
                config.expandRatios[layer] = coupling.expandRatios[place]
            }
        }
    }

    /// The same space with every gene free.
    public var uncoupled: SearchSpace {
        var space = self
        space.coupling = nil
        return space
    }

    /// The number of distinct networks as an exact decimal, not counting resolutions.
    ///
    /// The number is a product with one factor per stage and one per width gene. The factor of a stage is the sum of
    /// (kernels · ratios)^(layers at d) over its depths d or, with coupled genes, its number of depths. The factor of a
    /// width gene is its number of different widths. Errors: `overflow` above 2^128 − 1.
    public var architectureCount: String {
        get throws { String(try count { Set($0).count }) }
    }

    /// The number of distinct genotypes, which is larger than `architectureCount` if values of a
    /// width gene have the same width. Errors: `overflow` above 2^128 − 1.
    public var genotypeCount: String {
        get throws { String(try count { $0.count }) }
    }

    /// The number of networks over all image sizes, at most `UInt128.max`.
    public var networkCount: UInt128 {
        do {
            let genes = UInt128(try architectureCount) ?? .max
            let (count, overflow) = genes.multipliedReportingOverflow(
                by: UInt128(resolutions.count))
            return overflow ? .max : count
        } catch {
            return .max
        }
    }

    private func count(widths: ([Int]) -> Int) throws -> UInt128 {
        var factors = widthGenes.enumerated().map { place, choices in
            UInt128(widths(openValues[place].map { choices[$0] }))
        }
        for stage in stages {
            let choices = UInt128(
                coupling == nil ? max(1, stage.kernelSizes.count) * stage.expandRatios.count : 1)
            var sum: UInt128 = 0
            for depth in stage.depths {
                let power = try product(Array(repeating: choices, count: stage.active(depth)))
                let (next, overflow) = sum.addingReportingOverflow(power)
                guard !overflow else { throw countOverflow }
                sum = next
            }
            factors.append(sum)
        }
        return try product(factors)
    }

    private func product(_ factors: [UInt128]) throws -> UInt128 {
        try factors.reduce(1) { partial, factor in
            let (result, overflow) = partial.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw countOverflow }
            return result
        }
    }

    private var countOverflow: NetworkError {
        NetworkError(
            .overflow,
            "space \(name) holds over 2^128 architectures", remedy: "use fewer stages or choices"
        )
    }
}
