// Batch norm: statistics that stay right for many values far from zero, and what each mode does to the running ones.
import TestSupport
import Testing

@testable import Tensors

@Suite struct BatchNormTests {
    private let gamma = Tensor([2]), beta = Tensor([3])

    /// One channel of `values` through a 1x1 convolution by 1 and a norm; returns the state and the running numbers.
    private func norm(
        _ values: [Float], runningMean: Float, runningVariance: Float = 1, mode: NormMode,
        threads: Int = 2,
        set: InstructionSet? = nil
    ) throws -> (state: NormState, mean: Float, variance: Float) {
        let engine = try CPUEngine(threads: threads, instructionSet: set), images = 4
        precondition(values.count % images == 0)
        let input = FeatureMap(
            Tensor(values), images: images, height: 1, width: values.count / images, channels: 1)
        let output = FeatureMap(
            Storage(count: values.count).all, images: images, height: 1,
            width: values.count / images, channels: 1)
        let mean = Tensor([runningMean]), variance = Tensor([runningVariance]),
            state = NormState(width: 1, on: engine)
        let sums = engine.pointwise(
            input, weight: MatrixSlice(Tensor([1]), rows: 1, columns: 1, stride: 1), output: output,
            end: .statistics(center: mode.usesBatch ? mean : nil))
        engine.normalise(
            state,
            NormParameters(gamma: gamma, beta: beta, runningMean: mean, runningVariance: variance),
            sums: sums, channels: 1,
            rows: values.count, mode: mode, epsilon: 1e-5)
        return (state, mean[0], variance[0])
    }

    @Test("mean and variance of a million values far from zero agree with float64", arguments: sets)
    func manyValues(set: InstructionSet) throws {
        var stream = RandomStream(seed: 5)
        let values = (0..<1_000_000).map { _ in 1000 + stream.normal() }
        let mean = values.reduce(0.0) { $0 + Double($1) } / 1e6
        let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / 1e6
        // About a running mean that is near, sums of 64 floats lose at most 64 roundings of their size.
        let near = try norm(values, runningMean: 1000.5, mode: .calibrate(share: 1), set: set)
        #expect(abs(Double(near.mean) - mean) <= 1000 * unit + 64 * unit * 1.5)
        #expect(abs(Double(near.variance) - variance) <= 66 * unit * 1.5)
        // About a running mean that is 0 the squares are a million: what they lose stays that of 64 of them, not of all.
        let far = try norm(values, runningMean: 0, mode: .calibrate(share: 1), set: set)
        #expect(abs(Double(far.mean) - mean) <= 66 * unit * 1000)
        #expect(abs(Double(far.variance) - variance) <= 66 * unit * 1e6)
    }

    @Test("training moves the running numbers by the momentum, with the unbiased variance")
    func training() throws {
        let result = try norm(
            [1, 2, 3, 6], runningMean: 10, runningVariance: 20, mode: .train(momentum: 0.1))
        // Mean 3, variance 14/4 biased, 14/3 unbiased.
        #expect(abs(result.mean - 9.3) < 1e-6)
        #expect(abs(result.variance - (18 + 0.1 * 14 / 3)) < 1e-5)
        let inverse = 1 / (3.5 + 1e-5).squareRoot()
        #expect(abs(Double(result.state.scale[0]) - 2 * inverse) < 1e-6)
        #expect(abs(Double(result.state.shift[0]) - (3 - 3 * 2 * inverse)) < 1e-6)
        #expect(result.state.mean[0] == 3)
    }

    @Test("batch statistics alone leave the running numbers; running statistics ignore the batch")
    func others() throws {
        let batch = try norm([1, 2, 3, 6], runningMean: 10, runningVariance: 20, mode: .batch)
        #expect(batch.mean == 10 && batch.variance == 20 && batch.state.mean[0] == 3)
        let running = try norm([1, 2, 3, 6], runningMean: 10, runningVariance: 4, mode: .running)
        #expect(running.state.mean[0] == 10)
        #expect(abs(running.state.scale[0] - 1) < 1e-5)
        #expect(abs(running.state.shift[0] + 7) < 1e-4)
    }

    @Test("calibration is the mean over batches, by their images, of means and of biased variances")
    func calibration() throws {
        let first = try norm(
            [1, 2, 3, 6], runningMean: 99, runningVariance: 99, mode: .calibrate(share: 1))
        #expect(first.mean == 3 && first.variance == 3.5)
        let second = try norm(
            [0, 0, 2, 2], runningMean: first.mean, runningVariance: first.variance,
            mode: .calibrate(share: 0.5))
        #expect(second.mean == 2 && second.variance == 2.25)
        // A last batch of half as many images counts a fifth: 2 + (7 - 2) / 5 and 2.25 + (0.25 - 2.25) / 5.
        let last = try norm(
            [6.5, 7.5, 6.5, 7.5], runningMean: second.mean, runningVariance: second.variance,
            mode: .calibrate(share: 0.2))
        #expect(last.mean == 3 && abs(last.variance - 1.85) < 1e-6)
        // What was there before the first batch does not matter.
        let first2 = try norm(
            [1, 2, 3, 6], runningMean: 0, runningVariance: .infinity, mode: .calibrate(share: 1))
        #expect(first2.mean == 3 && first2.variance == 3.5)
    }

    @Test("batches of equal size have the shares that their numbers say, to the bit")
    func equalShares() {
        for images in 1...64 {
            for batch in 1...64 {
                #expect(Double(images) / Double(images * batch) == 1 / Double(batch))
            }
        }
    }

