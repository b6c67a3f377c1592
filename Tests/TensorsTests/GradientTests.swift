// Every operator's gradient against differences of its values: the operator, a batch norm, an activation, and a fixed
// random weighting of what comes out.
import TestSupport
import Testing

@testable import Tensors

@Suite struct GradientTests {
    /// An operator between a batch norm and its inputs.
    private struct Layer {
        let item: KernelCase
        let engine: CPUEngine
        let x, weight, gamma, beta: Tensor
        let weighting: [Float]
        let outChannels: Int
        let state: NormState
        let output, result: FeatureMap

        init(_ item: KernelCase, weights: Int, outChannels: Int, _ set: InstructionSet) throws {
            self.item = item
            self.outChannels = outChannels
            engine = try CPUEngine(threads: item.threads, instructionSet: set)
            x = Tensor(item.values(item.rows * item.channels, draw: 0))
            weight = Tensor(item.values(weights, draw: 1))
            // Small enough that nothing reaches ±3, where h_swish bends: differences need smooth functions, and the
            // slopes on either side are compared with their definition elsewhere.
            gamma = Tensor(item.factors(outChannels, draw: 2).map { 0.4 * $0 })
            beta = Tensor(item.values(outChannels, draw: 3).map { 0.4 * $0 })
            weighting = item.values(item.outRows * outChannels, draw: 4)
            state = NormState(width: outChannels, on: engine)
            output = FeatureMap(images: item.images, size: item.outSize, channels: outChannels)
            result = FeatureMap(images: item.images, size: item.outSize, channels: outChannels)
        }

        var input: FeatureMap {
            FeatureMap(
                x, images: item.images, height: item.size, width: item.size, channels: item.channels
            )
        }
        let center = Tensor([Float](repeating: 0, count: 64))

        /// The weighted sum of what comes out, after `operate` has written `output` and its sums.
        func loss(_ operate: () -> ChannelSums) -> (value: Double, size: Double) {
            let sums = operate()
            let ones = Tensor([Float](repeating: 1, count: 64))
            engine.normalise(
                state,
                NormParameters(
                    gamma: gamma, beta: beta, runningMean: center, runningVariance: ones),
                sums: sums, channels: outChannels, rows: output.rows, mode: .batch, epsilon: 1e-5)
            engine.affine(output, map: state.map(.hSwish), residual: nil, output: result)
            let values = result.tensor.values
            return (
                values.dot(weighting),
                zip(values, weighting).reduce(0) { $0 + Double(abs($1.0 * $1.1)) }
            )
        }

        /// The gradient that arrives at the output, and the gradients of gamma and beta.
        func backward() -> (upstream: Upstream, gamma: [Float], beta: [Float]) {
            let upstream = Upstream(
                FeatureMap(
                    weighting, images: item.images, size: item.outSize, channels: outChannels),
                y: output, map: state.map(.hSwish))
            let sums = engine.gradientSums(upstream, center: state.mean)
            let (dgamma, dbeta) = (Storage(count: outChannels).all, Storage(count: outChannels).all)
            engine.normGradient(
                state, sums: sums, gamma: gamma, gammaGradient: dgamma, betaGradient: dbeta,
                channels: outChannels, rows: output.rows)
            return (upstream, dgamma.values, dbeta.values)
        }

