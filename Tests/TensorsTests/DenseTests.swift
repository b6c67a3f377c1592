// Dense layers, products, filters, and the loss, against definitions in double and numbers computed by hand.
import Foundation
import TestSupport
import Testing

@testable import Tensors

@Suite struct DenseTests {
    @Test(
        "a dense layer and its gradients are products with a slice", arguments: [1, 2, 3],
        [1, 2, 5, 7])
    func dense(threads: Int, count: Int) throws {
        let engine = try CPUEngine(threads: threads)
        for (inputs, outputs) in [(1, 1), (5, 8), (20, 3), (40, 24)] {
            let item = KernelCase(count, size: 1, channels: inputs), stride = inputs + 2
            let x = item.values(count * inputs, draw: 0), w = item.values(outputs * stride, draw: 1)
            let bias = item.values(outputs, draw: 2), d = item.values(count * outputs, draw: 3)
            let weight = MatrixSlice(Tensor(w), rows: outputs, columns: inputs, stride: stride)
            let output = Storage(count: count * outputs).all,
                dx = Storage(count: count * inputs).all
            // What is there is added to.
            let dweight = Tensor(item.values(outputs * (inputs + 1), draw: 4))
            let dbias = Tensor(item.values(outputs, draw: 5))
            let (beforeW, beforeB) = (dweight.values, dbias.values)
            engine.dense(
                Tensor(x), count: count, weight: weight, bias: Tensor(bias), output: output)
            engine.denseGradient(
                Tensor(d), input: Tensor(x), count: count, weight: weight, inputGradient: dx,
                weightGradient: MatrixSlice(
                    dweight, rows: outputs, columns: inputs, stride: inputs + 1),
                biasGradient: dbias)
            // Every number is below 1: sums of n products are off by less than n (n + 2) roundings.
            func bounds(_ values: Int, terms: Int) -> [Double] {
                .init(repeating: Double(terms * (terms + 2)) * unit, count: values)
            }
            var expected = [Float](repeating: 0, count: count * outputs)
            var expectedX = [Float](repeating: 0, count: count * inputs)
            // The column after the slice keeps what it holds.
            var expectedW = beforeW, expectedB = beforeB
            for n in 0..<count {
                for o in 0..<outputs {
                    expected[n * outputs + o] += bias[o]
                    expectedB[o] += d[n * outputs + o]
                    for i in 0..<inputs {
                        expected[n * outputs + o] += x[n * inputs + i] * w[o * stride + i]
                        expectedX[n * inputs + i] += d[n * outputs + o] * w[o * stride + i]
                        expectedW[o * (inputs + 1) + i] += d[n * outputs + o] * x[n * inputs + i]
                    }
                }
            }
            #expect(
                firstBeyond(
                    output.values, expected, bounds: bounds(expected.count, terms: inputs + 1))
                    == nil)
            #expect(
                firstBeyond(dx.values, expectedX, bounds: bounds(expectedX.count, terms: outputs))
                    == nil)
            #expect(
                firstBeyond(
                    dweight.values, expectedW, bounds: bounds(expectedW.count, terms: count + 1))
                    == nil)
            #expect(
                firstBeyond(dbias.values, expectedB, bounds: bounds(outputs, terms: count + 1))
                    == nil)
        }
    }

    @Test("cross entropy of logits whose softmax is 0.2, 0.3, 0.5")
    func crossEntropy() throws {
        let engine = try CPUEngine(threads: 1), p = [0.2, 0.3, 0.5]
        let logits = Tensor(p.map { Float(log($0)) + 7 }), gradient = Storage(count: 3).all
        let plain = engine.crossEntropy(
            logits, classes: 3, labels: [1], soft: nil, smoothing: 0, gradient: gradient)
        #expect(abs(plain.hard + log(0.3)) < 1e-6 && plain.soft == 0 && plain.correct == 0)
        #expect(firstBeyond(gradient.values, [0.2, -0.7, 0.5], bounds: [1e-6, 1e-6, 1e-6]) == nil)

        // Smoothing 0.3 gives targets 0.1, 0.1, 0.8; the soft targets weigh twice.
        let soft = Tensor([0.5, 0.25, 0.25])
        let both = engine.crossEntropy(
            logits, classes: 3, labels: [2], soft: soft, softWeight: 2, smoothing: 0.3,
            gradient: gradient)
        #expect(
            abs(both.hard + 0.1 * log(0.2) + 0.1 * log(0.3) + 0.8 * log(0.5)) < 1e-6
                && both.correct == 1)
        #expect(abs(both.soft + 0.5 * log(0.2) + 0.25 * log(0.3) + 0.25 * log(0.5)) < 1e-6)
        let expected: [Float] = [0.1 + 2 * -0.3, 0.2 + 2 * 0.05, -0.3 + 2 * 0.25]
        #expect(firstBeyond(gradient.values, expected, bounds: [1e-6, 1e-6, 1e-6]) == nil)
    }

    @Test("the loss is a mean over images, and large logits do not overflow")
    func lossOfMany() throws {
        let engine = try CPUEngine(threads: 1), gradient = Storage(count: 4).all
        let result = engine.crossEntropy(
            Tensor([1000, 0, 0, -1000]), classes: 2, labels: [0, 1], soft: nil, smoothing: 0,
            gradient: gradient)
        #expect(abs(result.hard - 500) < 1e-9 && result.correct == 1)
        #expect(gradient.values == [0, 0, 0.5, -0.5])
    }

    @Test(
        "a logit that is NaN or infinite gives a loss that is not finite",
        arguments: [Float.nan, .infinity])
    func lossOfNothing(value: Float) throws {
        let engine = try CPUEngine(threads: 1)
        for place in 0..<3 {
            var logits: [Float] = [1, 2, 3]
            logits[place] = value
            let result = engine.crossEntropy(
                Tensor(logits), classes: 3, labels: [0], soft: nil, smoothing: 0.1, gradient: nil)
            #expect(!result.hard.isFinite)
            let tensor = Tensor(logits)
            engine.softmax(tensor, classes: 3)
            #expect(tensor.values.contains { $0.isNaN })
        }
    }

    @Test("softmax rows sum to 1 and keep their order")
    func softmax() throws {
        let values = Tensor([0, 0, Float(log(2.0)), 500, 500, -500])
        try CPUEngine(threads: 1).softmax(values, classes: 3)
        #expect(
            firstBeyond(
                values.values, [0.25, 0.25, 0.5, 0.5, 0.5, 0],
                bounds: .init(repeating: 4 * unit, count: 6)) == nil)
    }

    @Test("cropping takes the centre, padding puts it back, and both are each other's transpose")
    func filters() throws {
        let engine = try CPUEngine(threads: 1), item = KernelCase(1, size: 1, channels: 3)
        for (from, to) in [(7, 5), (5, 3), (7, 3)] {
            let filters = item.values(3 * from * from, draw: 0),
                small = item.values(3 * to * to, draw: 1)
            let crop = Storage(count: 3 * to * to).all, grown = Storage(count: 3 * from * from).all
            engine.cropFilters(Tensor(filters), channels: 3, from: from, to: to, output: crop)
            let border = (from - to) / 2
            #expect(crop[to + 1] == filters[(1 + border) * from + 1 + border])
            #expect(crop[2 * to * to] == filters[2 * from * from + border * from + border])
            grown.fill(with: 9)
            engine.padFilters(Tensor(small), channels: 3, from: from, to: to, output: grown)
            // <crop(f), s> = <f, pad(s)>, the same products in another order.
            #expect(abs(crop.values.dot(small) - filters.dot(grown.values)) < 1e-12)
        }
    }

    @Test("matrix products with either factor transposed")
    func multiply() throws {
        let engine = try CPUEngine(threads: 1)
        let a = Tensor([1, 2, 3, 4, 5, 6]), b = Tensor([1, 0, 2, 1, 3, 1])
        func result(_ rows: Int, _ columns: Int, _ body: (MatrixSlice) -> Void) -> [Float] {
            let c = Storage(count: rows * columns).all
            body(MatrixSlice(c, rows: rows, columns: columns, stride: columns))
            return c.values
        }
        let (wideA, tallA) = (
            MatrixSlice(a, rows: 2, columns: 3, stride: 3),
            MatrixSlice(a, rows: 3, columns: 2, stride: 2)
        )
        let (wideB, tallB) = (
            MatrixSlice(b, rows: 2, columns: 3, stride: 3),
            MatrixSlice(b, rows: 3, columns: 2, stride: 2)
        )
        #expect(result(2, 2) { engine.multiply(wideA, tallB, into: $0) } == [14, 5, 32, 11])
        #expect(
            result(2, 2) { engine.multiply(wideA, wideB, transposeSecond: true, into: $0) } == [
                7, 10, 16, 25,
            ])
        #expect(
            result(2, 2) { engine.multiply(tallA, tallB, transposeFirst: true, into: $0) } == [
                22, 8, 28, 10,
            ])
    }
}
