// The training budgets of a pipeline file, in net-epochs.

import Foundation

extension PipelineDefinition {
    /// Passes over the training images, summed over the networks of a step.
    public struct NetEpochs: Sendable, Equatable {
        /// Those of the stage itself; 0 for a stage that does not train.
        public let own: Double
        /// Those of the supernet that the stage makes or reads, in all phases; nil if it starts from an artifact,
        /// and for a stage that trains one network further.
        public let total: Double?
    }

    /// Returns the net-epochs of a stage that trains a supernet or one network, or evaluates a supernet; nil for other
    /// stages.
    public func netEpochs(of stage: Stage) -> NetEpochs? {
        switch stage.parameters {
        case .train(let train):
            let own = train.phase.netEpochs
            guard train.from != nil else { return NetEpochs(own: own, total: own) }
            let before = supernet(of: stage).flatMap { netEpochs(of: $0)?.total }
            return NetEpochs(own: own, total: before.map { $0 + own })
        case .fineTune(let tuning):
            return NetEpochs(own: tuning.training.phase.netEpochs, total: nil)
        case .evaluate:
            return NetEpochs(
                own: 0, total: supernet(of: stage).flatMap { netEpochs(of: $0)?.total })
        default: return nil
        }
    }

    /// Returns the stage that makes the supernet that `stage` reads.
    private func supernet(of stage: Stage) -> Stage? {
        guard case .stage(let name) = stage.inputs[.supernet] else { return nil }
        return stages.first { $0.name == name }
    }
}