        /// Compares a gradient with differences along itself and along random directions.
        func check(
            _ name: String, _ tensor: Tensor, _ gradient: [Float], step: Float = 0.01,
            loss: () -> (value: Double, size: Double)
        ) {
            let length = gradient.length
            for draw in 0..<4 {
                let direction =
                    draw == 0
                    ? gradient.map { $0 / Float(length) * Float(gradient.count).squareRoot() }
                    : FiniteDifference.direction(gradient.count, draw: draw)
                // A value goes through a few hundred roundings, most of which cancel.
                let difference = FiniteDifference(
                    of: tensor, along: direction, step: step, roundings: 50, loss: loss)
                let slope = gradient.dot(direction)
                #expect(
                    abs(slope - difference.slope) <= difference.uncertainty,
                    "\(item) \(name): \(slope), differences \(difference)")
                #expect(
                    difference.uncertainty < 0.03 * max(length, abs(slope)),
                    "\(item) \(name): \(difference) of \(length)")
            }
        }
    }

    @Test("pointwise and batch norm", arguments: sets)
    func pointwise(set: InstructionSet) throws {
        for (number, size, channels, outs) in [(3, 5, 8, 5), (4, 3, 5, 20), (6, 4, 20, 8)] {
            let item = KernelCase(number, size: size, channels: channels, outChannels: outs)
            let layer = try Layer(item, weights: outs * channels, outChannels: outs, set),
                engine = layer.engine
            let weight = MatrixSlice(layer.weight, rows: outs, columns: channels, stride: channels)
            let loss = {
                layer.loss {
                    engine.pointwise(
                        layer.input, weight: weight, output: layer.output,
                        end: .statistics(center: layer.center))
                }
            }
            _ = loss()
            let (upstream, gamma, beta) = layer.backward()
            let dx = FeatureMap(images: item.images, size: size, channels: channels)
            let dweight = Storage(count: outs * channels).all
            engine.pointwiseGradient(
                upstream, norm: layer.state.gradient, input: layer.input, weight: weight,
                inputGradient: dx,
                accumulate: false,
                weightGradient: MatrixSlice(
                    dweight, rows: outs, columns: channels, stride: channels))
            layer.check("input", layer.x, dx.tensor.values, loss: loss)
            layer.check("weight", layer.weight, dweight.values, loss: loss)
            layer.check("gamma", layer.gamma, gamma, loss: loss)
            layer.check("beta", layer.beta, beta, loss: loss)
        }
    }

    @Test("depthwise with a mapped input and batch norm", arguments: sets)
    func depthwise(set: InstructionSet) throws {
        for (number, size, channels, kernel, stride) in [
            (3, 7, 5, 3, 1), (4, 7, 8, 5, 2), (16, 10, 9, 7, 1), (5, 4, 8, 7, 2),
        ] {
            let item = KernelCase(
                number, size: size, channels: channels, kernel: kernel, stride: stride)
            let layer = try Layer(
                item, weights: kernel * kernel * channels, outChannels: channels, set)
            let engine = layer.engine, ones = Tensor([Float](repeating: 1, count: channels))
            let map = ChannelMap(
                scale: ones, shift: Tensor(item.values(channels, draw: 9)), activation: .hSwish)
            let loss = {
                layer.loss {
                    engine.depthwise(
                        layer.input, map: map, filter: layer.weight, kernel: kernel, stride: stride,
                        output: layer.output,
                        end: .statistics(center: layer.center))
                }
            }
            _ = loss()
            let upstream = layer.backward().upstream,
                dx = FeatureMap(images: item.images, size: size, channels: channels)
            let dfilter = Storage(count: kernel * kernel * channels).all
            engine.depthwiseGradient(
                upstream, norm: layer.state.gradient, input: layer.input, map: map,
                filter: layer.weight,
                kernel: kernel, stride: stride, inputGradient: dx, center: layer.center,
                filterGradient: dfilter)
            // The gradient is that at the input's norm, with scale 1 that of the input itself.
            layer.check("input", layer.x, dx.tensor.values, loss: loss)
            layer.check("filter", layer.weight, dfilter.values, loss: loss)
        }
    }

    @Test("dense convolution, mapped and with a skip, and batch norm", arguments: sets)
    func convolution(set: InstructionSet) throws {
        for (number, size, channels, outs, stride) in [
            (3, 7, 3, 5, 1), (4, 7, 20, 8, 2), (5, 10, 6, 8, 1), (6, 4, 17, 4, 2),
        ] {
            let item = KernelCase(
                number, size: size, channels: channels, outChannels: outs, kernel: 3, stride: stride
            )
            let layer = try Layer(item, weights: outs * channels * 9, outChannels: outs, set),
                engine = layer.engine
            func filters(_ tensor: Tensor) -> FilterSlice {
                FilterSlice(
                    tensor, outputs: outs, inputs: channels, kernel: 3, storedInputs: channels)
            }
            let scale = Tensor(item.factors(channels, draw: 7).map { 0.5 * $0 })
            let map = ChannelMap(
                scale: scale, shift: Tensor(item.values(channels, draw: 8)), activation: .hSwish)
            let plus = MappedMap(
                FeatureMap(
                    item.values(item.rows * channels, draw: 9), images: item.images, size: size,
                    channels: channels))
            let loss = {
                layer.loss {
                    engine.convolution(
                        layer.input, map: map, plus: plus, weight: filters(layer.weight),
                        stride: stride, output: layer.output,
                        end: .statistics(center: layer.center))
                }
            }
            _ = loss()
            let upstream = layer.backward().upstream
            let d = FeatureMap(images: item.images, size: size, channels: channels)
            let dweight = Storage(count: outs * channels * 9).all
            let found = engine.convolutionGradient(
                upstream, norm: layer.state.gradient, input: layer.input, map: map, plus: plus,
                weight: filters(layer.weight), stride: stride, inputGradient: d,
                sums: .slope(center: layer.center), weightGradient: filters(dweight))
            let sums = engine.doubles(found).map { Float($0) }
            let through = Upstream(d, y: layer.input, map: map)
            let dinput = Self.inputGradient(through, scale: scale)
            layer.check("input", layer.x, dinput, loss: loss)
            layer.check("skip", plus.values.tensor, d.tensor.values, loss: loss)
            layer.check("weight", layer.weight, dweight.values, loss: loss)
            // A norm takes most of a shift away again: over a longer step less of the difference is rounding.
            layer.check(
                "shift", map.shift ?? scale, Array(sums[..<channels]), step: 0.03, loss: loss)
            layer.check("scale", scale, Array(sums[channels...]), loss: loss)
        }
    }

    @Test("dense, h_swish and the loss with smoothing and distillation")
    func dense() throws {
        let item = KernelCase(4, size: 1, channels: 8), engine = try CPUEngine(threads: 2)
        let (count, inputs, classes) = (6, 8, 5), labels: [Int32] = [0, 1, 2, 3, 4, 2]
        let x = Tensor(item.values(count * inputs, draw: 0)),
            w = Tensor(item.values(classes * inputs, draw: 1))
        let bias = Tensor(item.values(classes, draw: 2)),
            soft = Tensor(item.values(count * classes, draw: 3))
        engine.softmax(soft, classes: classes)
        let weight = MatrixSlice(w, rows: classes, columns: inputs, stride: inputs)
        let logits = Storage(count: count * classes).all,
            gradient = Storage(count: count * classes).all
        let before = Storage(count: count * classes).all
        let loss = { () -> (value: Double, size: Double) in
            engine.dense(x, count: count, weight: weight, bias: bias, output: logits)
            engine.activate(logits, .hSwish, keep: before)
            let found = engine.crossEntropy(
                logits, classes: classes, labels: labels, soft: soft, softWeight: 0.5,
                smoothing: 0.1, gradient: gradient)
            return (found.hard + 0.5 * found.soft, found.hard + 0.5 * found.soft)
        }
        _ = loss()
        let dx = Storage(count: x.count).all
        let dw = Storage(count: w.count).all, db = Storage(count: classes).all
        engine.activateGradient(gradient, before: before, .hSwish)
        engine.denseGradient(
            gradient, input: x, count: count, weight: weight, inputGradient: dx,
            weightGradient: MatrixSlice(dw, rows: classes, columns: inputs, stride: inputs),
            biasGradient: db)
        let layer = try Layer(item, weights: 1, outChannels: 8, try InstructionSet.named("scalar"))
        layer.check("input", x, dx.values, loss: loss)
        layer.check("weight", w, dw.values, loss: loss)
        layer.check("bias", bias, db.values, loss: loss)
    }

    @Test(
        "pointwise whose input is mapped and gated, with sums for the norm before", arguments: sets)
    func gatedPointwise(set: InstructionSet) throws {
        for (number, size, channels, outs) in [(3, 5, 8, 5), (4, 3, 5, 20), (5, 4, 20, 8)] {
            let item = KernelCase(number, size: size, channels: channels, outChannels: outs)
            let layer = try Layer(item, weights: outs * channels, outChannels: outs, set)
            let engine = layer.engine, images = item.images
            let weight = MatrixSlice(layer.weight, rows: outs, columns: channels, stride: channels)
            let (scale, shift) = (
                Tensor(item.factors(channels, draw: 7).map { 0.5 * $0 }),
                Tensor(item.values(channels, draw: 8))
            )
            let map = ChannelMap(scale: scale, shift: shift, activation: .hSwish)
            let gate = Tensor(item.values(images * channels, draw: 9))
            let loss = {
                layer.loss {
                    engine.pointwise(
                        layer.input, map: map, gate: gate, weight: weight, output: layer.output,
                        end: .statistics(center: layer.center))
                }
            }
            _ = loss()
            let upstream = layer.backward().upstream
            let d = FeatureMap(images: images, size: size, channels: channels)
            let dweight = Storage(count: outs * channels).all
            let gateSums = Storage(count: 5 * images * channels).all
            engine.pointwiseGradient(
                upstream, norm: layer.state.gradient, input: layer.input, map: map, gate: gate,
                weight: weight, inputGradient: d, accumulate: false,
                sums: .gate(center: layer.center, gateSums),
                weightGradient: MatrixSlice(
                    dweight, rows: outs, columns: channels, stride: channels))
            layer.check("weight", layer.weight, dweight.values, loss: loss)
            layer.check("gate", gate, gateSums.slice(0, images * channels).values, loss: loss)
            // Scale and shift are gamma and beta of a norm whose values are the input: their gradients are its sums.
            let none = Tensor([Float](repeating: 0, count: images * channels))
            let gated = engine.gradientSums(
                gateSums: gateSums, gate: gate, meanGradient: none, images: images,
                channels: channels)
            let sums = engine.doubles(gated).map { Float($0) }
            layer.check("shift", shift, Array(sums[..<channels]), loss: loss)
            layer.check("scale", scale, Array(sums[channels...]), loss: loss)
            let through = Upstream(d, y: layer.input, map: map, gate: gate, meanGradient: none)
            layer.check("input", layer.x, Self.inputGradient(through, scale: scale), loss: loss)
        }
    }

    /// The gradient at what `upstream`'s map is applied to.
    private static func inputGradient(_ upstream: Upstream, scale: Tensor) -> [Float] {
        let y = upstream.y, zero = Tensor([Float](repeating: 0, count: y.channels))
        let out = Storage(count: y.tensor.count).all
        withExtendedLifetime((upstream, scale, zero)) {
            var from = upstream.part(image: 0, norm: NormGradient(a: scale, b: zero, c: zero))
            InstructionSet.oracle.kernels.norm_gradient(
                &from, Int32(y.images), Int32(y.pixels), Int32(y.channels), out.pointer)
        }
        return out.values
    }

    @Test(
        "squeeze-and-excite: a gate made from the means of what it gates, and a product",
        arguments: sets)
    func squeezeExcite(set: InstructionSet) throws {
        for (number, size, channels, outs) in [(3, 5, 8, 5), (4, 3, 5, 12), (5, 9, 17, 8)] {
            let item = KernelCase(number, size: size, channels: channels, outChannels: outs)
            let layer = try Layer(item, weights: outs * channels, outChannels: outs, set)
            let engine = layer.engine, images = item.images, slots = images * channels
            let weight = MatrixSlice(layer.weight, rows: outs, columns: channels, stride: channels)
            let excite = Tensor(item.values(channels * channels, draw: 7).map { 0.5 * $0 })
            let exciteSlice = MatrixSlice(
                excite, rows: channels, columns: channels, stride: channels)
            let bias = Tensor(item.values(channels, draw: 8))
            let scale = Tensor(item.factors(channels, draw: 9).map { 0.5 * $0 })
            let map = ChannelMap(
                scale: scale, shift: Tensor(item.values(channels, draw: 10)), activation: .hSwish)
            let (pooled, gate) = (Storage(count: slots).all, Storage(count: slots).all)
            let loss = {
                layer.loss {
                    engine.mean(layer.input, map: map, output: pooled)
                    engine.dense(
                        pooled, count: images, weight: exciteSlice, bias: bias, output: gate)
                    engine.hardSigmoid(gate)
                    return engine.pointwise(
                        layer.input, map: map, gate: gate, weight: weight, output: layer.output,
                        end: .statistics(center: layer.center))
                }
            }
            _ = loss()
            let upstream = layer.backward().upstream
            let d = FeatureMap(images: images, size: size, channels: channels)
            let dweight = Storage(count: outs * channels).all
            let gateSums = Storage(count: 5 * slots).all
            engine.pointwiseGradient(
                upstream, norm: layer.state.gradient, input: layer.input, map: map, gate: gate,
                weight: weight, inputGradient: d, accumulate: false,
                sums: .gate(center: layer.center, gateSums),
                weightGradient: MatrixSlice(
                    dweight, rows: outs, columns: channels, stride: channels))
            let (dgate, meanGradient) = (gateSums.slice(0, slots), Storage(count: slots).all)
            let (dexcite, dbias) = (Storage(count: excite.count).all, Storage(count: channels).all)
            engine.hardSigmoidGradient(dgate, gate: gate)
            engine.denseGradient(
                dgate, input: pooled, count: images, weight: exciteSlice,
                inputGradient: meanGradient,
                weightGradient: MatrixSlice(
                    dexcite, rows: channels, columns: channels, stride: channels),
                biasGradient: dbias)
            engine.scale(meanGradient, by: 1 / Float(size * size))
            let through = Upstream(
                d, y: layer.input, map: map, gate: gate, meanGradient: meanGradient)
            // What the norm before learns of it, from the five sums or from the maps.
            let gated = engine.gradientSums(
                gateSums: gateSums, gate: gate, meanGradient: meanGradient, images: images,
                channels: channels)
            let later = engine.doubles(gated).map { Float($0) }
            // Before the differences are taken: they leave the gate of another place.
            let dinput = Self.inputGradient(through, scale: scale)
            layer.check("weight", layer.weight, dweight.values, loss: loss)
            // A gate hardly bends: over a longer step less of the difference is rounding.
            layer.check("excite", excite, dexcite.values, step: 0.03, loss: loss)
            layer.check("bias", bias, dbias.values, step: 0.03, loss: loss)
            layer.check("input", layer.x, dinput, loss: loss)
            layer.check("shift", map.shift ?? bias, Array(later[..<channels]), loss: loss)
            layer.check("scale", scale, Array(later[channels...]), loss: loss)
        }
    }

    @Test(
        "cross entropy of labels, smoothed or not, and of soft targets, alone and together",
        arguments: [Float(0), 0.1], [Float?.none, 0, 1, 0.5])
    func crossEntropy(smoothing: Float, softWeight: Float?) throws {
        let item = KernelCase(4, size: 1, channels: 8), (images, classes) = (4, 7)
        let engine = try CPUEngine(threads: 2), labels: [Int32] = [0, 6, 2, 2]
        let logits = Tensor(item.values(images * classes, draw: 0).map { 3 * $0 })
        let soft = Tensor(item.values(images * classes, draw: 1))
        engine.softmax(soft, classes: classes)
        let gradient = Storage(count: images * classes).all
        func loss(_ gradient: Tensor?) -> (value: Double, size: Double) {
            let found = engine.crossEntropy(
                logits, classes: classes, labels: labels, soft: softWeight == nil ? nil : soft,
                softWeight: softWeight ?? 1, smoothing: smoothing, gradient: gradient)
            let value = found.hard + Double(softWeight ?? 0) * found.soft
            return (value, value)
        }
        _ = loss(gradient)
        let layer = try Layer(item, weights: 1, outChannels: 8, .oracle)
        layer.check("logits", logits, gradient.values) { loss(nil) }
    }
}
