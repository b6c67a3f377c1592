// The fine-tuning of a specialised network: trained as the last phase of its supernet was, at a tenth of the learning
// rate.

import Artifacts
import Datasets
import Foundation
import Jobs
import Networks
import Postgres
import Training

extension Specialization {
    /// The learning rate of a fine-tuning as a share of that of the supernet's last phase.
    static let learningRateShare = 0.1
    /// The learning rate for a supernet whose training is unknown.
    static let usualLearningRate = 0.005

    /// Returns the parameters of fine-tuning the networks of `sources` for `epochs`: batch, augmentation, label
    /// smoothing, weight decay, momentum and dropout are those of the supernet's last phase, if it is known. With
    /// `learningRate` nil, the peak learning rate is a tenth of the phase's.
    public static func fineTuning(
        epochs: Double, learningRate: Double?, of sources: Sources, _ connection: Connection
    ) throws -> StageParameters.FineTune {
        let supernet = try sources.artifacts[.supernet].map(ArtifactStore(connection).get)
        var phase = StageParameters.fineTuningPhase(
            epochs: epochs, learningRate: learningRate ?? usualLearningRate, space: sources.space)
        if let job = supernet?.producer?.job,
            let text = try JobQueue(connection).arguments(of: job),
            case .train(let train) = try StageArguments.read(text, of: "job \(job)").parameters
        {
            let last = train.phase
            phase.learningRate =
                learningRate
                ?? max(
                    last.learningRate * learningRateShare,
                    TrainingPhase.Ranges.learningRate.lowerBound)
            (phase.batch, phase.microBatch) = (last.batch, last.microBatch)
            (phase.augmentation, phase.labelSmoothing) = (last.augmentation, last.labelSmoothing)
            (phase.weightDecay, phase.momentum) = (last.weightDecay, last.momentum)
            phase.dropout = last.dropout
        }
        return StageParameters.FineTune(
            from: "", training: .init(phase: phase), calibrationImages: sources.calibrationImages,
            calibrationAugmentation: sources.calibrationAugmentation, device: nil)
    }
}
