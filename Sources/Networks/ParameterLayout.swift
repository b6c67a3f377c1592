// Where every number of a network lives. One arena holds what is learned, another the running statistics; names
// are those of the reference's state dict, so that published weights and fixtures load as they are.

import Tensors

/// Names and places of a network's parameters and running statistics.
public struct ParameterLayout: Sendable {
    /// How the optimizer treats a parameter.
    public enum Role: Int, CaseIterable, Sendable {
        /// Convolution and linear weights: decayed.
        case weight
        /// Matrices that make smaller kernels from larger ones.
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
        /// The reference's name, such as `first_conv.conv.weight`.
        public let name: String
        /// Dimensions as the reference stores them: (out, in / groups, height, width) for convolutions.
        public let shape: [Int]
        /// How the optimizer treats it.
        public let role: Role
        /// The first float's place in its arena.
        public fileprivate(set) var offset: Int
        /// Its number among the parameters, or among the statistics.
        public fileprivate(set) var index = 0
        /// How many floats.
        public var count: Int { shape.reduce(1, *) }
    }

    /// How blocks are named and numbered.
    public enum Naming: Sendable {
        /// The supernet's: numbered at full depth, elastic layers with a doubled suffix; kernels made from the
        /// largest by matrices when `transform`.
        case supernet(kernelSizes: [Int], transform: Bool)
        /// An extracted subnet's: numbered without gaps, plain names, filters already made.
        case extracted
    }

    /// Everything learned, grouped by role.
    public private(set) var parameters: [Parameter] = []
    /// The running statistics.
    public private(set) var statistics: [Parameter] = []
    /// Floats of the two arenas.
    public private(set) var parameterCount = 0, statisticCount = 0
    /// How blocks are named.
    public let naming: Naming
    private var places: [String: Int] = [:]
    private var statisticPlaces: [String: Int] = [:]

    /// Lays out the widest network: `shape` has every layer at its largest.
    public init(_ shape: NetworkShape, naming: Naming) {
        self.naming = naming
        var list: [Parameter] = []
        func add(_ name: String, _ shape: [Int], _ role: Role) {
            list.append(Parameter(name: name, shape: shape, role: role, offset: 0))
        }
        func norm(_ prefix: String, _ width: Int) {
            for (name, role) in [
                ("weight", Role.norm), ("bias", .norm), ("running_mean", .statistic),
                ("running_var", .statistic),
            ] { add("\(prefix).\(name)", [width], role) }
        }
        let stem = shape.stem
        add(
            "first_conv.conv.weight", [stem.outWidth, stem.inWidth, stem.kernel, stem.kernel],
            .weight)
        norm("first_conv.bn", stem.outWidth)
        for (position, block) in shape.blocks.enumerated() {
            let names = BlockNames(block, position: position, naming)
            if block.hasExpansion {
                add(names.expand.weight, [block.middleWidth, block.inWidth, 1, 1], .weight)
                norm(names.expand.norm, block.middleWidth)
            }
            add(
                names.depthwise.weight, [block.middleWidth, 1, block.kernel, block.kernel], .weight)
            for (larger, smaller) in names.transforms {
                let side = smaller * smaller
                add(names.transform(larger, smaller), [side, side], .transform)
            }
            norm(names.depthwise.norm, block.middleWidth)
            if let hidden = block.seHidden {
                add("\(names.squeeze).reduce.weight", [hidden, block.middleWidth, 1, 1], .weight)
                add("\(names.squeeze).reduce.bias", [hidden], .bias)
                add("\(names.squeeze).expand.weight", [block.middleWidth, hidden, 1, 1], .weight)
                add("\(names.squeeze).expand.bias", [block.middleWidth], .bias)
            }
            add(names.project.weight, [block.outWidth, block.middleWidth, 1, 1], .weight)
            norm(names.project.norm, block.outWidth)
        }
        let final = shape.finalExpand
        add("final_expand_layer.conv.weight", [final.outWidth, final.inWidth, 1, 1], .weight)
        norm("final_expand_layer.bn", final.outWidth)
        add(
            "feature_mix_layer.conv.weight", [shape.featureMixWidth, final.outWidth, 1, 1], .weight)
        add("classifier.linear.weight", [shape.classes, shape.featureMixWidth], .weight)
        add("classifier.linear.bias", [shape.classes], .bias)
        place(list)
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

    /// Every array begins on a 64-byte line.
    private static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// The learned parameter called `name`.
    public func parameter(_ name: String) -> Parameter? { places[name].map { parameters[$0] } }

    /// The running statistic called `name`.
    public func statistic(_ name: String) -> Parameter? {
        statisticPlaces[name].map { statistics[$0] }
    }

    /// The part of the arena that a parameter takes, its padding included.
    public func range(of parameter: Parameter) -> Range<Int> {
        parameter.offset..<parameter.offset + Self.padded(parameter.count)
    }
}

/// The names of one block's parts.
struct BlockNames {
    struct Unit {
        let weight, norm: String
    }

    let expand, depthwise, project: Unit
    let squeeze: String
    /// Pairs of sizes that a matrix maps between, largest first.
    let transforms: [(larger: Int, smaller: Int)]
    private let prefix: String

    init(_ block: NetworkShape.Block, position: Int, _ naming: ParameterLayout.Naming) {
        var elastic = false, number = position
        var pairs: [(Int, Int)] = []
        if case .supernet(let sizes, let transform) = naming, block.stage != nil {
            elastic = true
            number = block.index
            let falling = sizes.sorted(by: >)
            if transform { pairs = zip(falling, falling.dropFirst()).map { ($0, $1) } }
        }
        let prefix = "blocks.\(number).conv"
        func unit(_ name: String) -> Unit {
            let part = "\(prefix).\(name)"
            return elastic
                ? Unit(weight: "\(part).conv.conv.weight", norm: "\(part).bn.bn")
                : Unit(weight: "\(part).conv.weight", norm: "\(part).bn")
        }
        self.prefix = prefix
        expand = unit("inverted_bottleneck")
        depthwise = unit("depth_conv")
        project = unit("point_linear")
        squeeze = "\(prefix).depth_conv.se.fc"
        transforms = pairs
    }

    func transform(_ larger: Int, _ smaller: Int) -> String {
        "\(prefix).depth_conv.conv.\(larger)to\(smaller)_matrix"
    }
}
