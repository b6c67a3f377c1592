// Extracts a subnet from a supernet: the first rows and columns of every weight, filters derived by the transform
// matrices, and the subnet's own batch-norm statistics. The extracted network does not need the supernet any more.
// Also the inverse: writes a network that was trained alone into a supernet.

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

    /// Returns the weights of one subnet, as `Weights.extract` does.
    public func extract(_ shape: NetworkShape, statistics: Storage) -> Weights {
        weights.extract(shape, statistics: statistics)
    }
}

extension Weights {
    /// The version of `extract`. It is raised by every change after which equal supernets give other bytes.
    public static let slicerVersion = 1

    /// Returns the weights of one subnet of this supernet with `statistics` (laid out as the supernet's) as running
    /// statistics, in a layout of their own: blocks are numbered without gaps, and names do not repeat a suffix. The
    /// values are the same on every machine.
    public func extract(_ shape: NetworkShape, statistics: Storage) -> Weights {
        let target = shape.renumbered
        let copier = WeightCopier(
            from: self, statistics: statistics,
            to: Weights(ParameterLayout(target, naming: .extracted), in: memory))
        for (from, to) in zip(shape.layers, target.layers) { copy(from, to, copier) }
        return copier.target
    }

    /// Overwrites the subnet `shape` of this supernet, whose transform matrices must be the identity, with `alone`, a
    /// network of that shape in a layout of its own. `extract` then returns its values; values outside the subnet stay.
    public func insert(_ alone: Weights, as shape: NetworkShape) {
        let copier = WeightCopier(
            from: self, statistics: statistics, to: alone, isReversed: true)
        for (from, to) in zip(shape.layers, shape.renumbered.layers) { copy(from, to, copier) }
    }

    private func copy(_ from: Layer, _ to: Layer, _ copier: WeightCopier) {
        let naming = layout.naming
        switch from {
        case .convolution(let from):
            guard case .convolution(let to) = to else { return }
            copier.copy(from.names(naming), to.names(.extracted))
        case .residualConvolution(let from):
            guard case .residualConvolution(let to) = to else { return }
            copier.copy(from.names(naming), to.names(.extracted))
        case .invertedResidual(let from):
            guard case .invertedResidual(let to) = to else { return }
            copy(from, to, copier)
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
        _ from: Layer.InvertedResidual, _ to: Layer.InvertedResidual, _ copier: WeightCopier
    ) {
        let names = BlockNames(from, layout.naming), others = BlockNames(to, .extracted)
        if from.hasExpansion { copier.copy(names.expand, others.expand) }
        copier.copyNorm(names.depthwise.norm, others.depthwise.norm)
        if let target = copier.target.layout.parameter(others.depthwise.weight) {
            let view = copier.target.view(target)
            if copier.isReversed {
                setCentre(copier.target.memory.download(view), of: from, names)
            } else {
                memory.upload(filter(of: from, names), to: view)
            }
        }
        if from.seHidden != nil {
            for part in ["reduce.weight", "reduce.bias", "expand.weight", "expand.bias"] {
                copier.copy("\(names.squeeze).\(part)", "\(others.squeeze).\(part)")
            }
        }
        copier.copy(names.project, others.project)
    }

    /// Overwrites the centres of a block's largest filters with `filters` of the block's kernel size.
    private func setCentre(
        _ filters: [Float], of block: Layer.InvertedResidual, _ names: BlockNames
    ) {
        guard let weight = layout.parameter(names.depthwise.weight) else { return }
        var all = memory.download(view(weight))
        let size = weight.shape[2], kernel = block.kernel, border = (size - kernel) / 2
        for (index, value) in filters.enumerated() {
            let tap = index % (kernel * kernel), channel = index / (kernel * kernel)
            let row = tap / kernel + border, column = tap % kernel + border
            all[(channel * size + row) * size + column] = value
        }
        memory.upload(all, to: view(weight))
    }

    /// Returns the filters (channels, kernel · kernel) of a block's kernel size: the centre of the next larger filter,
    /// times a transform matrix if the supernet has one. Unlike `ElasticKernel`, whose sums depend on the instruction
    /// set, this function sums in a fixed order and in double precision, so that every machine extracts the same
    /// values.
    func filter(of block: Layer.InvertedResidual, _ names: BlockNames) -> [Float] {
        guard let weight = layout.parameter(names.depthwise.weight) else { return [] }
        let channels = block.middleWidth
        var size = weight.shape[2]
        var current = memory.download(view(weight))
        for smaller in block.kernelSizes.sorted(by: >)
        where smaller < size && smaller >= block.kernel {
            let side = smaller * smaller, border = (size - smaller) / 2
            var crop = [Float](repeating: 0, count: channels * side)
            for index in crop.indices {
                let row = index % side / smaller + border, column = index % smaller + border
                crop[index] = current[(index / side * size + row) * size + column]
            }
            current = crop
            if names.transforms.contains(where: { $0.larger == size && $0.smaller == smaller }),
                let place = layout.parameter(names.transform(size, smaller))
            {
                let matrix = memory.download(view(place))
                for index in current.indices {
                    let first = index / side * side, row = index % side * side
                    var sum = 0.0
                    for tap in 0..<side {
                        // A product of two floats is exact in double precision.
                        sum += Double(crop[first + tap]) * Double(matrix[row + tap])
                    }
                    current[index] = Float(sum)
                }
            }
            size = smaller
        }
        return Array(current.prefix(channels * size * size))
    }
}

/// Copies the first rows and columns of arrays from a supernet to an extracted network, or back.
private struct WeightCopier {
    let source: Weights
    let statistics: Storage
    let target: Weights
    /// Whether values go from the extracted network to the supernet.
    let isReversed: Bool

    init(
        from source: Weights, statistics: Storage, to target: Weights, isReversed: Bool = false
    ) {
        self.source = source
        self.statistics = statistics
        self.target = target
        self.isReversed = isReversed
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
            let corner = source.slice(row * stride, columns)
            let whole = target.slice(row * columns, columns)
            let (from, to) = isReversed ? (whole, corner) : (corner, whole)
            self.target.memory.copy(from, to: to)
        }
    }
}
