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
    /// smoothing, weight decay, momentum, dropout and precision are those of the supernet's last phase, if it is known. With
    /// `learningRate` nil, the peak learning rate is a tenth of the phase's. `note` receives why the settings of the last
    /// phase are unknown, if this version cannot read them.
    ///
    /// Errors: those of `checkImages`.
    public static func fineTuning(
        epochs: Double, learningRate: Double?, of sources: Sources, _ connection: Connection,
        note: (String) -> Void
    ) throws -> StageParameters.FineTune {
        var phase = StageParameters.fineTuningPhase(
            epochs: epochs, learningRate: learningRate ?? usualLearningRate, space: sources.space)
        if let last = try lastPhase(of: sources, connection, note: note) {
            phase.learningRate =
                learningRate
                ?? max(
                    last.learningRate * learningRateShare,
                    TrainingPhase.Ranges.learningRate.lowerBound)
            (phase.batch, phase.microBatch) = (last.batch, last.microBatch)
            (phase.augmentation, phase.labelSmoothing) = (last.augmentation, last.labelSmoothing)
            (phase.weightDecay, phase.momentum) = (last.weightDecay, last.momentum)
            (phase.dropout, phase.precision) = (last.dropout, last.precision)
        }
        try checkImages(of: sources, batch: phase.batch, connection)
        return StageParameters.FineTune(
            from: "", training: .init(phase: phase), calibrationImages: sources.calibrationImages,
            calibrationAugmentation: sources.calibrationAugmentation, device: nil)
    }

    /// Returns the last phase of the supernet of `sources`; nil if it is unknown.
    private static func lastPhase(
        of sources: Sources, _ connection: Connection, note: (String) -> Void
    ) throws -> TrainingPhase? {
        let supernet = try sources.artifacts[.supernet].map(ArtifactStore(connection).get)
        guard let job = supernet?.producer?.job,
            let text = try JobQueue(connection).arguments(of: job)
        else { return nil }
        do {
            let arguments = try StageArguments.read(text, of: "job \(job)")
            guard case .train(let train) = arguments.parameters else { return nil }
            return train.phase
        } catch let error as PipelineError
            where [.newerDefinition, .invalidArtifact].contains(error.code)
        {
            note("note: usual settings are taken for the fine-tuning: \(error.message)")
            return nil
        }
    }

    /// Checks that the data set of `sources` holds out images to compare networks on, and has a batch of images to train
    /// on. Errors: `missingInput`, `invalidValue`.
    private static func checkImages(
        of sources: Sources, batch: Int, _ connection: Connection
    ) throws {
        guard let id = sources.artifacts[.dataset] else { return }
        let data = try ArtifactStore(connection).get(id)
        let split = try DeviceSearch.metadata(DatasetMetadata.self, data).split()
        guard !split.heldOut.isEmpty else {
            throw PipelineError(
                .missingInput,
                "data set artifact \(id) has no held-out images to compare the networks before and after on",
                remedy: "import the data set with held_out, and train on it")
        }
        guard split.training.count >= batch else {
            throw PipelineError(
                .invalidValue,
                "the supernet was trained in batches of \(batch), and data set artifact \(id) has"
                    + " \(split.training.count) images to train on",
                remedy: "fine-tune with a smaller batch in a pipeline file: kind: fine-tune")
        }
    }
}
