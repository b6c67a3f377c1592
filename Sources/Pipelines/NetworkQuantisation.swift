// A stored network in eight bits: calibrated on training images of its data set, its ranges chosen on others.

import Artifacts
import Datasets
import Foundation
import Networks
import Postgres
import Tensors
import Training

/// The post-training quantisation of a stored network. It never reads test images.
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
        let engine = try CPUEngine(threads: threads)
        let loader = BatchLoader(train.source, normalization: network.input.normalization)
        let own = Self.spread(train.images, Self.most.calibration)
        let others = Self.spread(
            try Self.heldOut(data, connection, cache) ?? Self.without(own, train.images),
            Self.most.heldOut)
        let size = network.shape.resolution
        let calibration = try Self.batches(own, loader, size, engine).map(\.images)
        result = try PostTrainingQuantisation(
            try OperatorGraph(network.shape, network.weights), calibration: calibration,
            heldOut: try Self.batches(others, loader, size, engine), engine: engine)
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

    /// Counts the predictions of `network` in eight bits on `images`. Errors: those of reading images, and
    /// `invalidArtifact` if an output is not finite.
    func confusion(
        _ network: StoredNetwork, on images: EvaluationImages, engine: CPUEngine,
        _ progress: (Double) throws -> Void
    ) throws -> Confusion {
        let classes = network.shape.classes, count = images.images.count
        let loader = BatchLoader(images.source, normalization: network.input.normalization)
        var table = Confusion(classes: classes), compiled: CompiledQuantisedNetwork?
        for start in stride(from: 0, to: count, by: Self.batch) {
            let end = min(start + Self.batch, count)
            let (map, labels) = try loader.batch(
                images.images[start..<end], size: network.shape.resolution, engine: engine)
            if compiled?.pass.images != map.images {
                compiled = CompiledQuantisedNetwork(
                    result.graph, images: map.images, engine: engine)
            }
            let logits = compiled?.forward(map).values ?? []
            guard logits.allSatisfy(\.isFinite) else {
                throw PipelineError(notFinite: network.artifact.id)
            }
            for (place, label) in labels.enumerated() {
                let own = logits[place * classes..<(place + 1) * classes]
                table.add(Confusion.Answer(own, label: Int(label)), label: Int(label))
            }
            try progress(Double(end) / Double(count))
        }
        return table
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
