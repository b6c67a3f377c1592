// NaN and infinity in whole layers and the loss; the operators below them are in NonFiniteTests.
import CKernels
import Foundation
import TestSupport
import Testing

@testable import Tensors

extension NonFiniteTests {
    @Test("in dense layers and the loss, image by image", arguments: sets)
    func dense(set: InstructionSet) throws {
        for (number, inputs) in Self.widths.enumerated() {
            var draws = Draws(8500 + number)
            let (count, outputs) = (1 + number % 5, Self.widths[(number * 5 + 3) % 13])
            let engine = try CPUEngine(threads: 1 + number % 2, instructionSet: set)
            let arrays = [
                draws.factors(count * inputs), draws.factors(outputs * inputs),
                draws.values(outputs), draws.factors(count * outputs),
            ]
            let places = arrays.indices.map { ($0, draws.integer(0...arrays[$0].count - 1)) }
            check("\(set) dense \(count)x\(inputs)x\(outputs) \(draws)", arrays, places: places) {
                let x = Tensor($0[0]), d = Tensor($0[3])
                let weight = MatrixSlice(
                    Tensor($0[1]), rows: outputs, columns: inputs, stride: inputs)
                let output = Storage(count: count * outputs).all
                let dx = Storage(count: count * inputs).all
                let dweight = Storage(count: outputs * inputs).all
                let dbias = Storage(count: outputs).all
                engine.dense(x, count: count, weight: weight, bias: Tensor($0[2]), output: output)
                engine.denseGradient(
                    d, input: x, count: count, weight: weight, inputGradient: dx,
                    weightGradient: MatrixSlice(
                        dweight, rows: outputs, columns: inputs, stride: inputs),
                    biasGradient: dbias)
                return [output, dx, dweight, dbias].flatMap { doubles($0.values) }
            }
        }
    }

    @Test("in the loss and its gradient: all classes of one image, and no other image")
    func loss() throws {
        let engine = try CPUEngine(threads: 2), classes = 5, labels: [Int32] = [0, 3, 4]
        var draws = Draws(8600)
        let inputs = [draws.values(15), (0..<15).map { _ in Float(0.2) }]
        for wantsSoft in [false, true] {
            for place in [0, 7, 9, 14] {
                for bad in [Float.nan, .infinity] {
                    func run(_ inputs: [[Float]]) -> (loss: Double, gradient: [Float]) {
                        let gradient = Storage(count: 15).all
                        let found = engine.crossEntropy(
                            Tensor(inputs[0]), classes: classes, labels: labels,
                            soft: wantsSoft ? Tensor(inputs[1]) : nil, smoothing: 0.1,
                            gradient: gradient)
                        return (found.hard + found.soft, gradient.values)
                    }
                    let clean = run(inputs)
                    for array in wantsSoft ? [0, 1] : [0] {
                        var changed = inputs
                        changed[array][place] = bad
                        let found = run(changed)
                        #expect(!found.loss.isFinite && clean.loss.isFinite)
                        for i in 0..<15 {
                            let isBad = array == 0 ? i / 5 == place / 5 : i == place
                            #expect(found.gradient[i].isFinite != isBad, "\(bad) at \(place): \(i)")
                            if !isBad { #expect(found.gradient[i] == clean.gradient[i]) }
                        }
                    }
                }
            }
        }
    }

    @Test("in batch norm: its channel, and no other", arguments: sets)
    func batchNorm(set: InstructionSet) throws {
        for (number, n) in Self.widths.enumerated() {
            var draws = Draws(8700 + number)
            let engine = try CPUEngine(threads: 1, instructionSet: set), rows = 12
            let zeros = Tensor([Float](repeating: 0, count: n))
            let ones = Tensor([Float](repeating: 1, count: n)),
                state = NormState(width: n, on: engine)
            let inputs = [draws.values(rows * n)], place = draws.integer(0...rows * n - 1)
            for bad in [Float.nan, .infinity] {
                var changed = inputs[0]
                changed[place] = bad
                let output = FeatureMap(
                    Storage(count: rows * n).all, images: 1, height: 1, width: rows, channels: n)
                // Statistics of a map as it is: a product with 1 would carry 0 * NaN over the row.
                let map = FeatureMap(
                    Tensor(changed), images: 1, height: 1, width: rows, channels: n)
                var filter = [Float](repeating: 0, count: 9 * n)
                for c in 0..<n { filter[4 * n + c] = 1 }
                let sums = engine.depthwise(
                    map, map: .identity, filter: Tensor(filter), kernel: 3, stride: 1,
                    output: output, end: .statistics(center: zeros))
                engine.normalise(
                    state,
                    NormParameters(
                        gamma: ones, beta: zeros, runningMean: zeros, runningVariance: ones),
                    sums: sums, channels: n, rows: rows, mode: .batch, epsilon: 1e-5)
                for c in 0..<n {
                    let isBad = c == place % n
                    #expect(
                        state.scale[c].isNaN == isBad && state.shift[c].isNaN == isBad,
                        "\(set) \(draws): \(bad), \(c) of \(n)")
                }
            }
        }
    }
}
