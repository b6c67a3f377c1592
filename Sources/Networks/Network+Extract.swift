// Cutting one subnet out of a supernet: first rows and columns of every weight, filters made by the transform
// matrices, and the subnet's own batch-norm statistics. What comes out runs without knowing the supernet.

import Tensors

extension Network {
    /// A subnet on weights of its own, as `extract` makes them, and its shape with blocks numbered without gaps.
    public static func alone(_ weights: Weights, _ shape: NetworkShape, backend: Backend)
        -> (network: Network, shape: NetworkShape)
    {
        var renumbered = shape
        for position in renumbered.blocks.indices { renumbered.blocks[position].index = position }
        return (Network(weights, widest: renumbered, backend: backend), renumbered)
    }

    /// The weights of one subnet with the given running statistics (laid out as the supernet's), in a layout of
    /// their own: blocks numbered without gaps, plain names.
    public func extract(_ shape: NetworkShape, statistics: Storage) -> Weights {
        let result = Weights(ParameterLayout(shape, naming: .extracted))
        let layout = weights.layout
        func copy(_ from: String, _ to: String) {
            guard let source = layout.parameter(from) ?? layout.statistic(from),
                let target = result.layout.parameter(to) ?? result.layout.statistic(to)
            else { preconditionFailure("cannot copy \(from) to \(to)") }
            let home = source.role == .statistic ? statistics : weights.parameters
            Self.copyCorner(
                weights.view(source, in: home), source.shape, to: result.view(target), target.shape)
        }
        func copyNorm(_ from: String, _ to: String) {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                copy("\(from).\(part)", "\(to).\(part)")
            }
        }
        copy("first_conv.conv.weight", "first_conv.conv.weight")
        copyNorm("first_conv.bn", "first_conv.bn")
        for (position, block) in shape.blocks.enumerated() {
            let from = BlockNames(block, position: block.index, layout.naming)
            let to = BlockNames(block, position: position, .extracted)
            if block.hasExpansion {
                copy(from.expand.weight, to.expand.weight)
                copyNorm(from.expand.norm, to.expand.norm)
            }
            copyNorm(from.depthwise.norm, to.depthwise.norm)
            if let target = result.layout.parameter(to.depthwise.weight) {
                bakeFilter(of: block, into: result.view(target))
            }
            if block.seHidden != nil {
                for part in ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"] {
                    copy("\(from.squeeze).\(part)", "\(to.squeeze).\(part)")
                }
            }
            copy(from.project.weight, to.project.weight)
            copyNorm(from.project.norm, to.project.norm)
        }
        for name in [
            "final_expand_layer.conv.weight", "feature_mix_layer.conv.weight",
            "classifier.linear.weight",
            "classifier.linear.bias",
        ] { copy(name, name) }
        copyNorm("final_expand_layer.bn", "final_expand_layer.bn")
        return result
    }

    /// Copies the first rows and columns of an array whose inner dimensions agree.
    private static func copyCorner(
        _ source: Tensor, _ from: [Int], to target: Tensor, _ shape: [Int]
    ) {
        let inner = shape.dropFirst(2).reduce(1, *)
        let columns = (shape.count > 1 ? shape[1] : 1) * inner,
            stride = (from.count > 1 ? from[1] : 1) * inner
        for row in 0..<shape[0] {
            target.slice(row * columns, columns).copy(from: source.slice(row * stride, columns))
        }
    }
}
