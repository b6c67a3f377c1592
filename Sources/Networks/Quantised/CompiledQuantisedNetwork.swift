// A quantised graph prepared for passes that only run: weights are packed, functions become tables at the end of the
// layer before, expansions and depthwise convolutions are fused. The codes are those of QuantisedGraph+Run.swift.
import Tensors

/// One quantised network, compiled for a number of images and an engine with its threads. Only one thread at a time may
/// use it, and not while its engine runs another network.
public final class CompiledQuantisedNetwork {
    /// The compiled pass.
    public let pass: CodePass

    /// Compiles `graph` for passes over `images` images on `engine`.
    public init(_ graph: QuantisedGraph, images: Int, engine: CPUEngine) {
        var compiler = CodeCompiler(graph, CodePassBuilder(engine, images: images))
        pass = compiler.compiled()
    }

    /// Returns the logits (images, classes) of normalised images, which are valid until the next pass.
    public func forward(_ images: FeatureMap) -> Tensor { pass.run(images) }
}

/// Adds the operators of a graph to a pass.
private struct CodeCompiler {
    let graph: QuantisedGraph
    let builder: CodePassBuilder
    /// The nodes that read each value.
    private var readers: [[Int]]
    /// The maps of the values; nil for values that no step writes.
    private var maps: [PlannedCodes?]

    init(_ graph: QuantisedGraph, _ builder: CodePassBuilder) {
        self.graph = graph
        self.builder = builder
        readers = Array(repeating: [], count: graph.nodes.count + 1)
        maps = Array(repeating: nil, count: graph.nodes.count + 1)
        for (index, node) in graph.nodes.enumerated() {
            for input in node.inputs { readers[input].append(index) }
        }
    }

    mutating func compiled() -> CodePass {
        maps[0] = builder.input(
            size: graph.inputShape[1], channels: graph.inputShape[0], graph.input)
        var index = 0
        while index < graph.nodes.count - 1 {
            builder.label = graph.nodes[index].name
            let last = add(index)
            index = last + 1
        }
        guard let node = graph.nodes.last, case .dense(let weights) = node.operation else {
            preconditionFailure("a quantised graph ends in a linear layer")
        }
        builder.label = node.name
        return builder.finish(
            map(node.inputs[0]),
            logits: CodeWeights(
                values: weights.values, scales: weights.scales, bias: weights.bias,
                sums: node.output))
    }

    private func map(_ value: Int) -> PlannedCodes {
        guard let map = maps[value] else { preconditionFailure("value \(value) is not computed") }
        return map
    }

    /// Adds node `index` and those after it that are computed with it. Returns the last of them.
    private mutating func add(_ index: Int) -> Int {
        let node = graph.nodes[index], x = map(node.inputs[0]), output = node.output
        var last = index
        let made: PlannedCodes
        switch node.operation {
        case .convolution(let conv) where isPointwise(conv):
            let (weights, end) = layer(index, conv.weights)
            if let next = depthwise(after: end), next < graph.nodes.count - 1 {
                (made, last) = expansion(x, weights, next)
            } else {
                (made, last) = (builder.product(x, weights), end)
            }
        case .convolution(let conv) where conv.groups > 1:
            (made, last) = expansion(x, nil, index)
        case .convolution(let conv):
            let (weights, end) = layer(index, conv.weights)
            made = builder.convolution(
                x, weights, kernel: conv.kernel, stride: conv.stride, padding: conv.padding)
            last = end
        case .dense(let dense):
            let (weights, end) = layer(index, dense)
            (made, last) = (builder.product(x, weights), end)
        case .function(let function): made = builder.function(x, function, output)
        case .maxPooling(let size, let stride, let padding):
            made = builder.maxPooling(x, size: size, stride: stride, padding: padding)
        case .meanPooling(let size, _): made = builder.meanPooling(x, size: size, output)
        case .mean: made = builder.mean(x, output)
        case .flatten: made = builder.flatten(x)
        case .sum: made = builder.sum(x, map(node.inputs[1]), output)
        case .product: made = builder.gate(x, map(node.inputs[1]), output)
        }
        maps[last + 1] = made
        return last
    }

    private func isPointwise(_ conv: QuantisedGraph.Convolution) -> Bool {
        conv.kernel == 1 && conv.stride == 1 && conv.groups == 1
    }

    /// Returns the only node that reads the output of node `index`, if it is the next one.
    private func follower(of index: Int) -> Int? {
        readers[index + 1] == [index + 1] ? index + 1 : nil
    }

    /// Returns the depthwise convolution that alone reads the output of node `index`.
    private func depthwise(after index: Int) -> Int? {
        guard let next = follower(of: index),
            case .convolution(let conv) = graph.nodes[next].operation, conv.groups > 1
        else { return nil }
        return next
    }

    /// Returns the weights of node `index` with the function after it, and the last of these nodes.
    private func layer(_ index: Int, _ weights: QuantisedGraph.LinearWeights) -> (CodeWeights, Int)
    {
        var function: (kind: CodeFunction, output: Quantisation)?
        var last = index
        if let next = follower(of: index), case .function(let kind) = graph.nodes[next].operation {
            function = (kind, graph.nodes[next].output)
            last = next
        }
        return (
            CodeWeights(
                values: weights.values, scales: weights.scales, bias: weights.bias,
                sums: graph.nodes[index].output, function: function), last
        )
    }

    /// Adds the depthwise convolution `index` after the convolution `expand`. Returns the last node that it computes.
    private func expansion(_ x: PlannedCodes, _ expand: CodeWeights?, _ index: Int) -> (
        PlannedCodes, Int
    ) {
        guard case .convolution(let conv) = graph.nodes[index].operation else {
            preconditionFailure("node \(index) is no convolution")
        }
        let (weights, last) = layer(index, conv.weights)
        return (
            builder.expansion(x, expand: expand, weights, kernel: conv.kernel, stride: conv.stride),
            last
        )
    }
}
