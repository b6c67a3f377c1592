// Channel sorting before elastic width: the most important middle channels of every block move to
// the front, because narrower subnets use the first channels. The full-width network still computes
// the same function. The importance of a channel is the L1 norm of the weights that read it (Cai et
// al., ICLR 2020, section 3.3).

/// Sorts the middle channels of every elastic block of a supernet.
public enum ChannelSort {
    /// Sorts the weights of a supernet of `space` in place. `keeping` holds the expand ratios already trained, without
    /// the largest: channels are sorted only within the groups between the widths of these ratios, so that subnets of
    /// those widths keep their channels. As in the reference code, the hidden units of squeeze-and-excite are sorted
    /// without groups, and output widths are not sorted. Momentum is not permuted: sort when a phase starts without
    /// momentum, never on resume.
    public static func sort(
        _ weights: Weights, of space: SearchSpace, keepingRatios keeping: [Double] = []
    ) throws {
        for layer in try NetworkShape(space, space.largest).layers {
            switch layer {
            case .invertedResidual(let block):
                if block.stage != nil && block.hasExpansion {
                    try sort(weights, block, keeping)
                }
            case .bottleneck(let block): try sort(weights, block, keeping)
            case .convolution, .residualConvolution: break
            case .maxPooling, .meanPooling, .dense: break
            }
        }
    }

    private static func sort(
        _ weights: Weights, _ block: Layer.InvertedResidual, _ keeping: [Double]
    ) throws {
        let names = BlockNames(block, weights.layout.naming)
        let borders = keeping.map { SearchSpace.middleWidth(block.inWidth, $0) }
        let order = ranking(try columnNorms(weights, names.project.weight), borders: borders)
        try permuteColumns(weights, names.project.weight, order)
        for unit in [names.depthwise, names.expand] { try permuteRows(weights, unit, order) }
        guard block.seHidden != nil else { return }
        try permuteColumns(weights, "\(names.squeeze).reduce.weight", order)
        try permuteRows(weights, "\(names.squeeze).expand.weight", order)
        try permuteRows(weights, "\(names.squeeze).expand.bias", order)
        let hidden = ranking(
            try columnNorms(weights, "\(names.squeeze).expand.weight"), borders: [])
        try permuteColumns(weights, "\(names.squeeze).expand.weight", hidden)
        try permuteRows(weights, "\(names.squeeze).reduce.weight", hidden)
        try permuteRows(weights, "\(names.squeeze).reduce.bias", hidden)
    }

    /// Sorts the channels between the second and third convolution. Then sorts the channels between the first and
    /// second, by the weights of the second convolution after the first sort.
    private static func sort(
        _ weights: Weights, _ block: Layer.Bottleneck, _ keeping: [Double]
    ) throws {
        let names = BottleneckNames(block, weights.layout.naming)
        let borders = keeping.map { SearchSpace.middleWidth(block.outWidth, $0) }
        for (reader, writer) in [(names.expand, names.filter), (names.filter, names.reduce)] {
            let order = ranking(try columnNorms(weights, reader.weight), borders: borders)
            try permuteColumns(weights, reader.weight, order)
            try permuteRows(weights, writer, order)
        }
    }

    /// Returns the channels by descending importance within each group between `borders`; channels of equal importance
    /// keep their order. A border that is not in 1 ..< count has no effect; stages with smaller ratios have such
    /// borders.
    static func ranking(_ importance: [Float], borders: [Int]) -> [Int] {
        let count = importance.count
        let edges = ([0, count] + borders.filter { (1..<max(1, count)).contains($0) }).sorted()
        return zip(edges, edges.dropFirst()).flatMap { start, end in
            (start..<end).sorted { (importance[$0], $1) > (importance[$1], $0) }
        }
    }

    /// Returns the L1 norm of every input channel of a weight (out, in, height, width).
    private static func columnNorms(_ weights: Weights, _ name: String) throws -> [Float] {
        let (values, shape) = try array(weights, name)
        let taps = shape.dropFirst(2).reduce(1, *)
        var norms = [Float](repeating: 0, count: shape[1])
        for (index, value) in values.enumerated() { norms[index / taps % shape[1]] += abs(value) }
        return norms
    }

    private static func permuteColumns(_ weights: Weights, _ name: String, _ order: [Int]) throws {
        let (values, shape) = try array(weights, name)
        let taps = shape.dropFirst(2).reduce(1, *)
        try weights.set(
            name,
            to: (0..<shape[0]).flatMap { row in
                order.flatMap { column in
                    let first = (row * shape[1] + column) * taps
                    return values[first..<first + taps]
                }
            })
    }

    /// Permutes a convolution's output channels and its batch norm.
    private static func permuteRows(_ weights: Weights, _ unit: UnitNames, _ order: [Int]) throws {
        try permuteRows(weights, unit.weight, order)
        for part in ["weight", "bias", "running_mean", "running_var"] {
            try permuteRows(weights, "\(unit.norm).\(part)", order)
        }
    }

    private static func permuteRows(_ weights: Weights, _ name: String, _ order: [Int]) throws {
        let (values, shape) = try array(weights, name)
        let width = values.count / shape[0]
        try weights.set(name, to: order.flatMap { values[$0 * width..<($0 + 1) * width] })
    }

    private static func array(_ weights: Weights, _ name: String) throws -> (
        values: [Float], shape: [Int]
    ) {
        let values = try weights.values(name)
        let parameter = weights.layout.parameter(name) ?? weights.layout.statistic(name)
        return (values, parameter?.shape ?? [values.count])
    }
}
