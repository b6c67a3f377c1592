// A resolved network: every layer with its dimensions. The engine, the cost model, the latency
// tables and the weight layout all read the resolved network, so they agree on every width and
// feature size.

/// The layers of one network at one resolution.
public struct NetworkShape: Sendable, Hashable {
    /// A layer and its index in the supernet.
    public struct Placed: Sendable, Hashable {
        /// The layer's index, which is the same in every network of a space; in an extracted network, indices have no
        /// gaps.
        public var place: Int
        /// The layer.
        public var layer: Layer
    }

    /// Image height and width in pixels.
    public private(set) var resolution: Int
    /// Channels of an image.
    public private(set) var inputChannels: Int
    /// Outputs of the classifier.
    public private(set) var classes: Int
    /// The number that every batch norm adds to the variance.
    public private(set) var normEpsilon: Double
    /// The active layers, from the image to the logits.
    public private(set) var placed: [Placed] = []

    /// The layers in order.
    public var layers: some RandomAccessCollection<Layer> { placed.lazy.map(\.layer) }

    /// The convolutions outside of blocks, in order.
    public var convolutions: [Layer.Convolution] {
        layers.compactMap { if case .convolution(let conv) = $0 { conv } else { nil } }
    }

    /// The inverted residual blocks in order.
    public var blocks: [Layer.InvertedResidual] { layers.compactMap(\.block) }

    /// The label of the first layer that takes float32 maps only; nil if the network can be trained with 16-bit maps.
    public var float32Layer: String? {
        placed.first {
            switch $0.layer {
            case .convolution, .invertedResidual, .meanPooling, .dense: false
            default: true
            }
        }?.layer.label
    }

    /// Resolves the genes of `config`. Any resolution of 1…4096 is accepted; `SearchSpace.validate`
    /// also checks that the resolution is one of the space's. Errors: `invalidGene` or
    /// `invalidResolution`, naming the value.
    public init(_ space: SearchSpace, _ config: SubnetConfig) throws {
        (resolution, inputChannels, classes, normEpsilon) = (0, 0, 0, 0)
        try change(to: config, in: space)
    }

    /// Replaces this shape by the shape of the network `config`, and reuses the memory, so that a training step
    /// allocates nothing. Errors: those of `init`; after an error the shape is unchanged.
    public mutating func change(to config: SubnetConfig, in space: SearchSpace) throws {
        try space.validateGenes(config)
        resolution = config.resolution
        inputChannels = space.inputChannels
        classes = space.classes
        normEpsilon = space.normEpsilon
        placed.removeAll(keepingCapacity: true)
        placed.reserveCapacity(space.layers.count + space.layerCount)
        var cursor = Cursor(width: space.inputChannels, size: config.resolution)
        for definition in space.layers { append(definition, &cursor, config, space) }
    }

    /// The same network, renumbered without gaps as in an extracted network: the indices of layers, the numbers of
    /// blocks, and the numbers at the ends of names.
    public var renumbered: NetworkShape {
        var result = self
        var blocks = 0
        var names: [Substring: Int] = [:]
        func next(_ name: String) -> String {
            guard let dot = name.lastIndex(of: "."), Int(name[name.index(after: dot)...]) != nil
            else { return name }
            defer { names[name[..<dot], default: 0] += 1 }
            return "\(name[..<dot]).\(names[name[..<dot], default: 0])"
        }
        for (index, placed) in placed.enumerated() {
            var layer = placed.layer
            switch layer {
            case .convolution(var conv):
                conv.name = next(conv.name)
                layer = .convolution(conv)
            case .residualConvolution(var conv):
                conv.name = next(conv.name)
                layer = .residualConvolution(conv)
            case .invertedResidual(var block):
                block.number = blocks
                blocks += 1
                layer = .invertedResidual(block)
            case .bottleneck(var block):
                block.number = blocks
                blocks += 1
                layer = .bottleneck(block)
            case .maxPooling, .meanPooling, .dense: break
            }
            result.placed[index] = Placed(place: index, layer: layer)
        }
        return result
    }

    /// Returns the feature size after a convolution of odd kernel k with padding k/2: (size − 1) / stride + 1.
    public static func outputSize(_ size: Int, stride: Int) -> Int { (size - 1) / stride + 1 }

    /// The state of the loop that resolves the definitions in order.
    private struct Cursor {
        /// Channels and size of the last layer's output.
        var width, size: Int
        /// The index of the next layer, the number of the next block, the index of the next depth gene, and the next
        /// index in the gene lists.
        var place = 0, number = 0, stage = 0, gene = 0
    }

    private mutating func add(_ layer: Layer, _ cursor: inout Cursor) {
        placed.append(Placed(place: cursor.place, layer: layer))
        (cursor.width, cursor.size) = (layer.outWidth, layer.outSize)
        cursor.place += 1
    }

