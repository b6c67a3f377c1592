// A part of a network as the reference device's table knows it: its time, the number of its operators, and the classes
// of parts that it belongs to. Parts of one class tend to have similar factors on another device.

import Networks

/// A part of a network, with its time on the reference device, its operators and its classes.
struct ReferencePart: Sendable {
    /// The resolution and the key's text.
    let name: String
    /// Milliseconds on the reference device.
    private(set) var milliseconds: Double
    /// Number of operators with weights: convolutions and dense products.
    let operators: Double
    /// Whether all networks of a space have such a part: one of the stem or the head.
    let isInEveryNetwork: Bool
    /// The part's classes. A class of weight w deviates w times as much from the common factor as a class of weight 1.
    let classes: [(name: String, weight: Double)]

    init(_ key: LatencyKey, _ resolution: Int, _ milliseconds: Double) {
        name = "\(resolution) \(key)"
        self.milliseconds = milliseconds
        operators = key.layers.reduce(0) { $0 + Self.operators($1) }
        // A part's factor depends little on the image size.
        let size = [("size \(resolution)", 0.1)]
        let stem = [("stem", 1.0)], head = [("head", 1.0)]
        switch key.layers.first {
        case .invertedResidual(let block):
            // The first block has no elastic genes: it is classed with the stem.
            classes =
                size
                + (block.stage.map {
                    [
                        ("stage \($0)", 1), ("kernel \(block.kernel)", 1),
                        ("ratio \(SearchSpace.text(block.expandRatio))", 0.7),
                    ]
                } ?? stem)
        case .bottleneck(let block):
            classes =
                size + [
                    ("stage \(block.stage)", 1),
                    ("ratio \(SearchSpace.text(block.expandRatio))", 0.7),
                ]
        case .meanPooling, .dense: classes = size + head
        case .convolution(let conv): classes = size + (conv.kernel == 1 ? head : stem)
        case .residualConvolution, .maxPooling, nil: classes = size + stem
        }
        isInEveryNetwork = classes.contains { $0.name == "stem" || $0.name == "head" }
    }

    private static func operators(_ layer: Layer) -> Double {
        switch layer {
        case .convolution, .residualConvolution, .maxPooling, .meanPooling, .dense: 1
        case .invertedResidual(let block):
            // Depthwise and projection; the expansion, if any; the two products of squeeze-and-excite, if any.
            2 + (block.hasExpansion ? 1 : 0) + (block.seHidden == nil ? 0 : 2)
        case .bottleneck(let block): block.hasDownsample ? 4 : 3
        }
    }

    /// Returns this part with the time (1 - `share`) · `milliseconds` + `share` · `perOperatorMs` · `operators`.
    func blended(share: Double, perOperatorMs: Double) -> ReferencePart {
        var part = self
        part.milliseconds = (1 - share) * milliseconds + share * perOperatorMs * operators
        return part
    }

    /// Returns the parts of a network; throws `missingLatency` for a part that `reference` lacks.
    static func parts(_ shape: NetworkShape, _ reference: LatencyTable) throws -> [ReferencePart] {
        try shape.latencyKeys.map { key in
            ReferencePart(
                key, shape.resolution,
                try reference.latencyMs(key, resolution: shape.resolution))
        }
    }

    /// Returns the largest difference between two networks in the share of time that one class of parts takes, 0…1.
    static func largestDifference(_ networks: [[ReferencePart]]) -> Double {
        let shares = networks.map { parts -> [String: Double] in
            let total = parts.reduce(0) { $0 + $1.milliseconds }
            return parts.reduce(into: [:]) { sums, part in
                for one in part.classes where total > 0 {
                    sums[one.name, default: 0] += part.milliseconds / total
                }
            }
        }
        return Set(shares.flatMap(\.keys)).reduce(0) { largest, name in
            let values = shares.map { $0[name] ?? 0 }
            return max(largest, (values.max() ?? 0) - (values.min() ?? 0))
        }
    }
}
