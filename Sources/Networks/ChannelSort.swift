// Channel sorting before width shrinking: the most important channels of every expansion move to the front, so that
// narrower subnets, which use the first channels, begin with the best. The full-width network computes the same.
// Importance: L1 norm of what the projection reads from a channel (Cai et al., ICLR 2020, section 3.3).

/// Sorts the middle channels of every elastic block of a supernet.
public enum ChannelSort {
    /// Sorts in place. `keeping` widths (descending expand ratios already trained at, the largest left out): channels
    /// beyond each stay behind it, so that the subnets trained at those widths keep their channels.
    ///
    /// Momentum is not permuted: sort where a phase begins with none, never on resume.
    public static func sort(
        _ weights: Weights, of space: SearchSpace, keepingRatios keeping: [Int] = []
    ) throws {
        let widest = try NetworkShape(space, space.largest)
        for (position, block) in widest.blocks.enumerated()
        where block.stage != nil && block.hasExpansion {
            let names = BlockNames(block, position: position, weights.layout.naming)
            let borders = keeping.map { SearchSpace.makeDivisible(Double(block.inWidth * $0)) }
            let importance = try columnNorms(weights, names.project.weight)
            let order = ranking(importance, borders: borders)
            try permuteColumns(weights, names.project.weight, order)
            for unit in [names.depthwise, names.expand] {
                try permuteRows(weights, unit.weight, order)
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    try permuteRows(weights, "\(unit.norm).\(part)", order)
                }
            }
            guard block.seHidden != nil else { continue }
            try permuteColumns(weights, "\(names.squeeze).reduce.weight", order)
            try permuteRows(weights, "\(names.squeeze).expand.weight", order)
            try permuteRows(weights, "\(names.squeeze).expand.bias", order)
            let hidden = ranking(
                try columnNorms(weights, "\(names.squeeze).expand.weight"), borders: [])
            try permuteColumns(weights, "\(names.squeeze).expand.weight", hidden)
            try permuteRows(weights, "\(names.squeeze).reduce.weight", hidden)
            try permuteRows(weights, "\(names.squeeze).reduce.bias", hidden)
        }
    }

    /// Channels by falling importance inside each group between borders; equal ones keep their order.
    static func ranking(_ importance: [Float], borders: [Int]) -> [Int] {
        let edges = ([0, importance.count] + borders).sorted()
        return zip(edges, edges.dropFirst()).flatMap { start, end in
            (start..<end).sorted { (importance[$0], $1) > (importance[$1], $0) }
        }
    }

    /// The L1 norm of every column of a weight (rows, columns, 1, 1).
    private static func columnNorms(_ weights: Weights, _ name: String) throws -> [Float] {
        let (values, shape) = try array(weights, name)
        var norms = [Float](repeating: 0, count: shape[1])
        for (index, value) in values.enumerated() { norms[index % shape[1]] += abs(value) }
        return norms
    }

    private static func permuteColumns(_ weights: Weights, _ name: String, _ order: [Int]) throws {
        let (values, shape) = try array(weights, name)
        try weights.set(
            name, to: (0..<shape[0]).flatMap { row in order.map { values[row * shape[1] + $0] } })
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
