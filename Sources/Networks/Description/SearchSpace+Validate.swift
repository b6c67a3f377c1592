// Checks whether a network belongs to a search space; errors name the gene.

extension SearchSpace {
    /// Checks that every gene and the resolution of `config` belong to this space.
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

    /// Checks that all `sizes` are image sizes of this space. Errors: `invalidResolution`, naming the first size that
    /// the space does not have.
    public func checkResolutions(_ sizes: [Int]) throws {
        guard let other = sizes.first(where: { !resolutions.contains($0) }) else { return }
        throw NetworkError(
            .invalidResolution,
            "space \(name) has no image size \(other); it has \(Self.listed(resolutions))")
    }

    /// Checks that every gene of `config` belongs to this space. Any resolution in 1…4096 is valid, because benchmarks
    /// may use sizes outside the space. Genes of skipped layers may also be 0. A depth outside its list is valid if
    /// `GeneStage.canonical` maps it to a depth in the list. Errors: `invalidGene` or `invalidResolution`, naming the
    /// value.
    public func validateGenes(_ config: SubnetConfig) throws {
        try checkLength(
            "ks", config.kernelSizes.count, kernelGeneCount,
            kernelGeneCount == 0 ? "its kernels are fixed" : layersInWords)
        try checkLength("e", config.expandRatios.count, layerCount, layersInWords)
        try checkLength("d", config.depths.count, stages.count, "one depth a stage")
        try checkLength(
            "w", config.widths.count, widthGenes.count,
            widthGenes.isEmpty ? "its widths are fixed" : "one width a place")
        for (number, stage) in stages.enumerated() {
            let depth = stage.canonical(config.depths[number])
            if !stage.depths.contains(depth) {
                try check("d[\(number)]", config.depths[number], stage.depths)
            }
            let active = stage.active(depth)
            for (offset, layer) in stage.places.enumerated() {
                if !stage.kernelSizes.isEmpty, offset < active || config.kernelSizes[layer] != 0 {
                    try check("ks[\(layer)]", config.kernelSizes[layer], stage.kernelSizes)
                }
                let ratio = config.expandRatios[layer]
                if offset < active || ratio != 0 {
                    try check(layer, config, stage.expandRatios)
                }
            }
        }
        for (place, width) in config.widths.enumerated()
        where !widthGenes[place].indices.contains(width) {
            try check("w[\(place)]", width, Array(widthGenes[place].indices))
        }
        try checkCoupling(config)
        guard (1...4096).contains(config.resolution) else {
            throw NetworkError(
                .invalidResolution, "r is \(config.resolution); an image size is 1 to 4096 pixels")
        }
    }

    private func checkCoupling(_ config: SubnetConfig) throws {
        guard let coupling else { return }
        for (number, stage) in stages.enumerated() {
            let depth = config.depths[number]
            guard let place = stage.depths.firstIndex(of: depth) else { continue }
            let kernel = coupling.kernelSizes[number], ratio = coupling.expandRatios[place]
            for layer in stage.places.prefix(stage.active(depth)) {
                if config.kernelSizes[layer] != kernel {
                    try check("ks[\(layer)]", config.kernelSizes[layer], [kernel])
                }
                if config.expandRatios[layer] != ratio { try check(layer, config, [ratio]) }
            }
        }
    }

    private func check(_ layer: Int, _ config: SubnetConfig, _ allowed: [Double]) throws {
        let ratio = config.expandRatios[layer]
        guard allowed.contains(ratio) else {
            throw NetworkError(
                .invalidGene,
                "e[\(layer)] is \(Self.text(ratio)); space \(name) allows \(Self.listed(allowed))")
        }
    }

    private var layersInWords: String {
        let lengths = stages.filter { !$0.places.isEmpty }.map(\.places.count)
        guard let first = lengths.first, lengths.allSatisfy({ $0 == first }) else {
            return "\(lengths.map(String.init).joined(separator: " + ")) layers"
        }
        return "\(lengths.count) stages × \(first) layers"
    }

    // The texts are autoclosures, so they are built only for errors: a training step checks every subnet and must not
    // allocate memory.
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

    /// Formats a list for messages: `3, 5, 7`, or `128…224 step 4` if the list is long and regular.
    public static func listed(_ values: [Int]) -> String {
        guard values.count > 5, let first = values.first, let last = values.last else {
            return values.map(String.init).joined(separator: ", ")
        }
        let step = values[1] - first
        let isRegular = zip(values, values.dropFirst()).allSatisfy { $1 - $0 == step }
        return isRegular
            ? "\(first)…\(last) step \(step)" : values.map(String.init).joined(separator: ", ")
    }

    /// Formats ratios for messages: `3, 4, 6` or `0.2, 0.25, 0.35`.
    public static func listed(_ ratios: [Double]) -> String {
        ratios.map(text).joined(separator: ", ")
    }

    /// Formats a ratio without trailing zeros: `3`, `0.25`.
    public static func text(_ ratio: Double) -> String {
        ratio == ratio.rounded() && abs(ratio) < 1e9 ? String(Int(ratio)) : String(ratio)
    }
}
