// The memory layout of a network's numbers: one arena (a contiguous array) for learned parameters, another for running
// statistics. Names are those of the reference code's state dict, so that published weights and fixtures load
// unchanged.

import Tensors

/// Names and offsets of a network's parameters and running statistics.
public struct ParameterLayout: Sendable {
    /// How the optimizer treats a parameter.
    public enum Role: Int, CaseIterable, Sendable {
        /// Weights of convolutions and linear layers: by default, the only parameters with weight decay.
        case weight
        /// Matrices that derive smaller kernels from larger ones.
        case transform
        /// Scales and offsets of batch norms.
        case norm
        /// Other biases.
        case bias
        /// Running means and variances: not learned.
        case statistic
    }

    /// One named array.
    public struct Parameter: Sendable {
        /// The reference code's name, such as `first_conv.conv.weight`.
        public let name: String
        /// Dimensions as the reference code stores them: (out, in / groups, height, width) for convolutions.
        public let shape: [Int]
        /// How the optimizer treats the parameter.
        public let role: Role
        /// Offset of the first float in the arena.
        public fileprivate(set) var offset: Int
        /// The index among the parameters or, for a statistic, among the statistics.
        public fileprivate(set) var index = 0
        /// Number of floats.
        public var count: Int { shape.reduce(1, *) }
    }

    /// How blocks are named and numbered.
    public enum Naming: Sendable {
        /// As in a supernet: blocks are numbered at full depth, and names of elastic layers repeat a suffix
        /// (`conv.conv.weight`); with `transform`, matrices derive each kernel from the next larger one.
        case supernet(transform: Bool)
        /// As in an extracted subnet: blocks are numbered without gaps, names do not repeat a suffix, and filters are
        /// already derived.
        case extracted
    }

    /// The learned parameters, grouped by role.
    public private(set) var parameters: [Parameter] = []
    /// The running statistics.
    public private(set) var statistics: [Parameter] = []
    /// The numbers of floats in the arena of parameters and in the arena of statistics.
    public private(set) var parameterCount = 0, statisticCount = 0
    /// How blocks are named and numbered in this layout.
    public let naming: Naming
    private var places: [String: Int] = [:]
    private var statisticPlaces: [String: Int] = [:]

    /// Lays out the parameters of `shape`, which must be the widest network: every layer has its largest size.
    public init(_ shape: NetworkShape, naming: Naming) {
        self.naming = naming
        var list = ParameterList(naming)
        let numbered = naming.isSupernet ? shape : shape.renumbered
        for layer in numbered.layers { list.add(layer) }
        place(list.parameters)
    }

    private mutating func place(_ list: [Parameter]) {
        for role in Role.allCases where role != .statistic {
            for var parameter in list where parameter.role == role {
                parameter.offset = parameterCount
                parameter.index = parameters.count
                places[parameter.name] = parameter.index
                parameters.append(parameter)
                parameterCount += Self.padded(parameter.count)
            }
        }
        for var parameter in list where parameter.role == .statistic {
            parameter.offset = statisticCount
            parameter.index = statistics.count
            statisticPlaces[parameter.name] = parameter.index
            statistics.append(parameter)
            statisticCount += Self.padded(parameter.count)
        }
    }

    /// Returns `count` rounded up to a multiple of 16 floats, so that every array begins on a 64-byte line.
    private static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// Returns the learned parameter called `name`, or nil.
    public func parameter(_ name: String) -> Parameter? { places[name].map { parameters[$0] } }

    /// Returns the running statistic called `name`, or nil.
    public func statistic(_ name: String) -> Parameter? {
        statisticPlaces[name].map { statistics[$0] }
    }

    /// Returns a parameter's range in the arena, including its padding.
    public func range(of parameter: Parameter) -> Range<Int> {
        parameter.offset..<parameter.offset + Self.padded(parameter.count)
    }
}

/// The parameters of layers, in the order of the network.
private struct ParameterList {
    var parameters: [ParameterLayout.Parameter] = []
    private let naming: ParameterLayout.Naming

    init(_ naming: ParameterLayout.Naming) { self.naming = naming }

    mutating func add(_ layer: Layer) {
        switch layer {
        case .convolution(let conv):
            add(conv.names(naming), [conv.outWidth, conv.inWidth, conv.kernel, conv.kernel])
        case .residualConvolution(let conv):
            add(conv.names(naming), [conv.width, conv.width, conv.kernel, conv.kernel])
        case .invertedResidual(let block): add(block)
        case .bottleneck(let block): add(block)
        case .maxPooling, .meanPooling: break
        case .dense(let dense):
            let prefix = dense.prefix(naming), shape = [dense.outWidth, dense.inWidth]
            add("\(prefix).weight", dense.isConvolution ? shape + [1, 1] : shape, .weight)
            if dense.hasBias { add("\(prefix).bias", [dense.outWidth], .bias) }
        }
    }

    private mutating func add(_ block: Layer.InvertedResidual) {
        let names = BlockNames(block, naming)
        if block.hasExpansion { add(names.expand, [block.middleWidth, block.inWidth, 1, 1]) }
        add(names.depthwise.weight, [block.middleWidth, 1, block.kernel, block.kernel], .weight)
        for (larger, smaller) in names.transforms {
            let side = smaller * smaller
            add(names.transform(larger, smaller), [side, side], .transform)
        }
        addNorm(names.depthwise.norm, block.middleWidth)
        if let hidden = block.seHidden {
            add("\(names.squeeze).reduce.weight", [hidden, block.middleWidth, 1, 1], .weight)
            add("\(names.squeeze).reduce.bias", [hidden], .bias)
            add("\(names.squeeze).expand.weight", [block.middleWidth, hidden, 1, 1], .weight)
            add("\(names.squeeze).expand.bias", [block.middleWidth], .bias)
        }
        add(names.project, [block.outWidth, block.middleWidth, 1, 1])
    }

    private mutating func add(_ block: Layer.Bottleneck) {
        let names = BottleneckNames(block, naming)
        add(names.reduce, [block.middleWidth, block.inWidth, 1, 1])
        add(names.filter, [block.middleWidth, block.middleWidth, 3, 3])
        add(names.expand, [block.outWidth, block.middleWidth, 1, 1])
        if block.hasDownsample { add(names.downsample, [block.outWidth, block.inWidth, 1, 1]) }
    }

    /// Adds a convolution and its batch norm.
    private mutating func add(_ names: UnitNames, _ shape: [Int]) {
        add(names.weight, shape, .weight)
        addNorm(names.norm, shape[0])
    }

    private mutating func addNorm(_ prefix: String, _ width: Int) {
        for (name, role) in [
            ("weight", ParameterLayout.Role.norm), ("bias", .norm), ("running_mean", .statistic),
            ("running_var", .statistic),
        ] { add("\(prefix).\(name)", [width], role) }
    }

    private mutating func add(_ name: String, _ shape: [Int], _ role: ParameterLayout.Role) {
        parameters.append(
            ParameterLayout.Parameter(name: name, shape: shape, role: role, offset: 0))
    }
}
