// Says whether a network belongs to a search space, and names the gene that does not.

extension SearchSpace {
    /// Throws unless every gene and the resolution of `config` belong to this space.
    ///
    /// Errors: `invalidGene` naming the gene, `invalidResolution` naming the sizes.
    public func validate(_ config: SubnetConfig) throws {
        try validateGenes(config)
        guard resolutions.contains(config.resolution) else {
            throw NetworkError(
                .invalidResolution,
                "r is \(config.resolution); space \(name) allows \(Self.listed(resolutions))")
        }
    }

    /// Throws `invalidResolution` naming the first of `sizes` that is not an image size of this space.
    public func checkResolutions(_ sizes: [Int]) throws {
        guard let other = sizes.first(where: { !resolutions.contains($0) }) else { return }
        throw NetworkError(
            .invalidResolution,
            "space \(name) has no image size \(other); it has \(Self.listed(resolutions))")
    }

    /// Throws unless every gene of `config` belongs to this space; the resolution is free (1…4096).
    ///
    /// Benchmarks may use sizes that the space has not. A skipped layer may also hold 0.
    public func validateGenes(_ config: SubnetConfig) throws {
        try checkLength(
            "ks", config.kernelSizes.count, layerCount,
            "\(stages.count) stages × \(maxDepth) layers")
        try checkLength(
            "e", config.expandRatios.count, layerCount,
            "\(stages.count) stages × \(maxDepth) layers")
        try checkLength("d", config.depths.count, stages.count, "one depth a stage")
        for (stage, depth) in config.depths.enumerated() {
            try check("d[\(stage)]", depth, depths)
        }
        for layer in 0..<layerCount {
            let isActive = layer % maxDepth < config.depths[layer / maxDepth]
            let kernel = config.kernelSizes[layer]
            let ratio = config.expandRatios[layer]
            if isActive || kernel != 0 { try check("ks[\(layer)]", kernel, kernelSizes) }
            if isActive || ratio != 0 { try check("e[\(layer)]", ratio, expandRatios) }
        }
        try checkCoupling(config)
        guard (1...4096).contains(config.resolution) else {
            throw NetworkError(
                .invalidResolution, "r is \(config.resolution); an image size is 1 to 4096 pixels")
        }
    }

    private func checkCoupling(_ config: SubnetConfig) throws {
        guard coupling != nil else { return }
        let wanted = settled(config)
        for layer in 0..<layerCount where config.isActive(layer: layer) {
            try check("ks[\(layer)]", config.kernelSizes[layer], [wanted.kernelSizes[layer]])
            try check("e[\(layer)]", config.expandRatios[layer], [wanted.expandRatios[layer]])
        }
    }

    // The texts are only made where something is wrong: a training step asks about every subnet and allocates nothing.
    private func check(_ gene: @autoclosure () -> String, _ value: Int, _ allowed: [Int]) throws {
        guard allowed.contains(value) else {
            throw NetworkError(
                .invalidGene, "\(gene()) is \(value); space \(name) allows \(Self.listed(allowed))")
        }
    }

    private func checkLength(
        _ gene: String, _ count: Int, _ expected: Int, _ why: @autoclosure () -> String
    ) throws {
        guard count == expected else {
            throw NetworkError(
                .invalidGene,
                "\(gene) has \(count) values; space \(name) needs \(expected) (\(why()))")
        }
    }

    /// Writes a list for people: `3, 5, 7`, or `128…224 step 4` when it is long and regular.
    public static func listed(_ values: [Int]) -> String {
        guard values.count > 5, let first = values.first, let last = values.last else {
            return values.map(String.init).joined(separator: ", ")
        }
        let step = values[1] - first
        let isRegular = zip(values, values.dropFirst()).allSatisfy { $1 - $0 == step }
        return isRegular
            ? "\(first)…\(last) step \(step)" : values.map(String.init).joined(separator: ", ")
    }
}
