// The small dense layers of squeeze-and-excite and of the head, over (images, features) matrices, and their gradients;
// also the loss, the optimizer step and plain matrix products. Dense layers have few rows and large weights, so each
// weight should be read once. Therefore the threads divide the features and read the weights in place; only the smaller
// matrix is packed or transposed.

import CKernels
import Foundation

extension CPUEngine {
    /// Computes output (count, out) = input (count, in) · weightᵀ + bias. `weight` is (out, in).
    public func dense(
        _ input: Tensor, count: Int, weight: MatrixSlice, bias: Tensor?, output: Tensor
    ) {
        let inputs = weight.columns, outputs = weight.rows
        reserve(.dense(inputs, outputs, count: count))
        pack(
            input.pointer, depthStride: 1, columnStride: inputs, depth: inputs, columns: count,
            factor: nil)
        forEachShare(
            "dense", flops: 2 * count * inputs * outputs,
            floats: count * (inputs + outputs) + inputs * outputs, outputs
        ) { thread, features in
            // weight · inputᵀ is the transposed output: a block of features is computed in scratch
            // and then transposed.
            let turned = scratch[thread].base
            let most = max(1, min(64, scratch[thread].count / count))
            for first in stride(from: features.lowerBound, to: features.upperBound, by: most) {
                let rows = min(most, features.upperBound - first)
                var end = ofa_end()
                kernels.product(
                    weight.tensor.pointer + first * weight.stride, Int64(weight.stride),
                    Int32(rows), Int32(inputs), packed.base, Int32(count), turned, Int64(count),
                    &end, nil)
                for row in 0..<rows {
                    let plus = bias.map { $0.pointer[first + row] } ?? 0
                    let to = output.pointer + first + row, from = turned + row * count
                    for n in 0..<count { to[n * outputs] = from[n] + plus }
                }
            }
        }
    }

    /// Computes the gradients of `dense`: adds doutᵀ · input to `weightGradient` and the column sums of dout to
    /// `biasGradient`, and writes dout · weight to `inputGradient`. `biasGradient` and `inputGradient` may be nil.
    public func denseGradient(
        _ dout: Tensor, input: Tensor, count: Int, weight: MatrixSlice, inputGradient: Tensor?,
        weightGradient: MatrixSlice, biasGradient: Tensor?
    ) {
        let inputs = weight.columns, outputs = weight.rows, d = dout.pointer
        reserve(.dense(inputs, outputs, count: count))
        let turned = packed.base
        forEachShare(
            "denseGradient",
            flops: 2 * count * inputs * outputs,
            floats: count * (inputs + outputs) + 2 * inputs * outputs, outputs
        ) { _, features in
            let first = features.lowerBound
            kernels.outer_product(
                d + first, Int64(outputs), Int32(features.count), input.pointer, Int64(inputs),
                Int32(inputs), Int32(count),
                weightGradient.tensor.pointer + first * weightGradient.stride,
                Int64(weightGradient.stride), nil)
            for feature in features {
                var sum: Float = 0
                for row in 0..<count {
                    let value = d[row * outputs + feature]
                    sum += value
                    turned[feature * count + row] = value
                }
                biasGradient?.pointer[feature] += sum
            }
        }
        guard let inputGradient else { return }
        forEachShare(
            "denseGradient", flops: 2 * count * inputs * outputs,
            floats: count * (inputs + outputs) + inputs * outputs, inputs
        ) { _, features in
            let to = inputGradient.pointer + features.lowerBound
            for row in 0..<count {
                (to + row * inputs).update(repeating: 0, count: features.count)
            }
            kernels.outer_product(
                turned, Int64(count), Int32(count), weight.tensor.pointer + features.lowerBound,
                Int64(weight.stride), Int32(features.count), Int32(outputs), to, Int64(inputs), nil)
        }
    }

    /// Computes c (m, n) = a · b (+ c with `accumulate`), row-major; either factor may be transposed. Runs on the
    /// caller's thread.
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

