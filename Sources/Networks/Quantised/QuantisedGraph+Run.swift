// The definition of what a quantised graph computes: one image, one loop per dimension, sums in 32 bits. Faster passes
// must give the same codes.
import Tensors

/// The codes of one image's map, (height, width, channels), or of features.
public struct CodeMap: Sendable, Equatable {
    /// The codes.
    public internal(set) var codes: [UInt8]
    /// Height and width, 1 for features; the number of channels.
    public let size, channels: Int

    /// Takes size · size · channels codes.
    public init(_ codes: [UInt8], size: Int, channels: Int) {
        precondition(codes.count == size * size * channels, "\(codes.count) codes")
        (self.codes, self.size, self.channels) = (codes, size, channels)
    }
}

extension QuantisedGraph {
    /// Returns the logits of `image`, (height, width, channels) of normalised pixels.
    public func logits(_ image: [Float]) -> [Float] { run(image).logits }

    /// Returns the codes of every value but the last, and the logits, of `image`.
    public func run(_ image: [Float]) -> (codes: [CodeMap], logits: [Float]) {
        var values = [CodeMap(image.map(input.code), size: inputShape[1], channels: inputShape[0])]
        for (index, node) in nodes.enumerated() {
            let x = values[node.inputs[0]], from = quantisation(of: node.inputs[0])
            switch node.operation {
            case .convolution(let conv): values.append(convolved(x, conv, from, node.output))
            case .dense(let weights):
                let sums = Self.sums(x.codes, weights, from)
                if index == nodes.count - 1 {
                    let logits = zip(sums, weights.scales).map { Float($0) * (from.scale * $1) }
                    return (values, logits)
                }
                let codes = zip(sums, weights.scales).map {
                    node.output.code($0, times: from.scale * $1 / node.output.scale)
                }
                values.append(CodeMap(codes, size: 1, channels: codes.count))
            case .function(let function):
                let table = function.table(from: from, to: node.output)
                values.append(
                    CodeMap(x.codes.map { table[Int($0)] }, size: x.size, channels: x.channels))
            case .maxPooling(let size, let stride, let padding):
                let out = (x.size + 2 * padding - size) / stride + 1
                values.append(
                    x.windows(size, stride, before: padding, out: out) { $0.max() ?? 0 })
            case .meanPooling(let size, let overhang):
                values.append(
                    x.windows(size, size, before: 0, out: (x.size + overhang) / size) {
                        Self.mean($0, from, node.output)
                    })
            case .mean:
                values.append(
                    x.windows(x.size, x.size, before: 0, out: 1) {
                        Self.mean($0, from, node.output)
                    })
            case .flatten: values.append(CodeMap(x.codes, size: 1, channels: x.codes.count))
            case .sum:
                let sum = CodeSum(from, quantisation(of: node.inputs[1]), to: node.output)
                let codes = zip(x.codes, values[node.inputs[1]].codes).map { sum.code($0, $1) }
                values.append(CodeMap(codes, size: x.size, channels: x.channels))
            case .product:
                let gate = values[node.inputs[1]].codes
                let product = CodeProduct(from, quantisation(of: node.inputs[1]), to: node.output)
                let codes = x.codes.enumerated().map { index, code in
                    product.code(code, gate[index % x.channels])
                }
                values.append(CodeMap(codes, size: x.size, channels: x.channels))
            }
        }
        return (values, [])
    }

    /// Returns the mean's code for the codes of a window: the sum is exact, and rounded once.
    private static func mean(_ codes: [UInt8], _ from: Quantisation, _ to: Quantisation) -> UInt8 {
        let sum = codes.reduce(Int32(0)) { $0 + from.offset($1) }
        return to.code(sum, times: from.scale / (to.scale * Float(codes.count)))
    }

    private static func sums(_ x: [UInt8], _ weights: LinearWeights, _ from: Quantisation)
        -> [Int32]
    {
        let depth = x.count
        return (0..<weights.outputs).map { output in
            var sum = weights.bias[output]
            for k in 0..<depth {
                sum += Int32(weights.values[output * depth + k]) * from.offset(x[k])
            }
            return sum
        }
    }

    private func convolved(
        _ x: CodeMap, _ conv: Convolution, _ from: Quantisation, _ to: Quantisation
    ) -> CodeMap {
        let side = conv.kernel, out = (x.size + 2 * conv.padding - side) / conv.stride + 1
        let inputs = conv.inWidth / conv.groups, outputs = conv.outWidth / conv.groups
        let weights = conv.weights
        let factors = weights.scales.map { from.scale * $0 / to.scale }
        var codes = [UInt8](repeating: 0, count: out * out * conv.outWidth)
        for oy in 0..<out {
            for ox in 0..<out {
                for channel in 0..<conv.outWidth {
                    let first = channel / outputs * inputs
                    var sum = weights.bias[channel]
                    for ky in 0..<side {
                        let y = oy * conv.stride + ky - conv.padding
                        guard y >= 0 && y < x.size else { continue }
                        for kx in 0..<side {
                            let column = ox * conv.stride + kx - conv.padding
                            guard column >= 0 && column < x.size else { continue }
                            let at = (y * x.size + column) * x.channels + first
                            var weight = (channel * inputs * side + ky) * side + kx
                            for input in 0..<inputs {
                                sum +=
                                    Int32(weights.values[weight]) * from.offset(x.codes[at + input])
                                weight += side * side
                            }
                        }
                    }
                    codes[(oy * out + ox) * conv.outWidth + channel] = to.code(
                        sum, times: factors[channel])
                }
            }
        }
        return CodeMap(codes, size: out, channels: conv.outWidth)
    }
}

extension CodeMap {
    /// Returns a map of out × out pixels, each `body` of the codes of one channel in a window, without the pixels
    /// outside of the map.
    fileprivate func windows(
        _ side: Int, _ stride: Int, before: Int, out: Int, _ body: ([UInt8]) -> UInt8
    ) -> CodeMap {
        var result: [UInt8] = []
        result.reserveCapacity(out * out * channels)
        for oy in 0..<out {
            let rows = (oy * stride - before..<oy * stride - before + side)
                .clamped(to: 0..<size)
            for ox in 0..<out {
                let columns = (ox * stride - before..<ox * stride - before + side)
                    .clamped(to: 0..<size)
                for channel in 0..<channels {
                    var window: [UInt8] = []
                    for y in rows {
                        for x in columns {
                            window.append(codes[(y * size + x) * channels + channel])
                        }
                    }
                    result.append(body(window))
                }
            }
        }
        return CodeMap(result, size: out, channels: channels)
    }
}
