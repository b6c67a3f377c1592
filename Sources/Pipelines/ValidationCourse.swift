// The validations of a training: when they are due, and whether the training ends early because they no longer improve,
// or because an accuracy is reached. The state is part of every checkpoint, so a resumed training decides alike.

import Foundation
import Training

/// The validation of a training phase, as a pipeline file asks for it.
struct ValidationPlan: Codable, Sendable, Equatable {
    /// What must improve, or the phase ends early.
    enum Measure: String, Codable, Sendable, CaseIterable {
        /// The mean of the validated networks' accuracies.
        case mean
        case largest, middle, smallest
    }

    /// Epochs from one validation to the next.
    var everyEpochs: Double
    /// The number of held-out images, at most the number available.
    var images: Int
    /// After how many validations without improvement the phase ends; nil for never.
    var patience: Int?
    /// What must improve, or reach an accuracy.
    var measure = Measure.mean
    /// The accuracy at which the phase ends; nil for none.
    var until: AccuracyAim?

    /// Parses the keys of a train stage; nil without `validate_every`.
    static func read(_ entry: YAMLReader) throws -> ValidationPlan? {
        let every = try entry.number("validate_every", in: TrainingPhase.Ranges.epochs)
        let images = try entry.integer("validate_images", in: 1...10_000_000)
        let patience = try entry.integer("patience", in: 1...10_000)
        let measure = try entry.choice("patience_of", Measure.self)
        let until = try AccuracyAim.read(entry)
        guard let every else {
            guard
                let key = ["validate_images", "patience", "patience_of", AccuracyAim.key].first(
                    where: entry.keys.contains)
            else { return nil }
            throw entry.error(
                key, "needs validations, and the stage has none",
                remedy: "set validate_every: the epochs from one validation to the next")
        }
        guard measure == nil || patience != nil || until != nil else {
            throw entry.error(
                "patience_of", "has no effect without patience or \(AccuracyAim.key)",
                remedy:
                    "set patience: the validations without improvement after which the phase ends")
        }
        return ValidationPlan(
            everyEpochs: every, images: images ?? 5000, patience: patience,
            measure: measure ?? .mean, until: until)
    }

    /// Returns the steps from one validation to the next.
    func interval(stepsPerEpoch: Int) -> Int {
        max(1, Int((everyEpochs * Double(stepsPerEpoch)).rounded()))
    }

    /// What is measured, in words.
    var words: String {
        measure == .mean ? "the mean accuracy" : "the accuracy of the \(measure.rawValue) network"
    }
}

/// How the validations of a training went so far.
struct ValidationCourse: Codable, Sendable, Equatable {
    /// The step after which the last validation was; 0 before the first.
    private(set) var step = 0
    /// The best accuracy so far and its step; nil before the first validation.
    private(set) var best: Double?
    private(set) var bestStep = 0
    /// The validations since the best one.
    private(set) var since = 0

    /// Notes the results of the validation after step `step`. Networks that are equal count once in the mean.
    mutating func note(
        _ measured: [Validation.Measured], _ measure: ValidationPlan.Measure, _ step: Int
    ) {
        let named = measured.first { $0.member.rawValue == measure.rawValue }
        let distinct = measured.enumerated().filter { place, one in
            !measured[..<place].contains { $0.config == one.config }
        }.map(\.element.result.top1)
        let mean = distinct.reduce(0, +) / Double(max(distinct.count, 1))
        note(measure == .mean ? mean : named?.result.top1 ?? mean, step)
    }

    /// Notes the accuracy that must improve.
    mutating func note(_ accuracy: Double, _ step: Int) {
        self.step = step
        if accuracy > best ?? -1 {
            (best, bestStep, since) = (accuracy, step, 0)
        } else {
            since += 1
        }
    }

    /// Returns why a training of `steps` steps ends early; nil if it goes on, or if all steps are done. `plan` has the
    /// accuracy of an aim that a stage measured.
    func end(_ plan: ValidationPlan, of steps: Int) -> EarlyEnd? {
        guard let best, step < steps else { return nil }
        if let record = record(plan), record.isReached {
            return EarlyEnd(step: step, reason: record.words(plan))
        }
        guard let patience = plan.patience, since >= patience else { return nil }
        return EarlyEnd(
            step: step,
            reason:
                "\(plan.words) on held-out images did not improve in \(since) validations: it was"
                + String(format: " %.2f %%", 100 * best) + " after step \(bestStep)")
    }

    /// Returns how far the training is from the accuracy of `plan`; nil if it has none, or before the first validation.
    func record(_ plan: ValidationPlan) -> AccuracyRecord? {
        guard let aim = plan.until?.accuracy, let best else { return nil }
        return AccuracyRecord(aim: aim, isReached: best >= aim, best: best, step: bestStep)
    }
}

/// Why a phase ended before its last step.
struct EarlyEnd: Codable, Sendable, Equatable {
    /// The steps that were done.
    let step: Int
    /// The reason, in a sentence.
    let reason: String
}
