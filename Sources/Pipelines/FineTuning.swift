// The record of a fine-tuning: the network before and after it, both measured on held-out images, and which was kept.

import Artifacts
import Foundation
import Training

/// One extracted network trained further.
public struct FineTuning: Codable, Sendable, Equatable {
    /// One of the two networks.
    public enum Side: String, Codable, Sendable {
        /// The network before the training.
        case before
        /// The network after the training.
        case after
    }

    /// A network's figures on the held-out images.
    public struct Figures: Codable, Sendable, Equatable {
        /// Top-1 accuracy, 0…1.
        public let accuracy: Double
        /// Mean cross entropy; nil if it is not finite.
        public let loss: Double?

        init(_ result: Evaluator.Result) {
            accuracy = result.top1
            loss = result.loss.isFinite ? result.loss : nil
        }

        /// Whether these figures are better: a finite loss, and a higher accuracy or, at the same accuracy, a lower loss.
        func isBetter(than other: Figures) -> Bool {
            guard let loss else { return false }
            return accuracy > other.accuracy
                || accuracy == other.accuracy && loss < other.loss ?? .infinity
        }
    }

    /// The artifact that the training started from: a network, or the search result that chose one.
    public let source: Int64
    /// Passes over the training images.
    public let epochs: Double
    /// The peak learning rate.
    public let learningRate: Double
    /// The number of steps, and of those that were skipped because the loss or a gradient was not finite.
    public let steps, skippedSteps: Int
    /// The number of held-out images.
    public let heldOutImages: Int
    /// The figures of the network before, with its batch norms calibrated.
    public let before: Figures
    /// The figures of the network after, with its batch norms calibrated; nil if the training diverged.
    public let after: Figures?
    /// Why there is no network after; nil if there is one.
    public var failure: String?

    /// The kept network: the better one on held-out images.
    public var kept: Side { after?.isBetter(than: before) == true ? .after : .before }

    /// The standard error of an accuracy due to the number of images.
    public func error(_ figures: Figures) -> Double? {
        NetworkFigures.standardError(figures.accuracy, heldOutImages)
    }

    private enum CodingKeys: CodingKey {
        case source, epochs, learningRate, steps, skippedSteps, heldOutImages, before, after,
            failure
    }
}
