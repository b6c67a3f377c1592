// Determines how much memory passes will take. To do so, it runs the same passes on a `CountingEngine`, which computes
// nothing and has no memory for maps.

import Tensors

/// Counts the memory that passes over a network take, without allocating that memory.
final class PassMemory {
    /// The network, whose storages are only counted, and the engine that counts.
    let network: Network
    let engine = CountingEngine()

    /// Prepares to count passes of networks that are no wider than `widest`, with parameters laid out as `layout`.
    init(
        _ layout: ParameterLayout, widest: NetworkShape, constantLayers: Int = 0,
        trainingFormat: MapFormat = .float32
    ) {
        network = Network(
            Weights(layout, in: engine), widest: widest, constantLayers: constantLayers,
            engine: engine)
        network.trainingFormat = trainingFormat
    }

    /// Counts a forward pass over `images` images and, with `training`, its backward pass.
    func count(
        _ shape: NetworkShape, images: Int, mode: NormMode, training: Bool,
        turn: Network.Turn = Network.Turn()
    ) {
        let input = Network.input(
            shape, images: images,
            storage: engine.storage(
                images * shape.resolution * shape.resolution * shape.inputChannels))
        let logits = network.forward(
            input, shape, mode: mode, training: training,
            dropout: .init(rate: 0.5, streams: ImageStreams(seed: 0)), turn: turn)
        if training { network.backward(engine.storage(logits.count).all) }
        engine.reserve(.sums(channels: 0, images: images))
    }
}

extension Network {
    /// Returns the bytes of workspace that a pass over `images` images will take. A training pass is counted with
    /// dropout; a pass without dropout takes a little less. By default `mode` is `batch`, as in a recalibration; a pass
    /// in mode `running` takes less.
    public static func workspaceBytes(
        _ shape: NetworkShape, images: Int, training: Bool, mode: NormMode? = nil
    ) -> Int {
        let alone = shape.renumbered
        let memory = PassMemory(ParameterLayout(alone, naming: .extracted), widest: alone)
        memory.count(alone, images: images, mode: mode ?? .batch, training: training)
        return memory.network.workspaceBytes
    }

    /// Returns the bytes that training takes for passes over `images` images of this shape: the maps, and the working
    /// memory of an engine of `threads` threads; `format` is that of the maps. Weights, their gradients and the images are not counted.
    public static func trainingBytes(
        _ shape: NetworkShape, images: Int, threads: Int, format: MapFormat = .float32
    ) -> (maps: Int, working: Int) {
        let alone = shape.renumbered
        let memory = PassMemory(
            ParameterLayout(alone, naming: .extracted), widest: alone, trainingFormat: format)
        memory.count(alone, images: images, mode: .batch, training: true)
        return (memory.network.workspaceBytes, memory.engine.workingBytes(threads: threads))
    }

    /// Allocates all memory that passes over `images` images of these shapes take, so that these passes allocate none.
    /// In training, `subnets` subnets take turns (`Turn`). Discards the results of the last pass.
    public func reserve(_ shapes: [NetworkShape], images: Int, training: Bool, subnets: Int = 1) {
        let memory = PassMemory(
            weights.layout, widest: widest, constantLayers: constantLayers,
            trainingFormat: trainingFormat)
        for shape in shapes {
            if training {
                for number in 0..<min(subnets, 2) {
                    memory.count(
                        shape, images: images, mode: .train(momentum: 0), training: true,
                        turn: Turn(number, of: subnets))
                }
            } else {
                memory.count(shape, images: images, mode: .running, training: false)
                memory.count(shape, images: images, mode: .batch, training: false)
            }
        }
        forget()
        context.reserve(as: memory.network.context)
        engine.reserve(memory.engine.room)
        if training {
            context.allocateGradients()
            layers.reserveGradients()
        }
    }
}
