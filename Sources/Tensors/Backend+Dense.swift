// Small dense layers over (images, features) matrices: squeeze-and-excite, the head, and their gradients;
// also the loss and plain matrix products for other rooms.

import CKernels
import Foundation

extension Backend {
    /// output (n, out) = input (n, in) · weightᵀ + bias. `weight` is (out, in).
    public func dense(
        _ input: Tensor, count: Int, weight: MatrixSlice, bias: Tensor?, output: Tensor
    ) {
        let inputs = weight.columns, outputs = weight.rows
        forEachShare(count) { _, rows in
            let to = output.pointer + rows.lowerBound * outputs
            if let bias {
                for row in 0..<rows.count {
                    (to + row * outputs).update(from: bias.pointer, count: outputs)
                }
            }
            gemm(
                false, true, rows.count, outputs, inputs, input.pointer + rows.lowerBound * inputs,
                inputs,
                weight.tensor.pointer, weight.stride, bias == nil ? 0 : 1, to, outputs)
        }
    }

    /// Gradients of `dense`: adds doutᵀ · input and the column sums of dout to each thread's gradients, and writes
    /// dout · weight to `inputGradient`.
    public func denseGradient(
        _ dout: Tensor, input: Tensor, count: Int, weight: MatrixSlice, inputGradient: Tensor?,
        weightGradient: (_ thread: Int) -> MatrixSlice, biasGradient: ((_ thread: Int) -> Tensor)?
    ) {
        let inputs = weight.columns, outputs = weight.rows
        forEachShare(count) { thread, rows in
            let d = dout.pointer + rows.lowerBound * outputs
            let dweight = weightGradient(thread)
            gemm(
                true, false, outputs, inputs, rows.count, d, outputs,
                input.pointer + rows.lowerBound * inputs, inputs,
                1, dweight.tensor.pointer, dweight.stride)
            if let bias = biasGradient?(thread).pointer {
                for row in 0..<rows.count {
                    for c in 0..<outputs { bias[c] += d[row * outputs + c] }
                }
            }
            if let inputGradient {
                gemm(
                    false, false, rows.count, inputs, outputs, d, outputs, weight.tensor.pointer,
                    weight.stride, 0,
                    inputGradient.pointer + rows.lowerBound * inputs, inputs)
            }
        }
    }

    /// c (m, n) = a · b (+ c with `accumulate`), row-major, with either factor transposed. On the caller's thread.
    public func multiply(
        _ a: MatrixSlice, _ b: MatrixSlice, transposeFirst transposeA: Bool = false,
        transposeSecond transposeB: Bool = false, accumulate: Bool = false, into c: MatrixSlice
    ) {
        let depth = transposeA ? a.rows : a.columns
        precondition(
            c.rows == (transposeA ? a.columns : a.rows)
                && c.columns == (transposeB ? b.rows : b.columns)
                && depth == (transposeB ? b.columns : b.rows),
            "multiply: \(a.rows)x\(a.columns)\(transposeA ? "ᵀ" : "") by \(b.rows)x\(b.columns)\(transposeB ? "ᵀ" : "")"
                + " does not give \(c.rows)x\(c.columns)")
        gemm(
            transposeA, transposeB, c.rows, c.columns, depth, a.tensor.pointer, a.stride,
            b.tensor.pointer, b.stride,
            accumulate ? 1 : 0, c.tensor.pointer, c.stride)
    }

    /// values = act(values); with `keep`, the values before are copied there first.
    public func activate(_ values: Tensor, _ kind: Activation, keep: Tensor? = nil) {
        keep?.copy(from: values)
        UnitMap.shared.eachPart(of: values.count, kind) { first, rows, width, map in
            let at = values.pointer + first
            kernels.affine(at, 1, rows, width, map, nil, nil, at)
        }
    }

    /// d = d * act'(before).
    public func activateGradient(_ d: Tensor, before: Tensor, _ kind: Activation) {
        UnitMap.shared.eachPart(of: d.count, kind) { first, rows, width, map in
            let at = d.pointer + first
            kernels.gradient(
                at, before.pointer + first, 1, rows, width, map, nil, nil, nil, at, nil)
        }
    }

    /// values = relu6(values + 3) / 6, the gate of squeeze-and-excite.
    public func hardSigmoid(_ values: Tensor) {
        let p = values.pointer
        for i in 0..<values.count { p[i] = min(max(p[i] + 3, 0), 6) / 6 }
    }

