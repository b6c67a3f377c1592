// Dense layers with ReLU between them and one output, for many rows of zeros and ones: the inference of an accuracy
// predictor in a search. The first layer is a sum of rows of its weights, and the hidden layers skip inputs that the
// ReLU set to zero. Everything runs on the caller's thread.
//
// For random networks, half of the outputs of the published predictor's first layer and two thirds of the outputs of
// its second layer are zero (layer sizes 128-400-400-400-1).

import CKernels

/// A stack of dense layers, prepared for rows of zeros and ones. Only one thread at a time may use
/// a stack.
public final class DenseStack {
    /// A hidden layer: weights (inputs, outputs) row-major, and one bias per output.
    public struct Layer {
        let weights, bias: [Float]

        /// Takes the weights and biases; `weights.count` must be a multiple of `bias.count`.
        public init(weights: [Float], bias: [Float]) {
            precondition(
                !bias.isEmpty && weights.count.isMultiple(of: bias.count),
                "\(weights.count) weights for \(bias.count) outputs")
            (self.weights, self.bias) = (weights, bias)
        }

        var outputs: Int { bias.count }
        var inputs: Int { weights.count / bias.count }
    }

    private let table: UnsafePointer<ofa_kernels>
    private let first: Storage
    private let firstBias: Storage
    private let hidden: [(weights: Storage, bias: Storage, inputs: Int, outputs: Int)]
    private let last: Storage
    private let lastBias: Float
    private let units: Int
    private let rows: (Storage, Storage)
    private let scratch: Storage

    /// Rows per block. The activations of a block and the published predictor's weights fit in the
    /// second-level cache.
    private static let blockRows = 96

    /// Copies the weights. `first` is (inputs, units); `last` has one weight for each output of the layer before.
    ///
    /// Errors: `TensorError` `unsupportedInstructionSet`, if OFA_ISA names a set that this machine
    /// lacks.
    public init(
        first: Layer, hidden: [Layer], last: [Float], lastBias: Float,
        instructionSet: InstructionSet? = nil
    ) throws {
        table = try (instructionSet ?? InstructionSet.fromEnvironment()).table
        units = first.outputs
        self.first = Self.storage(first.weights)
        firstBias = Self.storage(first.bias)
        var inputs = units, widest = units
        self.hidden = hidden.map { layer in
            precondition(
                layer.inputs == inputs, "a layer of \(layer.inputs) inputs after \(inputs)")
            inputs = layer.outputs
            widest = max(widest, inputs)
            return (
                Self.storage(layer.weights), Self.storage(layer.bias), layer.inputs, layer.outputs
            )
        }
        precondition(last.count == inputs, "\(last.count) last weights after \(inputs) outputs")
        self.last = Self.storage(last)
        self.lastBias = lastBias
        rows = (
            Storage(count: Self.blockRows * widest), Storage(count: Self.blockRows * widest)
        )
        scratch = Storage(
            count: Int(table.pointee.sparse_scratch(Int32(Self.blockRows), Int32(widest))))
    }

    /// Returns the output of every row. `ones` lists, row after row, the indices of the inputs that are 1; the list of
    /// row r ends before `ones[ends[r]]`.
    public func outputs(ones: [Int32], ends: [Int]) -> [Float] {
        precondition((ends.last ?? 0) <= ones.count, "rows end within their list of ones")
        let inputs = first.count / units
        precondition(
            ones.allSatisfy { $0 >= 0 && Int($0) < inputs }, "an input is not one of \(inputs)")
        var results: [Float] = []
        results.reserveCapacity(ends.count)
        for start in stride(from: 0, to: ends.count, by: Self.blockRows) {
            let count = min(Self.blockRows, ends.count - start)
            for row in 0..<count {
                let from = start + row == 0 ? 0 : ends[start + row - 1]
                ones[from..<ends[start + row]].withUnsafeBufferPointer { ones in
                    table.pointee.sum_listed(
                        first.base, Int32(units), ones.baseAddress, Int32(ones.count),
                        firstBias.base, Int32(OFA_ACT_RELU), rows.0.base + row * units)
                }
            }
            var (from, to) = rows, width = units
            for layer in hidden {
                table.pointee.sparse_product(
                    from.base, Int64(width), Int32(count), Int32(layer.inputs), layer.weights.base,
                    Int32(layer.outputs), layer.bias.base, Int32(OFA_ACT_RELU), to.base,
                    Int64(layer.outputs), scratch.base)
                (from, to) = (to, from)
                width = layer.outputs
            }
            for row in 0..<count { results.append(dot(from.base + row * width, width)) }
        }
        return results
    }

    /// Returns the last layer's output for one row, computed by eight independent sums so that
    /// additions overlap.
    private func dot(_ row: UnsafePointer<Float>, _ width: Int) -> Float {
        let weights = last.base
        var sums = SIMD8<Float>(repeating: 0)
        var place = 0
        while place + 8 <= width {
            for lane in 0..<8 { sums[lane] += row[place + lane] * weights[place + lane] }
            place += 8
        }
        var total = sums.sum()
        while place < width {
            total += row[place] * weights[place]
            place += 1
        }
        return total + lastBias
    }

    private static func storage(_ values: [Float]) -> Storage {
        let storage = Storage(count: values.count)
        storage.all.fill(from: values)
        return storage
    }
}