    /// Sets values = act(values); first copies the original values to `keep`, unless `keep` is nil.
    public func activate(_ values: Tensor, _ kind: Activation, keep: Tensor? = nil) {
        timed("activate", floats: values.count * (keep == nil ? 2 : 3)) {
            keep?.copy(from: values)
            UnitMap.shared.eachPart(of: values.count, kind) { first, rows, width, map in
                let at = values.pointer + first
                kernels.affine(ofa_map(at), 1, rows, width, map, nil, ofa_map(), at)
            }
        }
    }

    /// Multiplies `d` by act'(before).
    public func activateGradient(_ d: Tensor, before: Tensor, _ kind: Activation) {
        timed("activateGradient", floats: 3 * d.count) {
            UnitMap.shared.eachPart(of: d.count, kind) { first, rows, width, map in
                let at = d.pointer + first
                var upstream = ofa_upstream()
                (upstream.d, upstream.y) = (ofa_map(at), ofa_map(before.pointer + first))
                upstream.map = map
                kernels.norm_gradient(&upstream, 1, rows, width, at)
            }
        }
    }

    /// Sets values = relu6(values + 3) / 6, the gate of squeeze-and-excite.
    public func hardSigmoid(_ values: Tensor) {
        let p = values.pointer
        for i in 0..<values.count { p[i] = min(max(p[i] + 3, 0), 6) / 6 }
    }

    /// Multiplies `d` by hardSigmoid', where `gate` is the result of `hardSigmoid`: the derivative is 1/6 where the
    /// gate is strictly inside (0, 1), NaN where the gate is NaN, else 0.
    public func hardSigmoidGradient(_ d: Tensor, gate: Tensor) {
        let p = d.pointer, g = gate.pointer
        for i in 0..<d.count {
            p[i] = g[i] <= 0 || g[i] >= 1 ? 0 : g[i] < 1 ? p[i] / 6 : g[i]
        }
    }

    /// Adds the mean loss over the images to `totals`, and writes the gradient of this mean with respect to the logits
    /// to `gradient`. If the images are part of a batch of `partOf` images, writes the gradient of the sum of their
    /// losses divided by `partOf` instead.
    ///
    /// The loss is the cross entropy with labels smoothed by `smoothing`. If `soft` gives target probabilities (images,
    /// classes; rows sum to 1), `softWeight` times the cross entropy with `soft` is added. The published distillation
    /// uses temperature 1 and weight 1. `totals` gets the two cross entropies separately, the second without
    /// `softWeight`.
    public func crossEntropy(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor?, softWeight: Float,
        smoothing: Float, gradient: Tensor?, partOf batch: Int?, into totals: LossTotals
    ) {
        let images = labels.count
        precondition(
            labels.allSatisfy { (0..<classes).contains(Int($0)) },
            "crossEntropy: a label is not one of \(classes) classes")
        // `imageLoss` returns two losses, in double, and a 0 or 1 for top-1; each of the three is added up in the order
        // of the images.
        reserve(.sums(channels: 0, images: images))
        let results = losses
        forEachShare("crossEntropy", floats: images * classes * 2, images) { _, mine in
            for n in mine {
                results[n] = Self.imageLoss(
                    UnsafePointer(logits.pointer + n * classes), classes, Int(labels[n]),
                    soft.map { UnsafePointer($0.pointer + n * classes) }, Double(softWeight),
                    Double(smoothing), gradient.map { $0.pointer + n * classes },
                    share: 1 / Double(batch ?? images))
            }
        }
        var hard = 0.0, kept = 0.0
        for n in 0..<images {
            hard += results[n].0
            kept += results[n].1
            totals.loss.correct += results[n].2
        }
        totals.loss.hard += hard / Double(images)
        totals.loss.soft += kept / Double(images)
    }

    /// Returns the losses in `totals` and sets them to zero.
    public func read(_ totals: LossTotals) -> Loss {
        defer { totals.loss = Loss() }
        return totals.loss
    }