    @Test(
        "one NaN among the values makes the whole channel NaN, whatever the instruction set",
        arguments: sets)
    func nonFinite(set: InstructionSet) throws {
        for bad in [Float.nan, .infinity] {
            let state = try norm([1, 2, bad, 6], runningMean: 0, mode: .batch, set: set).state
            #expect(state.scale[0].isNaN && state.shift[0].isNaN)
        }
    }

    @Test("equal values have variance 0, not a negative one")
    func constant() throws {
        let result = try norm([0.1, 0.1, 0.1, 0.1], runningMean: 7, mode: .calibrate(share: 1))
        #expect(result.variance >= 0 && result.variance < 1e-5)
        #expect(result.state.scale[0].isFinite)
    }

    /// Who takes the statistics of a map, and how many rows one float sum takes there before it is added to double.
    enum Taker: String, CaseIterable, Sendable { case pointwise, depthwise, convolution }

    /// A million rows of three channels through a convolution that changes nothing.
    private func statistics(
        of values: [Float], by taker: Taker, about center: [Float], _ set: InstructionSet
    ) throws -> (output: [Float], state: NormState, variance: [Float], rows: Int) {
        let n = center.count, images = 4, size = 500
        let engine = try CPUEngine(threads: 2, instructionSet: set)
        let input = FeatureMap(values, images: images, size: size, channels: n)
        let output = FeatureMap(images: images, size: size, channels: n)
        let mean = Tensor(center), variance = Tensor([Float](repeating: 1, count: n))
        let end = ConvolutionEnd.statistics(center: mean)
        let rows: Int
        let sums: Tensors.ChannelSums
        switch taker {
        case .pointwise:
            let identity = Tensor((0..<n * n).map { $0 % (n + 1) == 0 ? 1 : 0 })
            sums = engine.pointwise(
                input, weight: MatrixSlice(identity, rows: n, columns: n, stride: n),
                output: output, end: end)
            rows = 96
        case .depthwise:
            let centre = Tensor((0..<9 * n).map { $0 / n == 4 ? 1 : 0 })
            sums = engine.depthwise(
                input, map: .identity, filter: centre, kernel: 3, stride: 1, output: output,
                end: end)
            // One band: 131,072 floats of input and output.
            rows = 131_072 / (2 * n)
        case .convolution:
            let centre = Tensor(
                (0..<n * n * 9).map { $0 % 9 == 4 && $0 / 9 % (n + 1) == 0 ? 1 : 0 })
            sums = engine.convolution(
                input,
                weight: FilterSlice(
                    centre, outputs: n, inputs: n, kernel: 3, storedInputs: n), stride: 1,
                output: output, end: end)
            rows = 96
        }
        let ones = Tensor([Float](repeating: 1, count: n)), state = NormState(width: n, on: engine)
        engine.normalise(
            state,
            NormParameters(
                gamma: ones, beta: Tensor([Float](repeating: 0, count: n)), runningMean: mean,
                runningVariance: variance),
            sums: sums, channels: n, rows: images * size * size, mode: .calibrate(share: 1),
            epsilon: 1e-5)
        return (output.tensor.values, state, variance.values, rows)
    }

    @Test(
        "the variance of a million rows is that of float64 but for the rounding of a block or band about the running mean",
        arguments: sets, Taker.allCases)
    func millionRows(set: InstructionSet, taker: Taker) throws {
        var stream = RandomStream(seed: 6)
        let n = 3, rows = 1_000_000
        // Mean 100 and deviation 0.1, mean 0 and deviation 1, mean -3 and deviation 0.5.
        let means: [Float] = [100, 0, -3], deviations: [Float] = [0.1, 1, 0.5]
        var values = [Float](repeating: 0, count: n * rows)
        for i in values.indices { values[i] = means[i % n] + deviations[i % n] * stream.normal() }
        // About a running mean a deviation away, as in training, and about 0, as in its first step.
        for center in [[Float(100.1), 0.7, -2.5], [0, 0, 0]] {
            let found = try statistics(of: values, by: taker, about: center, set)
            #expect(found.output == values)
            for c in 0..<n {
                var mean = 0.0, variance = 0.0, square = 0.0
                for row in 0..<rows { mean += Double(values[row * n + c]) / Double(rows) }
                for row in 0..<rows {
                    let value = Double(values[row * n + c]), off = value - Double(center[c])
                    variance += (value - mean) * (value - mean) / Double(rows)
                    square += off * off / Double(rows)
                }
                // Float sums of so many rows lose a rounding a row of their size, then all is double: E(v²) is off by
                // that many roundings of itself, and so is the square of E(v), which is smaller, twice.
                let bound = 3 * Double(found.rows + 4) * unit * square / variance
                let error = abs(Double(found.variance[c]) - variance) / variance
                let what = "\(set) \(taker.rawValue) about \(center[c])"
                #expect(error <= bound + 2 * unit, "\(what): off by \(error), bound \(bound)")
                // About 0 the bound of a mean of a thousand deviations is no use: what is squared is all mean.
                #expect(center[c] == 0 || bound < 0.01, "\(what): \(bound)")
                let meanError = abs(Double(found.state.mean[c]) - mean)
                #expect(
                    meanError <= Double(found.rows + 4) * unit * square.squareRoot()
                        + 2 * unit * abs(mean))
            }
        }
    }
}
