// Passes through an `OperatorGraph` in floats that show every value, also those that the layers of Run/ and compiled
// passes never write. Quantisation needs their ranges.
import Tensors

/// The operators of a graph on an engine, with their weights in its memory.
final class GraphPass {
    /// The operators.
    let graph: OperatorGraph
    /// The engine that computes.
    let engine: any Engine
    private var weights: [Int: (values: Tensor, bias: ChannelMap?)] = [:]
    /// The last node that reads each value.
    private var lastReader: [Int]

    init(_ graph: OperatorGraph, engine: any Engine) {
        self.graph = graph
        self.engine = engine
        lastReader = Array(repeating: -1, count: graph.nodes.count + 1)
        for (index, node) in graph.nodes.enumerated() {
            for input in node.inputs { lastReader[input] = index }
            switch node.operation {
            case .convolution(let conv):
                let ordered =
                    conv.groups == 1
                    ? conv.weight : Self.transposed(conv.weight, rows: conv.outWidth)
                weights[index] = (
                    tensor(ordered),
                    ChannelMap(
                        scale: tensor(Array(repeating: 1, count: conv.outWidth)),
                        shift: tensor(conv.bias), activation: .identity)
                )
            case .dense(let dense):
                weights[index] = (
                    tensor(dense.weight),
                    dense.bias.map {
                        ChannelMap(
                            scale: tensor(Array(repeating: 1, count: dense.outWidth)),
                            shift: tensor($0), activation: .identity)
                    }
                )
            default: break
            }
        }
    }

    /// Runs `images` through the graph. Calls `visit` with each value's number and values; a value may not be kept.
    func run(_ images: FeatureMap, _ visit: (_ value: Int, _ map: FeatureMap) -> Void) {
        var values: [FeatureMap?] = [images]
        visit(0, images)
        for (index, node) in graph.nodes.enumerated() {
            guard let x = values[node.inputs[0]] else { preconditionFailure("a value was freed") }
            let other = node.inputs.count > 1 ? values[node.inputs[1]] : nil
            let made = apply(index, node.operation, x, other)
            visit(index + 1, made)
            values.append(made)
            for input in node.inputs where lastReader[input] == index { values[input] = nil }
        }
    }

    private func apply(
        _ index: Int, _ operation: OperatorGraph.Operation, _ x: FeatureMap, _ other: FeatureMap?
    ) -> FeatureMap {
        switch operation {
        case .convolution(let conv): return convolved(index, conv, x)
        case .dense(let dense):
            let y = map(x, 1, 1, dense.outWidth)
            guard let (values, bias) = weights[index] else { return y }
            engine.dense(
                x.tensor, count: x.images,
                weight: MatrixSlice(
                    values, rows: dense.outWidth, columns: dense.inWidth, stride: dense.inWidth),
                bias: bias?.shift, output: y.tensor)
            return y
        case .activation(let kind):
            let y = copy(x)
            engine.activate(y.tensor, kind, keep: nil)
            return y
        case .hardSigmoid:
            let y = copy(x)
            engine.hardSigmoid(y.tensor)
            return y
        case .maxPooling(let size, let stride, let padding):
            let out = (x.height + 2 * padding - size) / stride + 1
            let y = map(x, out, out, x.channels)
            engine.maxPooling(x, map: .identity, kernel: size, stride: stride, output: y)
            return y
        case .meanPooling(let size, let overhang):
            let out = (x.height + overhang) / size
            let y = map(x, out, out, x.channels)
            engine.meanPooling(x, map: .identity, size: size, output: y)
            return y
        case .mean:
            let y = map(x, 1, 1, x.channels)
            engine.mean(x, map: .identity, output: y.tensor)
            return y
        case .flatten:
            return FeatureMap(
                x.tensor, images: x.images, height: 1, width: 1, channels: x.pixels * x.channels)
        case .sum:
            let y = copy(x)
            if let other { engine.add(other.tensor, to: y.tensor) }
            return y
        case .product:
            let y = copy(x)
            guard let other else { return y }
            let gates = engine.download(other.tensor), perImage = x.pixels * x.channels
            let factors = engine.storage(x.tensor.count).all
            engine.upload(to: factors) { place in
                gates[place / perImage * x.channels + place % x.channels]
            }
            engine.scale(y.tensor, by: factors)
            return y
        }
    }

    private func convolved(_ index: Int, _ conv: OperatorGraph.Convolution, _ x: FeatureMap)
        -> FeatureMap
    {
        let out = (x.height + 2 * conv.padding - conv.kernel) / conv.stride + 1
        let y = map(x, out, out, conv.outWidth)
        guard let (values, bias) = weights[index], let bias else { return y }
        if conv.groups > 1 {
            precondition(conv.groups == conv.inWidth, "groups of one channel")
            engine.depthwise(
                x, map: .identity, filter: values, kernel: conv.kernel, stride: conv.stride,
                output: y, end: .folded(bias))
        } else if conv.kernel == 1 && conv.stride == 1 {
            engine.pointwise(
                x,
                weight: MatrixSlice(
                    values, rows: conv.outWidth, columns: conv.inWidth, stride: conv.inWidth),
                output: y, end: .folded(bias))
        } else {
            engine.convolution(
                x,
                weight: FilterSlice(
                    values, outputs: conv.outWidth, inputs: conv.inWidth, kernel: conv.kernel,
                    storedInputs: conv.inWidth),
                stride: conv.stride, output: y, end: .folded(bias))
        }
        return y
    }

    private func map(_ like: FeatureMap, _ height: Int, _ width: Int, _ channels: Int)
        -> FeatureMap
    {
        FeatureMap(
            engine.storage(like.images * height * width * channels).all, images: like.images,
            height: height, width: width, channels: channels)
    }

    private func copy(_ x: FeatureMap) -> FeatureMap {
        let y = map(x, x.height, x.width, x.channels)
        engine.copy(x.tensor, to: y.tensor)
        return y
    }

    private func tensor(_ values: [Float]) -> Tensor {
        let made = engine.storage(values.count).all
        engine.upload(values, to: made)
        return made
    }

    /// Returns a matrix of `rows` rows with its columns as rows.
    private static func transposed(_ values: [Float], rows: Int) -> [Float] {
        let columns = values.count / rows
        return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
    }
}
