// Extracts networks from a supernet, stores their weights, and reads them back in the form that is measured: in eight
// bits if the device has these.

import Artifacts
import Datasets
import Devices
import Foundation
import Interchange
import Networks
import Tensors
import Training

extension MaterialiseStage {
    /// An extracted network, read back from its stored bytes.
    struct Cut {
        let config: SubnetConfig
        let digest: Digest
        let network: Network
        let shape, alone: NetworkShape
        /// The network in eight bits, if the device has these.
        let quantised: NetworkQuantisation?
        /// The timer of the network, in the device's bits, if the device is a computer.
        let timer: WholeNetworkTimer?

        /// Reads the network with the genes `config` from its stored bytes, which are verified, so that the network that
        /// is measured is the stored one and runs without the supernet. `images` calibrate eight bits.
        init(
            _ config: SubnetConfig, _ digest: Digest, for device: DeviceTarget,
            _ images: TrainingImages, _ context: StageContext, _ engine: CPUEngine
        ) throws {
            self.config = config
            self.digest = digest
            shape = try NetworkShape(context.space, config)
            let bytes = try context.bytes(digest)
            (network, alone) = try MaterialiseStage.subnet(shape, bytes: bytes, engine: engine)
            quantised =
                device.bits == 8
                ? try NetworkQuantisation(
                    alone, network.weights, loader: images.data.loader,
                    training: images.data.images, heldOut: images.heldOut, engine: engine) : nil
            guard device.kind == .computer else {
                timer = nil
                return
            }
            let own = try CPUEngine(threads: device.threads)
            if let graph = quantised?.result.graph {
                timer = WholeNetworkTimer(
                    CompiledQuantisedNetwork(graph, images: device.batch, engine: own), alone)
            } else {
                timer = WholeNetworkTimer(
                    CompiledNetwork(network.weights, alone, images: device.batch, engine: own))
            }
        }
    }

    /// Extracts networks from the input supernet.
    struct Cutter {
        private let context: StageContext
        private let parameters: StageParameters.Materialise
        private let engine: CPUEngine
        private let supernet: Network
        private let augmentation: Augmentation
        let images: TrainingImages

        init(_ context: StageContext, _ parameters: StageParameters.Materialise) throws {
            self.context = context
            self.parameters = parameters
            try context.checkSplit(.supernet)
            images = try context.trainingImages(
                normalization: try context.supernetNormalization())
            augmentation = try context.augmentation(parameters.calibrationAugmentation)
            engine = try context.engine()
            supernet = try Network(
                supernet: try context.supernet(), of: context.space, engine: engine)
        }

        func cut(_ config: SubnetConfig, for device: DeviceTarget) throws -> Cut {
            let shape = try NetworkShape(context.space, config)
            let statistics = try Evaluator(supernet).calibrate(
                shape, data: images.data, count: parameters.calibrationImages,
                augmentation: augmentation, seed: context.arguments.seed)
            var metadata = [
                "space": context.space.name, "arch": try JSONText.encode(config),
            ]
            if !images.classNames.isEmpty {
                metadata["classes"] = try JSONText.encode(images.classNames)
            }
            let weights = supernet.extract(shape, statistics: statistics)
            let recipe = SubnetRecipe(
                weights, space: context.space, arch: config, metadata: metadata)
            let bytes = try weights.safetensors(metadata: metadata)
            let digest = try context.put(
                bytes, as: .subnet,
                recipe: BlobRecipe(
                    try recipe.encoded(), parent: try context.input(.supernet).digest))
            context.job.progress(
                fraction: 0.4, message: "weights stored, measuring on test images")
            return try Cut(config, digest, for: device, images, context, engine)
        }
    }

    /// Returns a standalone network from stored weights, and its shape with consecutively numbered blocks.
    static func subnet(
        _ shape: NetworkShape, bytes: [UInt8], engine: CPUEngine
    ) throws -> (Network, NetworkShape) {
        let file = try Safetensors.decode(bytes: bytes)
        let weights = Weights(ParameterLayout(shape, naming: .extracted), in: engine)
        try weights.load(file.tensors.mapValues { ($0.shape, $0.values) })
        return Network.alone(weights, shape, engine: engine)
    }
}