    /// Returns an image's `hard` loss, its `soft` loss, and 1 if its top-1 prediction is correct, else 0. Unless
    /// `gradient` is nil, writes `share` times the gradient of hard + `softWeight` * soft to `gradient`.
    private static func imageLoss(
        _ x: UnsafePointer<Float>, _ classes: Int, _ label: Int, _ soft: UnsafePointer<Float>?,
        _ softWeight: Double, _ smoothing: Double, _ gradient: UnsafeMutablePointer<Float>?,
        share: Double
    ) -> (Double, Double, Int) {
        var highest = x[0], best = 0
        for c in 1..<classes where x[c] > highest {
            highest = x[c]
            best = c
        }
        var sum = 0.0, total = 0.0, leaning = 0.0, softTotal = 0.0
        for c in 0..<classes {
            let e = exp(Double(x[c] - highest))
            gradient?[c] = Float(e)
            sum += e
            total += Double(x[c])
            if let soft {
                leaning += Double(soft[c]) * Double(x[c])
                softTotal += Double(soft[c])
            }
        }
        // log p = x - log, so a target t costs log * sum(t) - sum(t * x): one logarithm per row.
        let log = Foundation.log(sum) + Double(highest)
        let off = smoothing / Double(classes), on = 1 - smoothing
        let hard = log - off * total - on * Double(x[label])
        let kept = soft == nil ? 0 : log * softTotal - leaning
        if let gradient {
            let weight = (soft == nil ? 1 : 1 + softWeight) / sum
            for c in 0..<classes {
                var push = Double(gradient[c]) * weight - off - (c == label ? on : 0)
                if let soft { push -= softWeight * Double(soft[c]) }
                gradient[c] = Float(push * share)
            }
        }
        return (hard, kept, best == label ? 1 : 0)
    }

    /// Replaces each row of `classes` values by its softmax.
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

    /// Returns whether every number of `arenas` is finite.
    public func areFinite(_ arenas: [Storage]) -> Bool {
        var count = 0
        for arena in arenas { count += arena.count }
        let bad = withSums("areFinite", floats: count, channels: 1, images: threads) {
            _, parts, sums in
            for arena in arenas {
                let from = arena.count * parts.lowerBound / threads
                let end = arena.count * parts.upperBound / threads
                if kernels.all_finite(arena.base + from, Int64(end - from)) == 0 { sums[0] += 1 }
            }
        }
        return values(bad)[0] == 0
    }

    /// Returns the sum of the squares of an arena's values; the sum is finite exactly if all values
    /// are.
    public func squaredNorm(_ arena: Storage) -> Double {
        let blocks = (arena.count + 15) / 16
        let squares = withSums("squaredNorm", floats: arena.count, channels: 1, images: blocks) {
            _, mine, sums in
            let first = mine.lowerBound * 16
            sums[0] = kernels.sum_squares(
                arena.base + first, Int64(min(mine.count * 16, arena.count - first)))
        }
        return values(squares)[0]
    }

    /// Takes one step of SGD with Nesterov momentum on `range` of three arenas (weights, momentum, gradients) with the
    /// same layout. Sets the gradients in `range` to zero.
    public func sgd(
        _ weights: Storage, momentum speed: Storage, gradients: Storage, range: Range<Int>,
        rate: Float, momentum: Float, decay: Float
    ) {
        precondition(
            range.upperBound <= weights.count && speed.count == weights.count
                && gradients.count == weights.count,
            "sgd: \(range) of \(weights.count) weights, \(speed.count) speeds")
        forEachShare(
            "sgd", floats: range.count * 5, (range.count + 15) / 16
        ) { _, blocks in
            let first = range.lowerBound + blocks.lowerBound * 16
            let count = min(blocks.count * 16, range.upperBound - first)
            kernels.sgd(
                weights.base + first, speed.base + first, gradients.base + first, Int64(count),
                rate, momentum, decay)
        }
    }
}

/// A channel map of scale 1 and shift 0, so that an activation without a batch norm can use the same kernels: they read
/// an array as rows of `width` channels.
private final class UnitMap: @unchecked Sendable {
    // Safe because both arrays are written once, before the shared instance is published.
    static let shared = UnitMap()
    private static let width = 64
    private let ones = Tensor([Float](repeating: 1, count: width))
    private let zeros = Tensor([Float](repeating: 0, count: width))

    /// Cuts `count` values into rows; calls `body` for the complete rows, then for the remaining values as one shorter
    /// row.
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
