// The parts of a network that a latency table times, named as in the published tables: a key contains the sizes,
// channels and options that determine a part's latency. Networks share parts, so about a hundred entries per resolution
// cover a whole MobileNetV3 space. The forms of the keys are those of the lookup tables of Cai et al., ICLR 2020
// (MobileNetV3) and of the reference code (ProxylessNAS).
import Tensors

/// One timed part of a network: a layer, or two layers that latency tables time together.
public struct LatencyKey: Sendable, Hashable, CustomStringConvertible {
    /// The layers of the part, with the block numbers and stages of the network from which the key was made.
    public let layers: [Layer]
    /// The key's text, as in the published tables.
    public let description: String

    /// Makes the key of layers that are timed together.
    public init(_ layers: [Layer]) {
        self.layers = layers
        description = Self.text(layers)
    }

    /// Returns whether the texts of both keys are equal.
    public static func == (left: LatencyKey, right: LatencyKey) -> Bool {
        left.description == right.description
    }

    /// Hashes the text, in agreement with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    /// Returns the distinct keys of a space at one resolution, in the order of `coveringConfigs`.
    public static func all(in space: SearchSpace, resolution: Int) throws -> [LatencyKey] {
        var keys: [LatencyKey] = []
        var seen: Set<LatencyKey> = []
        for config in try space.coveringConfigs(resolution: resolution) {
            let shape = try NetworkShape(space.uncoupled, config)
            keys += shape.latencyKeys.filter { seen.insert($0).inserted }
        }
        return keys
    }

    private static func map(_ size: Int, _ width: Int) -> String { "\(size)x\(size)x\(width)" }

    private static func text(_ layers: [Layer]) -> String {
        guard let first = layers.first, let last = layers.last else { return "" }
        guard layers.count > 1, case .meanPooling(let pooling) = first,
            case .dense(let dense) = last
        else { return text(first) }
        return "\(dense.key)-input:\(map(pooling.inSize, pooling.width))-output:\(dense.outWidth)"
    }

    private static func text(_ layer: Layer) -> String {
        switch layer {
        case .convolution(let conv):
            return "\(conv.key)-input:\(map(conv.inSize, conv.inWidth))-output:"
                + map(conv.outSize, conv.outWidth)
        case .residualConvolution(let conv):
            return "residual_conv-input:\(map(conv.size, conv.width))-kernel:\(conv.kernel)"
        case .invertedResidual(let block): return text(block)
        case .bottleneck(let block):
            return "bottleneck-input:\(map(block.inSize, block.inWidth))-output:"
                + "\(map(block.outSize, block.outWidth))-middle:\(block.middleWidth)-stride:"
                + "\(block.stride)-downsample:\(block.hasDownsample ? 1 : 0)"
        case .maxPooling(let pooling):
            return "\(pooling.key)-input:\(map(pooling.inSize, pooling.width))-output:"
                + map(pooling.outSize, pooling.width)
        case .meanPooling(let pooling):
            return "\(pooling.key ?? "AvgPool2D")-input:\(map(pooling.inSize, pooling.width))"
                + "-output:\(map(1, pooling.width))"
        case .dense(let dense):
            let output = dense.isConvolution ? map(1, dense.outWidth) : "\(dense.outWidth)"
            return "\(dense.key)-input:\(map(1, dense.inWidth))-output:\(output)"
        }
    }

    private static func text(_ block: Layer.InvertedResidual) -> String {
        let maps =
            "expanded_conv-input:\(map(block.inSize, block.inWidth))-output:"
            + map(block.outSize, block.outWidth)
        let skip = "stride:\(block.stride)-idskip:\(block.hasSkip ? 1 : 0)"
        guard !block.keysNameRatio else {
            return
                "\(maps)-expand:\(SearchSpace.text(block.expandRatio))-kernel:\(block.kernel)-\(skip)"
        }
        return "\(maps)-expand:\(block.middleWidth)-kernel:\(block.kernel)-\(skip)-se:"
            + "\(block.seHidden == nil ? 0 : 1)-hs:\(block.activation == .hSwish ? 1 : 0)"
    }
}

extension Layer {
    /// Whether this layer and the next together are one part of a latency table.
    var sharesNextKey: Bool {
        if case .meanPooling(let pooling) = self { pooling.key == nil } else { false }
    }
}

extension NetworkShape {
    /// The parts whose latencies add up to the network's, in order; equal parts are repeated.
    public var latencyKeys: [LatencyKey] {
        var keys: [LatencyKey] = []
        var waiting: [Layer] = []
        for layer in layers {
            if layer.sharesNextKey {
                waiting = [layer]
            } else {
                keys.append(LatencyKey(waiting + [layer]))
                waiting = []
            }
        }
        return keys
    }
}

extension SearchSpace {
    /// Returns networks at full depth that together contain every possible layer of the space at `resolution`. All
    /// layers of a network use the same choice of kernel and ratio. Each choice of kernel and ratio is combined with
    /// every pair of values of consecutive width genes.
    public func coveringConfigs(resolution: Int) throws -> [SubnetConfig] {
        var full = largest
        full.resolution = resolution
        var widths: [[Int]] = [full.widths]
        let most = widthGenes.map(\.count).max() ?? 1
        if !widthGenes.isEmpty {
            widths = (0..<most * most).map { pair in
                widthGenes.enumerated().map { place, choices in
                    min(choices.count - 1, place % 2 == 0 ? pair / most : pair % most)
                }
            }
        }
        let kernels = stages.map(\.kernelSizes.count).max() ?? 0
        let ratios = stages.map(\.expandRatios.count).max() ?? 0
        var configs: [SubnetConfig] = []
        for chosen in widths {
            for kernel in 0..<max(1, kernels) {
                for ratio in 0..<max(1, ratios) {
                    var config = full
                    config.widths = chosen
                    for stage in stages {
                        for layer in stage.places {
                            if let last = stage.kernelSizes.indices.last {
                                config.kernelSizes[layer] = stage.kernelSizes[min(kernel, last)]
                            }
                            if let last = stage.expandRatios.indices.last {
                                config.expandRatios[layer] = stage.expandRatios[min(ratio, last)]
                            }
                        }
                    }
                    configs.append(config)
                }
            }
        }
        return configs
    }
}
