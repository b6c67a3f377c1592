// The walk that turns layers into elementary operators, one case per type of layers. The operators compute what the
// layers of Run/ compute with running statistics.
import Tensors

/// The graph of the layers added so far.
struct OperatorWalk {
    /// The graph; its output shape is set by the caller.
    private(set) var graph = OperatorGraph()
    private var weights: FoldedWeights
    /// The value that the next layer reads.
    private var current = 0

    init(_ weights: FoldedWeights) { self.weights = weights }

    /// Appends the operators of one layer.
    mutating func add(_ layer: Layer) throws {
        switch layer {
        case .convolution(let conv):
            begin([conv.inWidth, conv.inSize, conv.inSize])
            let filters = Filters(
                conv.inWidth, conv.outWidth, kernel: conv.kernel, stride: conv.stride)
            current = try unit(conv.names(.extracted), filters, conv.activation, of: current)
        case .residualConvolution(let conv):
            begin([conv.width, conv.size, conv.size])
            let filters = Filters(conv.width, conv.width, kernel: conv.kernel)
            let made = try unit(conv.names(.extracted), filters, conv.activation, of: current)
            current = node("\(conv.name).sum", .sum, [made, current])
        case .invertedResidual(let block): try add(block)
        case .bottleneck(let block): try add(block)
        case .maxPooling(let pooling):
            begin([pooling.width, pooling.inSize, pooling.inSize])
            current = node(
                "maximum.\(current)", .maxPooling(size: 3, stride: 2, padding: 1), [current])
        case .meanPooling(let pooling):
            begin([pooling.width, pooling.inSize, pooling.inSize])
            let mean = node("mean.\(current)", .mean, [current])
            current = node("flatten.\(mean)", .flatten, [mean])
        case .dense(let dense):
            begin([dense.inWidth])
            let name = dense.prefix(.extracted), shape = [dense.outWidth, dense.inWidth]
            let (weight, bias) =
                dense.hasBias
                ? try weights.plain(name, shape) : (try weights.matrix(name, shape), nil)
            current = node(
                name,
                .dense(
                    .init(
                        weight: weight, bias: bias, inWidth: dense.inWidth,
                        outWidth: dense.outWidth)), [current])
            current = activated(name, dense.activation, current)
        }
    }

    private mutating func add(_ block: Layer.InvertedResidual) throws {
        begin([block.inWidth, block.inSize, block.inSize])
        let names = BlockNames(block, .extracted), input = current, middle = block.middleWidth
        if block.hasExpansion {
            current = try unit(
                names.expand, Filters(block.inWidth, middle), block.activation, of: current)
        }
        let depthwise = Filters(
            middle, middle, kernel: block.kernel, stride: block.stride, groups: middle)
        current = try unit(names.depthwise, depthwise, block.activation, of: current)
        if let hidden = block.seHidden {
            let name = names.squeeze, map = current
            let mean = node("\(name).mean", .mean, [map])
            let reduced = try plain("\(name).reduce", Filters(middle, hidden), of: mean)
            let active = activated("\(name).reduce", .relu, reduced)
            let expanded = try plain("\(name).expand", Filters(hidden, middle), of: active)
            let gate = node("\(name).gate", .hardSigmoid, [expanded])
            current = node("\(name).product", .product, [map, gate])
        }
        current = try unit(names.project, Filters(middle, block.outWidth), .identity, of: current)
        if block.hasSkip {
            current = node("\(names.project.name).sum", .sum, [current, input])
        }
    }

    private mutating func add(_ block: Layer.Bottleneck) throws {
        begin([block.inWidth, block.inSize, block.inSize])
        let names = BottleneckNames(block, .extracted), middle = block.middleWidth
        var shortcut = current
        let filters = Filters(middle, middle, kernel: 3, stride: block.stride)
        current = try unit(
            names.reduce, Filters(block.inWidth, middle), block.activation, of: current)
        current = try unit(names.filter, filters, block.activation, of: current)
        current = try unit(names.expand, Filters(middle, block.outWidth), .identity, of: current)
        if block.hasDownsample {
            if block.stride > 1 {
                shortcut = node(
                    "\(names.downsample.name).mean_pooling",
                    .meanPooling(
                        size: block.stride, overhang: block.outSize * block.stride - block.inSize),
                    [shortcut])
            }
            shortcut = try unit(
                names.downsample, Filters(block.inWidth, block.outWidth), .identity, of: shortcut)
        }
        let name = "\(names.expand.name).sum"
        current = activated(name, block.activation, node(name, .sum, [current, shortcut]))
    }

    /// The dimensions of a convolution's filters; the padding is half the kernel, rounded down.
    private struct Filters {
        let inWidth, outWidth, kernel, stride, groups: Int

        init(_ inWidth: Int, _ outWidth: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1) {
            (self.inWidth, self.outWidth) = (inWidth, outWidth)
            (self.kernel, self.stride, self.groups) = (kernel, stride, groups)
        }

        /// The extents of the weight.
        var shape: [Int] { [outWidth, inWidth / groups, kernel, kernel] }

        /// Returns the convolution with these dimensions.
        func convolution(_ made: (weight: [Float], bias: [Float])) -> OperatorGraph.Operation {
            .convolution(
                .init(
                    weight: made.weight, bias: made.bias, inWidth: inWidth, outWidth: outWidth,
                    groups: groups, kernel: kernel, stride: stride, padding: kernel / 2))
        }
    }

    /// Records the extents of the graph's input, if no layer came before.
    private mutating func begin(_ shape: [Int]) {
        if graph.nodes.isEmpty { graph.inputShape = shape }
    }

    /// Appends a node and returns its value.
    private mutating func node(
        _ name: String, _ operation: OperatorGraph.Operation, _ inputs: [Int]
    )
        -> Int
    {
        graph.nodes.append(.init(name: name, operation: operation, inputs: inputs))
        return graph.nodes.count
    }

    /// Appends a convolution with its batch norm and activation.
    private mutating func unit(
        _ names: UnitNames, _ filters: Filters, _ activation: Activation, of input: Int
    ) throws -> Int {
        let made = filters.convolution(try weights.unit(names, filters.shape))
        return activated(names.name, activation, node(names.name, made, [input]))
    }

    /// Appends a convolution without a batch norm.
    private mutating func plain(_ name: String, _ filters: Filters, of input: Int) throws -> Int {
        node(name, filters.convolution(try weights.plain(name, filters.shape)), [input])
    }

    /// Appends an activation after the node `name`, unless it is the identity.
    private mutating func activated(_ name: String, _ activation: Activation, _ input: Int) -> Int {
        if activation == .identity { return input }
        return node("\(name).\(activation.rawValue)", .activation(activation), [input])
    }
}