    private mutating func append(
        _ definition: LayerDefinition, _ cursor: inout Cursor, _ config: SubnetConfig,
        _ space: SearchSpace
    ) {
        let (width, size) = (cursor.width, cursor.size)
        switch definition {
        case .convolution(let conv):
            add(
                .convolution(
                    Layer.Convolution(
                        name: conv.name, key: conv.key, inWidth: width,
                        outWidth: conv.width.resolved(config.widths), kernel: conv.kernel,
                        stride: conv.stride, inSize: size,
                        outSize: Self.outputSize(size, stride: conv.stride),
                        activation: conv.activation, isElastic: conv.isElastic)), &cursor)
        case .residualConvolution(let conv):
            let stage = space.stages[cursor.stage]
            if stage.canonical(config.depths[cursor.stage]) == conv.runsAt {
                add(
                    .residualConvolution(
                        Layer.ResidualConvolution(
                            name: conv.name, width: width, kernel: conv.kernel, size: size,
                            activation: conv.activation)), &cursor)
            } else {
                cursor.place += 1
            }
            cursor.stage += 1
        case .invertedResiduals(let stage): append(stage, &cursor, config, space)
        case .bottlenecks(let stage): append(stage, &cursor, config, space)
        case .maxPooling(let pooling):
            add(
                .maxPooling(
                    Layer.MaxPooling(
                        key: pooling.key, width: width, inSize: size,
                        outSize: Self.outputSize(size, stride: 2))), &cursor)
        case .meanPooling(let pooling):
            add(
                .meanPooling(Layer.MeanPooling(key: pooling.key, width: width, inSize: size)),
                &cursor)
        case .dense(let dense):
            add(
                .dense(
                    Layer.Dense(
                        name: dense.name, key: dense.key, inWidth: width,
                        outWidth: dense.width ?? space.classes, activation: dense.activation,
                        hasBias: dense.hasBias, isConvolution: dense.isConvolution,
                        isElastic: dense.isElastic, hasDropout: dense.hasDropout)), &cursor)
        }
    }

    private mutating func append(
        _ stage: LayerDefinition.InvertedResiduals, _ cursor: inout Cursor, _ config: SubnetConfig,
        _ space: SearchSpace
    ) {
        var active = 1
        if stage.isElastic {
            let genes = space.stages[cursor.stage]
            active = genes.active(genes.canonical(config.depths[cursor.stage]))
        }
        let output = stage.width.resolved(config.widths)
        let (first, number) = (cursor.place, cursor.number)
        for layer in 0..<active {
            let (width, size) = (cursor.width, cursor.size)
            let ratio =
                stage.isElastic ? config.expandRatios[cursor.gene + layer] : stage.expandRatios[0]
            let kernel =
                stage.isElastic ? config.kernelSizes[cursor.gene + layer] : stage.kernelSizes[0]
            let stride = layer == 0 ? stage.stride : 1
            let middle = ratio == 1 ? width : SearchSpace.middleWidth(width, ratio)
            add(
                .invertedResidual(
                    Layer.InvertedResidual(
                        number: number + layer, stage: stage.isElastic ? cursor.stage : nil,
                        inWidth: width, middleWidth: middle, outWidth: output, expandRatio: ratio,
                        kernel: kernel, kernelSizes: stage.kernelSizes, stride: stride,
                        inSize: size,
                        outSize: Self.outputSize(size, stride: stride),
                        activation: stage.activation,
                        seHidden: stage.squeezeExcite
                            ? SearchSpace.makeDivisible(Double(middle / 4)) : nil,
                        hasExpansion: ratio != 1,
                        hasSkip: stage.hasSkip && stride == 1 && width == output,
                        keysNameRatio: stage.keysNameRatio)), &cursor)
        }
        cursor.place = first + stage.places
        cursor.number = number + stage.places
        if stage.isElastic {
            cursor.stage += 1
            cursor.gene += stage.places
        }
    }

    private mutating func append(
        _ stage: LayerDefinition.Bottlenecks, _ cursor: inout Cursor, _ config: SubnetConfig,
        _ space: SearchSpace
    ) {
        let active = space.stages[cursor.stage].active(config.depths[cursor.stage])
        let output = stage.width.resolved(config.widths)
        let (first, number) = (cursor.place, cursor.number)
        for layer in 0..<active {
            let size = cursor.size, stride = layer == 0 ? stage.stride : 1
            let ratio = config.expandRatios[cursor.gene + layer]
            add(
                .bottleneck(
                    Layer.Bottleneck(
                        number: number + layer, stage: cursor.stage, inWidth: cursor.width,
                        middleWidth: SearchSpace.middleWidth(output, ratio), outWidth: output,
                        expandRatio: ratio, stride: stride, inSize: size,
                        outSize: Self.outputSize(size, stride: stride),
                        activation: stage.activation, hasDownsample: layer == 0)), &cursor)
        }
        cursor.place = first + stage.places
        cursor.number = number + stage.places
        cursor.stage += 1
        cursor.gene += stage.places
    }
}
