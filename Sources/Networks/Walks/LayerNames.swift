// The names of a layer's parameters: those of the reference code's state dict, so that published weights and fixtures
// load unchanged. In a supernet the names of elastic layers repeat a suffix (`conv.conv.weight`); in an extracted
// network they do not (`conv.weight`).

/// A convolution's weight and the prefix of its batch norm.
struct UnitNames {
    /// The name of the unit, the name of its weight, and the prefix of its norm's names.
    let name, weight, norm: String

    /// Makes the names of the unit called `part`; with `isElastic`, suffixes are repeated (`conv.conv`, `bn.bn`).
    init(_ part: String, isElastic: Bool) {
        name = part
        weight = isElastic ? "\(part).conv.conv.weight" : "\(part).conv.weight"
        norm = isElastic ? "\(part).bn.bn" : "\(part).bn"
    }
}

extension ParameterLayout.Naming {
    var isSupernet: Bool { if case .supernet = self { true } else { false } }
}

extension Layer.Convolution {
    func names(_ naming: ParameterLayout.Naming) -> UnitNames {
        UnitNames(name, isElastic: isElastic && naming.isSupernet)
    }
}

extension Layer.ResidualConvolution {
    func names(_ naming: ParameterLayout.Naming) -> UnitNames {
        UnitNames("\(name).conv", isElastic: naming.isSupernet)
    }
}

extension Layer.Dense {
    /// Returns the prefix that the names of the layer's weight and bias share.
    func prefix(_ naming: ParameterLayout.Naming) -> String {
        if isConvolution { return "\(name).conv" }
        return isElastic && naming.isSupernet ? "\(name).linear.linear" : "\(name).linear"
    }
}

/// The names of a bottleneck block's parts.
struct BottleneckNames {
    let reduce, filter, expand, downsample: UnitNames

    init(_ block: Layer.Bottleneck, _ naming: ParameterLayout.Naming) {
        func unit(_ part: String) -> UnitNames {
            UnitNames("blocks.\(block.number).\(part)", isElastic: naming.isSupernet)
        }
        reduce = unit("conv1")
        filter = unit("conv2")
        expand = unit("conv3")
        downsample = unit("downsample")
    }
}

/// The names of an inverted residual block's parts.
struct BlockNames {
    let expand, depthwise, project: UnitNames
    let squeeze: String
    /// The pairs of kernel sizes between which a transform matrix maps, largest sizes first.
    let transforms: [(larger: Int, smaller: Int)]
    private let prefix: String

    init(_ block: Layer.InvertedResidual, _ naming: ParameterLayout.Naming) {
        var isElastic = false
        var pairs: [(Int, Int)] = []
        if case .supernet(let transform) = naming, block.stage != nil {
            isElastic = true
            let falling = block.kernelSizes.sorted(by: >)
            if transform { pairs = zip(falling, falling.dropFirst()).map { ($0, $1) } }
        }
        let prefix = "blocks.\(block.number).conv"
        func unit(_ name: String) -> UnitNames {
            UnitNames("\(prefix).\(name)", isElastic: isElastic)
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
