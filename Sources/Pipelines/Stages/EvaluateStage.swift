// evaluate: calibrates networks of a supernet and measures them on the test images and on the held-out images. The report
// compares the arms, which are ways of training, over their seeds. No choice of a stage depends on the measurements; a
// person who chooses between settings does so by the held-out images.

import Artifacts
import Datasets
import Foundation
import Networks
import Tensors
import Training

/// The accuracies of the networks of one supernet; the content and the metadata of an `evaluation`.
struct ArmEvaluation: Codable, Sendable, Equatable {
    /// A measured network.
    struct Network: Codable, Sendable, Equatable {
        let name: String
        let arch: SubnetConfig
        /// Top-1 accuracy in 0…1, and mean cross entropy, on the test images.
        let top1: Double
        /// The loss is nil if it is not finite.
        let loss: Double?
        let macs, params: Int
        /// The same on the held-out images; nil without held-out images, and in data of older versions.
        var heldOutTop1, heldOutLoss: Double?
        /// How many test images of class i were taken for class j, at index i · classes + j. Only in the content of the
        /// artifact; nil in its metadata, for more than `mostClasses` classes, and in data of older versions.
        var confusion: [Int]?

        /// The most classes of which the predictions are counted.
        static let mostClasses = 256
    }

    /// The way of training, and the seed of this repetition.
    let arm: String
    let seed: UInt64
    /// The net-epochs that the supernet was trained for; nil if unknown.
    let netEpochs: Double?
    let testImages: Int
    let networks: [Network]
    /// The number of held-out images; nil if none are held out, and in data of older versions.
    var heldOutImages: Int?
    /// The steps of the supernet's training, in all phases; nil if unknown.
    var steps: Int?

    /// A copy without the counts by class, which would be too long for metadata.
    var summary: ArmEvaluation {
        ArmEvaluation(
            arm: arm, seed: seed, netEpochs: netEpochs, testImages: testImages,
            networks: networks.map { network in
                var network = network
                network.confusion = nil
                return network
            }, heldOutImages: heldOutImages, steps: steps)
    }
}

enum EvaluateStage {
    static func run(_ context: StageContext, _ parameters: StageParameters.Evaluate) throws
        -> StageOutput
    {
        let asked = try networks(parameters, context)
        if parameters.untrained != true { try check(asked, context) }
        let images = try context.trainingImages(
            normalization: try context.supernetNormalization())
        let source = try context.images(.testImages).source
        let loader = BatchLoader(source, normalization: images.normalization)
        let network = try Network(
            supernet: try context.supernet(), of: context.space, engine: try context.engine())
        let evaluator = Evaluator(network)
        let count = min(parameters.calibrationImages, images.data.images.count)
        var done = 0
        // Networks of the same image size share batches.
        let sizes = Dictionary(grouping: asked, by: \.arch.resolution)
        var measured: [String: ArmEvaluation.Network] = [:]
        for (_, networks) in sizes.sorted(by: { $0.key < $1.key }) {
            let first = Double(done) / Double(asked.count)
            let part = Double(networks.count) / Double(asked.count)
            func report(_ share: Double) throws {
                try context.job.stopIfAsked()
                context.job.progress(
                    fraction: first + part * share, message: "measuring \(networks.count) networks")
            }
            let shapes = try networks.map { try NetworkShape(context.space, $0.arch) }
            let calibrated = try evaluator.calibrate(
                shapes, data: images.data, count: count, seed: context.arguments.seed
            ) { try report(0.2 * $0) }
            let results = try evaluator.measureByClass(
                calibrated, loader: loader, images: Array(0..<source.count)
            ) { try report(0.2 + 0.5 * $0) }
            let heldOut =
                images.heldOut.isEmpty
                ? nil
                : try evaluator.measure(
                    calibrated, loader: images.data.loader, images: images.heldOut
                ) { try report(0.7 + 0.3 * $0) }
            for (place, one) in networks.enumerated() {
                let cost = NetworkCost(shapes[place]), (test, confusion) = results[place]
                measured[one.name] = ArmEvaluation.Network(
                    name: one.name, arch: one.arch, top1: test.top1,
                    loss: finite(test.loss), macs: cost.macs, params: cost.parameters,
                    heldOutTop1: heldOut?[place].top1,
                    heldOutLoss: heldOut.flatMap { finite($0[place].loss) },
                    confusion: confusion.flatMap {
                        $0.classes <= ArmEvaluation.Network.mostClasses ? $0.counts : nil
                    })
            }
            done += networks.count
        }
        let history = try context.trainingHistory()
        let evaluation = ArmEvaluation(
            arm: parameters.arm, seed: context.arguments.seed,
            netEpochs: history.netEpochs, testImages: source.count,
            networks: asked.compactMap { measured[$0.name] },
            heldOutImages: images.heldOut.isEmpty ? nil : images.heldOut.count,
            steps: history.allSteps)
        let digest = try context.put(
            Array(try JSONText.encode(evaluation).utf8), elementSize: 1, as: .evaluation)
        return try StageOutput(
            [
                try StageOutput.Made(
                    .evaluation, name: "\(context.space.name)-\(context.arguments.stage)",
                    digest: digest, metadata: evaluation.summary)
            ],
            result: NoResult())
    }

    /// Returns nil for a loss that is not finite, which JSON cannot express.
    private static func finite(_ loss: Double) -> Double? { loss.isFinite ? loss : nil }

    /// Returns the networks to measure: those of the pipeline file, or the one that a search chose.
    private static func networks(
        _ parameters: StageParameters.Evaluate, _ context: StageContext
    ) throws -> [StageParameters.Evaluate.Network] {
        guard parameters.architecture != nil else { return parameters.networks }
        let chosen = try context.chosenNetwork()
        return [StageParameters.Evaluate.Network(name: chosen.device, arch: chosen.config)]
    }

    /// Throws `mismatch` for a network that the supernet was not trained for.
    private static func check(
        _ networks: [StageParameters.Evaluate.Network], _ context: StageContext
    ) throws {
        if let only = try context.loneNetwork() {
            guard let other = networks.first(where: { $0.arch != only }) else { return }
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) measures \(other.name), and its supernet has only the network that was"
                    + " trained alone: \(try JSONText.encode(only))",
                remedy: "set untrained: true to measure it nevertheless")
        }
        let trained = try context.trainedDomain()
        for one in networks {
            guard let gene = trained.outside(one.arch, in: context.space) else { continue }
            throw PipelineError(
                .mismatch,
                "stage \(context.arguments.stage) measures \(one.name), which its supernet was not trained for: \(gene)",
                remedy: "set untrained: true to measure it nevertheless")
        }
    }
}
