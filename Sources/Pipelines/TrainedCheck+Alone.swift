// Checks what reads a network that was trained alone and that a search chose, and what says when such a training ends.

import Foundation
import Intake
import Training

extension TrainedCheck {
    /// Throws if the accuracy at which a phase ends is one of several networks, or of a network that is calibrated with
    /// more or fewer images than validations are: `measuring` is the stage `aim`.
    func checkAim(
        _ aim: String, _ measuring: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        guard case .evaluate(let evaluation) = measuring.parameters else { return }
        let calibrating = Validation.calibrationImages
        guard evaluation.calibrationImages == calibrating else {
            throw entry.error(
                AccuracyAim.key,
                "names \(aim), which calibrates with \(evaluation.calibrationImages) images, and validations do with \(calibrating)",
                remedy:
                    "set calibration_images: \(calibrating) there, or give the accuracy as a number"
            )
        }
        guard evaluation.architecture == nil, evaluation.networks.count != 1 else { return }
        throw entry.error(
            AccuracyAim.key,
            "names \(aim), which measures \(evaluation.networks.count) networks",
            remedy: "name a stage that measures one, or give the accuracy as a number")
    }

    /// What can be done with the supernet of a network that was trained alone.
    static let loneRemedy =
        "measure it with kind: evaluate and the same architecture, or train another phase from a supernet"

    /// Throws `mismatch` if a stage reads other networks than the one that a search chose and that was trained alone.
    func checkLone(_ stage: PipelineDefinition.Stage, _ entry: YAMLReader) throws {
        for role in [ArtifactRole.supernet, .teacher] {
            guard let maker = maker(role, of: stage), case .train(let train) = maker.parameters,
                let architecture = train.architecture
            else { continue }
            if case .evaluate(let evaluation) = stage.parameters {
                let isSame = stage.inputs[.choice] == maker.inputs[.choice]
                if evaluation.untrained == true || evaluation.architecture != nil && isSame {
                    continue
                }
            }
            let key = stage.kind.key(of: role) ?? "needs"
            throw entry.error(
                entry.keys.contains(key) ? key : "needs",
                "leads to \(maker.name), which trains only the network of \(architecture)",
                remedy: Self.loneRemedy, code: .mismatch)
        }
    }
}