    /// d = d * hardSigmoid' where `gate` is the function's result: 1/6 strictly inside (0, 1), else 0.
    public func hardSigmoidGradient(_ d: Tensor, gate: Tensor) {
        let p = d.pointer, g = gate.pointer
        for i in 0..<d.count { p[i] = g[i] > 0 && g[i] < 1 ? p[i] / 6 : 0 }
    }

    /// The mean loss over images, and its gradient at the logits.
    ///
    /// Cross entropy with labels smoothed by `smoothing`, plus, with `soft` (images, classes; rows sum to 1),
    /// `softWeight` times the cross entropy against it: the published loss has temperature 1 and weight 1. Returns
    /// both terms, unweighted, and how many first answers were right.
    public func crossEntropy(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor?, softWeight: Float = 1,
        smoothing: Float,
        gradient: Tensor?
    ) -> (hard: Double, soft: Double, correct: Int) {
        let images = labels.count
        var hard = 0.0, kept = 0.0, correct = 0
        for n in 0..<images {
            let x = logits.pointer + n * classes, label = Int(labels[n])
            precondition(
                label >= 0 && label < classes,
                "label \(label) of image \(n): there are \(classes) classes")
            var highest = x[0], best = 0
            for c in 1..<classes where x[c] > highest {
                highest = x[c]
                best = c
            }
            if best == label { correct += 1 }
            var sum = 0.0
            for c in 0..<classes { sum += exp(Double(x[c] - highest)) }
            let log = Foundation.log(sum) + Double(highest)
            let off = Double(smoothing) / Double(classes), on = 1 - Double(smoothing) + off
            for c in 0..<classes {
                let logp = Double(x[c]) - log
                let target = c == label ? on : off
                hard -= target * logp
                var push = exp(logp) - target
                if let soft {
                    let s = Double(soft.pointer[n * classes + c])
                    kept -= s * logp
                    push += Double(softWeight) * (exp(logp) - s)
                }
                if let gradient { gradient.pointer[n * classes + c] = Float(push / Double(images)) }
            }
        }
        return (hard / Double(images), kept / Double(images), correct)
    }

    /// values (rows of `classes`) = softmax of each row.
    public func softmax(_ values: Tensor, classes: Int) {
        for row in 0..<values.count / classes {
            let x = values.pointer + row * classes
            var highest = x[0]
            for c in 1..<classes { highest = max(highest, x[c]) }
            var sum: Float = 0
            for c in 0..<classes {
                x[c] = exp(x[c] - highest)
                sum += x[c]
            }
            for c in 0..<classes { x[c] /= sum }
        }
    }

    /// One step of SGD with Nesterov momentum on a range of the arena; sums and clears the threads' gradients.
    public func sgd(
        _ weights: Tensor, momentum speed: Tensor, gradients: [Tensor], rate: Float,
        momentum: Float, decay: Float
    ) {
        forEachShare((weights.count + 15) / 16) { _, blocks in
            let first = blocks.lowerBound * 16,
                count = min(blocks.count * 16, weights.count - first)
            withUnsafeTemporaryAllocation(
                of: UnsafeMutablePointer<Float>?.self, capacity: gradients.count
            ) { parts in
                for index in gradients.indices { parts[index] = gradients[index].pointer + first }
                kernels.sgd(
                    weights.pointer + first, speed.pointer + first, parts.baseAddress,
                    Int32(gradients.count),
                    Int64(count), rate, momentum, decay)
            }
        }
    }
}

/// Scale 1 and shift 0, for activations that follow no batch norm: any array read as rows of a few channels.
private final class UnitMap: @unchecked Sendable {
    // Safe because both arrays are written once, before the shared instance is visible to anybody.
    static let shared = UnitMap()
    private static let width = 64
    private let ones = Tensor([Float](repeating: 1, count: width))
    private let zeros = Tensor([Float](repeating: 0, count: width))

    /// Calls `body` for the whole rows of `count` values, then for the rest as one row.
    func eachPart(
        of count: Int, _ kind: Activation,
        _ body: (_ first: Int, _ rows: Int32, _ width: Int32, ofa_affine) -> Void
    ) {
        let map = ofa_affine(
            scale: UnsafePointer(ones.pointer), shift: UnsafePointer(zeros.pointer),
            activation: kind.code)
        let whole = count / Self.width * Self.width
        if whole > 0 { body(0, Int32(count / Self.width), Int32(Self.width), map) }
        if whole < count { body(whole, 1, Int32(count - whole), map) }
    }
}
