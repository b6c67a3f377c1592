// Post-training quantisation: ranges by two rules from calibration images; the better on held-out images is kept.
import Tensors

/// A quantised network and how it was chosen.
public struct PostTrainingQuantisation: Sendable {
    /// What one rule achieves.
    public struct Trial: Sendable, Equatable {
        /// The rule of the ranges.
        public let rule: RangeRule
        /// The share of held-out images that the network classifies correctly.
        public let heldOutAccuracy: Double
    }

    /// Images and their classes.
    public struct Labelled {
        /// The images.
        public let images: FeatureMap
        /// One class per image.
        public let labels: [Int32]

        /// Takes normalised images with their classes.
        public init(_ images: FeatureMap, labels: [Int32]) {
            precondition(labels.count == images.images, "\(labels.count) labels")
            self.images = images
            self.labels = labels
        }
    }

    /// The network of the better rule.
    public let graph: QuantisedGraph
    /// The rule of `graph`.
    public let rule: RangeRule
    /// The results of all rules.
    public let trials: [Trial]

    /// Quantises `graph`, the operators of one network. `calibration` are normalised images of the network's size, some
    /// hundreds suffice; `heldOut` decide between the rules and must not be test images. If both rules are equally
    /// accurate, that of least squares is kept.
    ///
    /// Errors: those of `QuantisedGraph.init`.
    public init(
        _ graph: OperatorGraph, calibration: [FeatureMap], heldOut: [Labelled],
        engine: CPUEngine
    ) throws {
        let histograms = ActivationHistograms(graph, batches: calibration, engine: engine)
        var best: (graph: QuantisedGraph, trial: Trial)?
        var trials: [Trial] = []
        for rule in RangeRule.both {
            let made = try QuantisedGraph(graph, ranges: histograms.ranges(rule))
            let trial = Trial(
                rule: rule, heldOutAccuracy: made.accuracy(heldOut, engine: engine))
            trials.append(trial)
            if best == nil || trial.heldOutAccuracy >= best?.trial.heldOutAccuracy ?? 0 {
                best = (made, trial)
            }
        }
        guard let best else { preconditionFailure("there is no rule") }
        (self.graph, rule, self.trials) = (best.graph, best.trial.rule, trials)
    }
}

extension QuantisedGraph {
    /// Returns the share of the images of `batches` whose class has the largest logit; 0 without images. Compiled passes
    /// give the logits of the definition.
    public func accuracy(
        _ batches: [PostTrainingQuantisation.Labelled], engine: CPUEngine
    ) -> Double {
        var correct = 0, count = 0, compiled: CompiledQuantisedNetwork?
        for batch in batches {
            if compiled?.pass.images != batch.images.images {
                compiled = CompiledQuantisedNetwork(
                    self, images: batch.images.images, engine: engine)
            }
            guard let logits = compiled?.forward(batch.images) else { continue }
            let values = engine.download(logits)
            for (index, label) in batch.labels.enumerated() {
                let row = Array(values[index * classes..<(index + 1) * classes])
                if row.largestPlace == Int(label) { correct += 1 }
            }
            count += batch.labels.count
        }
        return count == 0 ? 0 : Double(correct) / Double(count)
    }
}

extension [Float] {
    /// The index of the first largest number; 0 if there is none.
    fileprivate var largestPlace: Int {
        var best = 0
        for index in indices.dropFirst() where self[index] > self[best] { best = index }
        return best
    }
}
