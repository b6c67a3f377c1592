// The accuracy at which a phase of training ends: a number, or what another network has on the same held-out images.

import Artifacts
import Foundation
import Networks

/// The accuracy on held-out images at which a phase ends.
struct AccuracyAim: Codable, Sendable, Equatable {
    /// The key of a train stage.
    static let key = "until_accuracy"

    /// The accuracy in 0…1; nil if `stage` measures it.
    var accuracy: Double?
    /// The stage or the artifact with the accuracy of one network; nil for a given number.
    var stage: String?

    /// Parses the key; nil if it is missing. Errors: `invalidValue` for a number outside of 0…1.
    static func read(_ entry: YAMLReader) throws -> AccuracyAim? {
        guard let word = entry.word(key), Double(word) == nil else {
            return try entry.number(key, in: 0...1).map { AccuracyAim(accuracy: $0) }
        }
        return AccuracyAim(stage: try entry.text(key))
    }
}

/// How near a phase came to the accuracy at which it was to end.
struct AccuracyRecord: Codable, Sendable, Equatable {
    /// The accuracy that was the aim, in 0…1.
    let aim: Double
    /// Whether a validation had at least this accuracy.
    let isReached: Bool
    /// The highest accuracy of the validations, and the step after which it was.
    let best: Double
    let step: Int

    /// Returns whether the aim was `accuracy`.
    func isAt(_ accuracy: Double) -> Bool { abs(aim - accuracy) < 1e-9 }

    /// The record in a sentence without its full stop; `plan` says what was measured.
    func words(_ plan: ValidationPlan) -> String {
        let (best, aim) = (Self.percent(best), Self.percent(aim))
        return isReached
            ? "\(plan.words) on held-out images was \(best) after step \(step), and \(aim) was the aim"
            : "\(plan.words) on held-out images did not reach \(aim): at best it was \(best), after step \(step)"
    }

    private static func percent(_ share: Double) -> String {
        String(format: "%.2f %%", 100 * share)
    }
}

extension StageContext {
    /// Returns the plan with the accuracy of its aim, which another stage may have measured, on the images that are
    /// validated: at most `heldOut`. Errors: `mismatch` if that evaluation has several networks, no accuracy on held-out
    /// images, or one on another number of images.
    func withAim(_ plan: ValidationPlan?, heldOut: Int) throws -> ValidationPlan? {
        guard var plan, plan.until?.stage != nil else { return plan }
        let artifact = try input(.evaluation)
        func fault(_ why: String, _ remedy: String) -> PipelineError {
            PipelineError(
                .mismatch,
                "stage \(arguments.stage): \(AccuracyAim.key) names artifact \(artifact.id), \(why)",
                remedy: remedy)
        }
        let evaluation = try content(ArmEvaluation.self, of: artifact)
        guard let network = evaluation.networks.first, evaluation.networks.count == 1 else {
            throw fault(
                "which has the accuracies of \(evaluation.networks.count) networks",
                "name an evaluation of one network, or give the accuracy as a number")
        }
        guard let accuracy = network.heldOutTop1, let images = evaluation.heldOutImages else {
            throw fault(
                "which measured no held-out images", "hold images out, and evaluate again")
        }
        guard images == min(plan.images, heldOut) else {
            throw fault(
                "which measured \(images) held-out images, and this stage validates on \(min(plan.images, heldOut))",
                "set validate_images: \(images), with the same data set")
        }
        plan.until?.accuracy = accuracy
        return plan
    }

    /// Returns the genes of the network that the input search result chose, and its device. Errors: `invalidArtifact`
    /// for a network of another space.
    func chosenNetwork() throws -> (config: SubnetConfig, device: String) {
        let choice = try content(Choice.self, of: try input(.choice))
        try space.checkOrigin(of: "chosen networks", choice.space, choice.definition)
        return (space.canonical(choice.result.arch), choice.device.name)
    }
}
