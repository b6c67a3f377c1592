// The parts of a network that a latency table times, named as the published tables name them: a key
// says the sizes, channels and options that decide how long the part takes. Networks share parts,
// so a table of about a hundred entries a resolution covers a whole search space.
import Networks

/// One timed part of a network.
public struct LatencyKey: Sendable, Hashable, CustomStringConvertible {
    /// What the part computes, for whoever measures it.
    public enum Part: Sendable, Hashable {
        /// The first convolution.
        case stem(NetworkShape.Conv)
        /// An inverted residual block; its number and stage are those of its first use.
        case block(NetworkShape.Block)
        /// The last 1×1 convolution before the pooling.
        case finalExpand(NetworkShape.Conv)
        /// The mean over all positions of a feature map of this size and width.
        case pooling(size: Int, width: Int)
        /// The 1×1 convolution after the pooling.
        case featureMix(inWidth: Int, outWidth: Int)
        /// The linear classifier.
        case classifier(inWidth: Int, classes: Int)
    }

    /// What the part computes.
    public let part: Part
    /// The key's text, as in the published tables.
    public let description: String

    /// Names a part.
    public init(_ part: Part) {
        self.part = part
        description = Self.text(part)
    }

    /// Whether two keys have the same text; blocks of different places may share one.
    public static func == (left: LatencyKey, right: LatencyKey) -> Bool {
        left.description == right.description
    }

    /// Hashes the text, in agreement with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    /// Every different key of a space at one resolution, in the order of the network.
    public static func all(in space: SearchSpace, resolution: Int) throws -> [LatencyKey] {
        var keys: [LatencyKey] = []
        var seen: Set<LatencyKey> = []
        for kernel in space.kernelSizes {
            for ratio in space.expandRatios {
                var config = space.largest
                config.kernelSizes = config.kernelSizes.map { _ in kernel }
                config.expandRatios = config.expandRatios.map { _ in ratio }
                config.resolution = resolution
                let shape = try NetworkShape(space.uncoupled, config)
                keys += shape.latencyKeys.filter { seen.insert($0).inserted }
            }
        }
        return keys
    }

    private static func text(_ part: Part) -> String {
        func map(_ size: Int, _ width: Int) -> String { "\(size)x\(size)x\(width)" }
        switch part {
        case .stem(let conv):
            return "Conv-input:\(map(conv.inSize, conv.inWidth))-output:"
                + map(conv.outSize, conv.outWidth)
        case .block(let block):
            return "expanded_conv-input:\(map(block.inSize, block.inWidth))-output:"
                + "\(map(block.outSize, block.outWidth))-expand:\(block.middleWidth)-kernel:"
                + "\(block.kernel)-stride:\(block.stride)-idskip:\(block.hasSkip ? 1 : 0)-se:"
                + "\(block.seHidden == nil ? 0 : 1)-hs:\(block.activation == .hSwish ? 1 : 0)"
        case .finalExpand(let conv):
            return "Conv_1-input:\(map(conv.inSize, conv.inWidth))-output:"
                + map(conv.outSize, conv.outWidth)
        case .pooling(let size, let width):
            return "AvgPool2D-input:\(map(size, width))-output:\(map(1, width))"
        case .featureMix(let inWidth, let outWidth):
            return "Conv_2-input:\(map(1, inWidth))-output:\(map(1, outWidth))"
        case .classifier(let inWidth, let classes):
            return "Logits-input:\(map(1, inWidth))-output:\(classes)"
        }
    }
}

extension NetworkShape {
    /// The parts whose latencies add up to the network's, in its order; blocks of one kind repeat.
    public var latencyKeys: [LatencyKey] {
        let parts: [LatencyKey.Part] =
            [.stem(stem)] + blocks.map(LatencyKey.Part.block) + [
                .finalExpand(finalExpand),
                .pooling(size: finalExpand.outSize, width: finalExpand.outWidth),
                .featureMix(inWidth: finalExpand.outWidth, outWidth: featureMixWidth),
                .classifier(inWidth: featureMixWidth, classes: classes),
            ]
        return parts.map(LatencyKey.init)
    }
}
