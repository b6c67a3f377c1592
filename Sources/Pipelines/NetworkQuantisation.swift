// A network in eight bits: calibrated on training images of its data set, its ranges chosen on others.

import Artifacts
import Datasets
import Foundation
import Networks
import Postgres
import Tensors
import Training

/// The post-training quantisation of a network. It never reads test images. The same weights and images give the same
/// integers, so a stage measures the network that `ofa export --format onnx-int8` writes.
public struct NetworkQuantisation {
    /// The network in eight bits, and the rules of which the better was kept.
    public let result: PostTrainingQuantisation
    /// How many training images calibrated the ranges, and how many images decided between the rules.
    public let calibrationImages, heldOutImages: Int

    /// The most images that calibrate, and that decide.
    private static let most = (calibration: 300, heldOut: 1000)
    /// Images of a pass.
    private static let batch = 20

    /// Quantises `network` with images of the data set that it was calibrated on. The held-out images of that data set
    /// decide between the rules or, if it has none, training images that did not calibrate.
    ///
    /// Errors: `missingInput` if the network has no data set; errors of reading images and of `QuantisedGraph.init`.
    public init(of network: StoredNetwork, _ connection: Connection, cache: BlobCache, threads: Int)
        throws
    {
        guard let data = network.inputs[.dataset] else {
            throw PipelineError(
                .missingInput,
                "artifact \(network.artifact.id) has no data set whose images calibrate eight bits",
                remedy: "export it with float weights: --format onnx")
        }
        let train = try EvaluationImages(.train, of: data, connection, cache: cache)
        try train.check(network.space, network.classNames, of: network.artifact.id)
        try self.init(
            network.shape, network.weights,
            loader: BatchLoader(train.source, normalization: network.input.normalization),
            training: train.images, heldOut: try Self.heldOut(data, connection, cache) ?? [],
            engine: try CPUEngine(threads: threads))
    }

    /// Quantises the network of `shape` with its own `weights`, calibrated on images `training` of the loader's source.
    /// Images `heldOut` decide between the rules or, if there are none, training images that did not calibrate.
    ///
    /// Errors: those of reading images and of `QuantisedGraph.init`.
    init(
        _ shape: NetworkShape, _ weights: Weights, loader: BatchLoader, training: [Int],
        heldOut: [Int], engine: CPUEngine
    ) throws {
        let own = Self.spread(training, Self.most.calibration)
        let others = Self.spread(
            heldOut.isEmpty ? Self.without(own, training) : heldOut, Self.most.heldOut)
        let calibration = try Self.batches(own, loader, shape.resolution, engine).map(\.images)
        result = try PostTrainingQuantisation(
            try OperatorGraph(shape, weights), calibration: calibration,
            heldOut: try Self.batches(others, loader, shape.resolution, engine), engine: engine)
        (calibrationImages, heldOutImages) = (own.count, others.count)
    }

    /// Returns the held-out images of `data`; nil if it has none.
    private static func heldOut(_ data: Artifact, _ connection: Connection, _ cache: BlobCache)
        throws -> [Int]?
    {
        do {
            return try EvaluationImages(.heldOut, of: data, connection, cache: cache).images
        } catch let error as PipelineError where error.code == .missingInput { return nil }
    }

    private static func without(_ chosen: [Int], _ images: [Int]) -> [Int] {
        let taken = Set(chosen), rest = images.filter { !taken.contains($0) }
        return rest.isEmpty ? images : rest
    }

    /// Returns `count` images spread evenly over `images`, which may be sorted by class; all if there are fewer.
    private static func spread(_ images: [Int], _ count: Int) -> [Int] {
        guard images.count > count else { return images }
        return (0..<count).map { images[$0 * images.count / count] }
    }

    /// Loads images in batches that need little memory.
    private static func batches(
        _ images: [Int], _ loader: BatchLoader, _ size: Int, _ engine: CPUEngine
    ) throws -> [PostTrainingQuantisation.Labelled] {
        try stride(from: 0, to: images.count, by: batch).map { start in
            let (map, labels) = try loader.batch(
                images[start..<min(start + batch, images.count)], size: size, engine: engine)
            // The loader's map is valid until its next batch.
            return PostTrainingQuantisation.Labelled(
                FeatureMap(
                    Tensor(map.tensor.values), images: map.images, height: map.height,
                    width: map.width, channels: map.channels), labels: labels)
        }
    }

    /// Adds the predictions in eight bits for `images` of the loader's source to `table`. `progress` gets the share of
    /// images processed so far, 0…1.
    ///
    /// Errors: those of reading images and of `progress`; `invalidArtifact` if an output is not finite.
    func count(
        _ images: [Int], _ loader: BatchLoader, engine: CPUEngine, into table: inout Confusion,
        _ progress: (Double) throws -> Void
    ) throws {
        let classes = table.classes, size = result.graph.inputShape[1]
        var compiled: CompiledQuantisedNetwork?
        for start in stride(from: 0, to: images.count, by: Self.batch) {
            let end = min(start + Self.batch, images.count)
            let (map, labels) = try loader.batch(images[start..<end], size: size, engine: engine)
            if compiled?.pass.images != map.images {
                compiled = CompiledQuantisedNetwork(
                    result.graph, images: map.images, engine: engine)
            }
            let logits = compiled?.forward(map).values ?? []
            guard logits.allSatisfy(\.isFinite) else {
                throw PipelineError(
                    .invalidArtifact, "the network's outputs in eight bits are not finite",
                    remedy: "use another network: the weights of this one are too large")
            }
            for (place, label) in labels.enumerated() {
                let own = logits[place * classes..<(place + 1) * classes]
                table.add(Confusion.Answer(own, label: Int(label)), label: Int(label))
            }
            try progress(Double(end) / Double(images.count))
        }
    }

    /// What an exported model's metadata tell.
    struct Fields: Encodable {
        struct Trial: Encodable {
            let rule: String
            let held_out: Double
        }

        let rule: String
        let trials: [Trial]
        let calibration_images, held_out_images, weight_bytes: Int
    }

    var fields: Fields {
        Fields(
            rule: "\(result.rule)",
            trials: result.trials.map { .init(rule: "\($0.rule)", held_out: $0.heldOutAccuracy) },
            calibration_images: calibrationImages, held_out_images: heldOutImages,
            weight_bytes: result.graph.weightBytes)
    }

    /// The held-out accuracy of the kept rule.
    public var heldOutAccuracy: Double {
        result.trials.first { $0.rule == result.rule }?.heldOutAccuracy ?? 0
    }
}
