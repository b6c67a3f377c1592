// Extracts a subnet from a supernet: the first rows and columns of every weight, filters derived by
// the transform matrices, and the subnet's own batch-norm statistics. The result does not depend on
// the supernet.

import Tensors

extension Network {
    /// Returns a network that runs `weights` of an extracted subnet, and the subnet's shape with blocks numbered
    /// without gaps.
    public static func alone(_ weights: Weights, _ shape: NetworkShape, engine: any Engine)
        -> (network: Network, shape: NetworkShape)
    {
        let renumbered = shape.renumbered
        return (Network(weights, widest: renumbered, engine: engine), renumbered)
    }

    /// Returns the weights of one subnet with `statistics` (laid out as the supernet's) as running statistics, in a
    /// layout of their own: blocks are numbered without gaps and names are plain.
    public func extract(_ shape: NetworkShape, statistics: Storage) -> Weights {
        let target = shape.renumbered
        let copier = WeightCopier(
            from: weights, statistics: statistics,
            to: Weights(ParameterLayout(target, naming: .extracted), in: engine))
        for (from, to) in zip(shape.placed, target.placed) { copy(from, to.layer, copier) }
        return copier.target
    }

    private func copy(_ from: NetworkShape.Placed, _ to: Layer, _ copier: WeightCopier) {
        let naming = weights.layout.naming
        let place = from.place
        switch from.layer {
        case .convolution(let from):
            guard case .convolution(let to) = to else { return }
            copier.copy(from.names(naming), to.names(.extracted))
        case .residualConvolution(let from):
            guard case .residualConvolution(let to) = to else { return }
            copier.copy(from.names(naming), to.names(.extracted))
        case .invertedResidual(let from):
            guard case .invertedResidual(let to) = to else { return }
            copy(from, at: place, to, copier)
        case .bottleneck(let from):
            guard case .bottleneck(let to) = to else { return }
            let (names, others) = (BottleneckNames(from, naming), BottleneckNames(to, .extracted))
            copier.copy(names.reduce, others.reduce)
            copier.copy(names.filter, others.filter)
            copier.copy(names.expand, others.expand)
            if from.hasDownsample { copier.copy(names.downsample, others.downsample) }
        case .maxPooling, .meanPooling: break
        case .dense(let from):
            guard case .dense(let to) = to else { return }
            for part in from.hasBias ? ["weight", "bias"] : ["weight"] {
                copier.copy("\(from.prefix(naming)).\(part)", "\(to.prefix(.extracted)).\(part)")
            }
        }
    }

    private func copy(
        _ from: Layer.InvertedResidual, at place: Int, _ to: Layer.InvertedResidual,
        _ copier: WeightCopier
    ) {
        let names = BlockNames(from, weights.layout.naming), others = BlockNames(to, .extracted)
        if from.hasExpansion { copier.copy(names.expand, others.expand) }
        copier.copyNorm(names.depthwise.norm, others.depthwise.norm)
        if let target = copier.target.layout.parameter(others.depthwise.weight) {
            bakeFilter(of: from, at: place, into: copier.target.view(target))
        }
        if from.seHidden != nil {
            for part in ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"] {
                copier.copy("\(names.squeeze).\(part)", "\(others.squeeze).\(part)")
            }
        }
        copier.copy(names.project, others.project)
    }
}

/// Copies the first rows and columns of arrays from a supernet to an extracted network.
private struct WeightCopier {
    let source: Weights
    let statistics: Storage
    let target: Weights

    init(from source: Weights, statistics: Storage, to target: Weights) {
        self.source = source
        self.statistics = statistics
        self.target = target
    }

    func copy(_ from: UnitNames, _ to: UnitNames) {
        copy(from.weight, to.weight)
        copyNorm(from.norm, to.norm)
    }

    func copyNorm(_ from: String, _ to: String) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            copy("\(from).\(part)", "\(to).\(part)")
        }
    }

    func copy(_ from: String, _ to: String) {
        let layout = source.layout
        guard let array = layout.parameter(from) ?? layout.statistic(from),
            let place = target.layout.parameter(to) ?? target.layout.statistic(to)
        else { preconditionFailure("cannot copy \(from) to \(to)") }
        let home = array.role == .statistic ? statistics : source.parameters
        copyCorner(
            source.view(array, in: home), array.shape, to: target.view(place), place.shape)
    }

    /// Copies the first rows and columns of an array whose inner dimensions agree.
    private func copyCorner(
        _ source: Tensor, _ from: [Int], to target: Tensor, _ shape: [Int]
    ) {
        let inner = shape.dropFirst(2).reduce(1, *)
        let columns = (shape.count > 1 ? shape[1] : 1) * inner,
            stride = (from.count > 1 ? from[1] : 1) * inner
        for row in 0..<shape[0] {
            self.target.memory.copy(
                source.slice(row * stride, columns), to: target.slice(row * columns, columns))
        }
    }
}
