// Gradients of blocks and of a whole network against differences of the loss, for every parameter by name: expansion,
// elastic filters with their transform matrices, squeeze-and-excite, projection, norms, head and classifier.
import Tensors
import TestSupport
import Testing

@testable import Networks

@Suite struct NetworkGradientTests {
    /// Compares the gradient of one parameter with differences along itself and a random direction.
    private func check(
        _ name: String, _ values: Tensor, _ gradient: [Float], limit: Double,
        loss: () throws -> (value: Double, size: Double)
    ) rethrows {
        let length = gradient.length
        guard length > 1e-4 else { return }
        // Rounding of the loss hides what is smaller: then only the comparison counts, not how tight it is.
        let least = 0.003
        for draw in 0..<2 {
            let raw = draw == 0 ? gradient : FiniteDifference.direction(gradient.count, draw: draw)
            let direction = raw.map { $0 / Float(raw.length) }
            let difference = try FiniteDifference(
                of: values, along: direction, step: 0.04, roundings: 20, loss: loss)
            let slope = gradient.dot(direction)
            #expect(
                abs(slope - difference.slope) <= difference.uncertainty + limit * length / 10,
                "\(name): \(slope), differences \(difference) of \(length)")
            #expect(
                length < least || difference.uncertainty < limit * length,
                "\(name): \(difference) of \(length)")
        }
    }

    @Test(
        "every parameter of a block, at every kernel size, with and without skip",
        arguments: [3, 5, 7], [2, 4])
    func block(kernel: Int, ratio: Int) throws {
        let space = SearchSpace.tiny(activation: .hSwish)
        // The first elastic block has a skip; the third halves the size and has squeeze-and-excite; the fourth has both.
        for position in [1, 3, 4] {
            try check(block: position, of: space, kernel: kernel, ratio: ratio)
        }
    }

    @Test(
        "every parameter of a block with and without squeeze-and-excite, skip, stride and expansion",
        arguments: [false, true], [1, 2])
    func kinds(squeezeExcite: Bool, stride: Int) throws {
        var space = SearchSpace.tiny(activation: .hSwish)
        if case .invertedResiduals(var stage) = space.layers[2] {
            (stage.width, stage.stride) = (.constant(16), stride)
            stage.squeezeExcite = squeezeExcite
            space.layers[2] = .invertedResiduals(stage)
        }
        // The block after the stem has no expansion, a ReLU and a skip; the next no skip, because its width changes;
        // the one after it has one.
        for set in InstructionSet.available {
            for position in [0, 1, 2] {
                let block = try check(
                    block: position, of: space, kernel: 5, ratio: 3, set: set, threads: 3)
                #expect(block.hasSkip == (position != 1) && block.hasExpansion == (position != 0))
                #expect(block.stride == (position == 1 ? stride : 1))
                #expect((block.seHidden != nil) == (squeezeExcite && position != 0))
            }
        }
    }

    /// One block of a space, alone, with an input and the gradient of its output.
    private struct Alone {
        let weights: Weights, context: NetworkContext, layer: InvertedResidualRun
        let block: Layer.InvertedResidual, input: FeatureMap, dout: FeatureMap

        init(_ position: Int, of space: SearchSpace, _ config: SubnetConfig, _ engine: CPUEngine)
            throws
        {
            weights = try Weights(supernetOf: space, seed: 1)
            weights.shake()
            weights.smooth()
            context = NetworkContext(
                weights: weights, engine: engine, normEpsilon: space.normEpsilon)
            context.mode = .batch
            context.keepsTape = true
            context.allocateGradients()
            let widest = try NetworkShape(space, space.largest)
            block = try NetworkShape(space, config).blocks[position]
            layer = InvertedResidualRun(widest.blocks[position], context)
            input = Self.map(block.inSize, block.inWidth, seed: 1)
            dout = Self.map(block.outSize, block.outWidth, seed: 3)
        }

        private static func map(_ size: Int, _ width: Int, seed: UInt64) -> FeatureMap {
            let images = 3
            var stream = RandomStream(seed: seed)
            return FeatureMap(
                Tensor((0..<images * size * size * width).map { _ in stream.normal() }),
                images: images, height: size, width: size, channels: width)
        }

        private func forward() -> LayerInput {
            context.workspace.reset()
            let pass = ForwardPass(
                workspace: context.workspace, images: input.images, turns: nil)
            return layer.forward(LayerInput(input), .invertedResidual(block), pass)
        }

        /// The output's product with `dout`, and the sum of its terms' sizes.
        func loss() -> (value: Double, size: Double) {
            // What the next block would read: the norm of the projection, and the skip.
            let end = forward(), output = end.raw, weighting = dout.tensor.values
            let read = FeatureMap(
                Storage(count: output.tensor.count).all, images: output.images,
                height: output.height, width: output.width, channels: output.channels)
            context.engine.affine(end.raw, map: end.map, residual: end.plus?.values, output: read)
            let values = read.tensor.values
            return (
                values.dot(weighting),
                zip(values, weighting).reduce(0) { $0 + Double(abs($1.0 * $1.1)) }
            )
        }

        /// The gradient of the input; those of the parameters are added to the context's.
        func backward() throws -> [Float] {
            let end = forward()
            end.finishGradient(
                context.engine.gradientSums(
                    Upstream(dout, y: end.raw), center: try #require(end.norm).state.mean))
            // The gradient at the output lies in one of the two buffers, as between layers.
            let room = GradientRoom(turns: context.gradientTurns)
            let given = room.free(besides: Upstream(dout, y: dout), like: dout)
            given.tensor.copy(from: dout.tensor)
            let found = layer.backward(Upstream(given, y: end.raw), room)
            return try #require(found?.d).tensor.values
        }
    }

    /// Compares the gradients of one block of `space`, alone, with differences; returns the block.
    @discardableResult
    private func check(
        block position: Int, of space: SearchSpace, kernel: Int, ratio: Int,
        set: InstructionSet? = nil, threads: Int = 2
    ) throws -> Layer.InvertedResidual {
        var config = space.largest
        config.kernelSizes = config.kernelSizes.map { _ in kernel }
        config.expandRatios = config.expandRatios.map { _ in Double(ratio) }
        let engine = try CPUEngine(threads: threads, instructionSet: set)
        let alone = try Alone(position, of: space, config, engine), block = alone.block
        let what = "k\(block.kernel) e\(ratio) s\(block.stride) \(engine.instructionSet)"
        check(
            "block \(position) input \(what)", alone.input.tensor, try alone.backward(),
            limit: 0.03, loss: alone.loss)
        var checked = 0
        for parameter in alone.weights.layout.parameters
        where parameter.name.hasPrefix("blocks.\(position).") {
            let gradient = alone.weights.view(parameter, in: alone.context.gradients).values
            check(
                "\(parameter.name) \(what)", alone.weights.view(parameter), gradient, limit: 0.03,
                loss: alone.loss)
            if gradient.length > 1e-4 { checked += 1 }
        }
        // Weight and norm of three convolutions, and the matrices and squeeze-and-excite in use. Without an expansion
        // two convolutions, and no beta before the ReLU: smoothed, that is linear, and the last norm takes shifts away.
        let matrices = position == 0 ? 0 : kernel == 3 ? 2 : kernel == 5 ? 1 : 0
        let expected =
            (block.hasExpansion ? 9 : 5) + matrices + (block.seHidden == nil ? 0 : 4)
        #expect(checked == expected, "block \(position) \(what)")
        return block
    }

    @Test("every parameter of a whole network", arguments: InstructionSet.available)
    func network(set: InstructionSet) throws {
        let space = SearchSpace.tiny(channels: 3, activation: .hSwish)
        var config = space.largest
        config.kernelSizes = [3, 7, 5, 3]
        config.expandRatios = [4, 2, 3, 4]
        let network = try shakenNetwork(space, set: set)
        network.weights.smooth()
        let shape = try NetworkShape(space, config)
        let images = randomImages(4, shape), labels: [Int32] = [0, 4, 2, 2]
        let gradient = Storage(count: 20).all
        func loss() -> (value: Double, size: Double) {
            let logits = network.forward(images, shape, mode: .batch, training: true)
            let found = network.engine.crossEntropy(
                logits, classes: 5, labels: labels, soft: nil, smoothing: 0.1, gradient: gradient)
            return (found.hard, found.hard + 1)
        }
        _ = loss()
        network.backward(gradient)
        let layout = network.weights.layout
        var untouched: [String] = []
        for parameter in layout.parameters {
            let total = network.weights.view(parameter, in: network.gradients).values
            if !network.touched[parameter.index] {
                untouched.append(parameter.name)
                #expect(total.allSatisfy { $0 == 0 })
            }
            check(
                "\(parameter.name) \(set)", network.weights.view(parameter), total, limit: 0.1,
                loss: loss)
        }
        // Block 2 has kernel 7 and block 3 kernel 5: the matrices to smaller ones rest.
        #expect(
            Set(untouched) == [
                "blocks.2.conv.depth_conv.conv.7to5_matrix",
                "blocks.2.conv.depth_conv.conv.5to3_matrix",
                "blocks.3.conv.depth_conv.conv.5to3_matrix",
            ])
    }
}
