// Repetition of a pipeline file's stages with several seeds: `seeds: [1, 2, 3]` instead of `seed: 1`. The data set is
// imported once and the report is written once; every other stage is repeated for each seed, as NAME-SEED, and needs
// the copies of the same seed.

import Foundation
import Networks
import Training

extension PipelineDefinition {
    /// The seeds of a run.
    struct Seeds {
        /// The seed of stages that are not repeated.
        let first: UInt64
        /// The seeds of the repetitions; nil without repetition.
        let repeated: [UInt64]?

        /// Reads `seed` or `seeds`. Errors: `invalidValue` if the file has both, or an empty list.
        init(_ top: YAMLReader) throws {
            let one = try top.integer("seed"), several = try top.integers("seeds")
            if let several {
                guard one == nil else {
                    throw top.error("seeds", "stands beside seed", remedy: "leave one out")
                }
                guard let first = several.first, several.count <= 100 else {
                    throw top.error("seeds", "must list 1 to 100 seeds")
                }
                self.first = UInt64(first)
                repeated = several.map(UInt64.init)
            } else {
                first = UInt64(one ?? 0)
                repeated = nil
            }
        }

        /// Returns the stages, each repeated for every seed. Errors: `invalidGraph` if the name of a copy is that of
        /// another stage, or if a stage that is made once needs an output of a repeated stage.
        func repeating(_ drafts: [StageDraft]) throws -> [StageDraft] {
            guard let repeated else {
                return drafts.map { draft in
                    var draft = draft
                    draft.seed = first
                    return draft
                }
            }
            let copied = Set(drafts.filter { !Self.once.contains($0.kind) }.map(\.name))
            var names = Set(drafts.map(\.name)), all: [StageDraft] = []
            for draft in drafts {
                guard copied.contains(draft.name) else {
                    all.append(whole(draft, copied, repeated))
                    continue
                }
                for seed in repeated {
                    let copy = Self.copy(draft, copied, seed)
                    guard names.insert(copy.name).inserted else {
                        throw draft.entry.error(
                            "kind", "is repeated as \(copy.name), which is another stage",
                            remedy: "rename one", code: .invalidGraph)
                    }
                    all.append(copy)
                }
            }
            return all
        }

        /// The kinds of stages that are not repeated.
        private static let once: Set<StageKind> = [.importDataset, .report]

        /// Returns `draft` with the copies of all seeds in place of each repeated stage that it needs.
        private func whole(_ draft: StageDraft, _ copied: Set<String>, _ seeds: [UInt64])
            -> StageDraft
        {
            var draft = draft
            draft.seed = first
            let needs = draft.needs, onBad = draft.onBad
            (draft.needs, draft.onBad) = ([], [:])
            for need in needs {
                let all = copied.contains(need) ? seeds.map { "\(need)-\($0)" } : [need]
                draft.needs += all
                for one in all { draft.onBad[one] = onBad[need] }
            }
            return draft
        }

        /// Returns the copy of `draft` for one seed.
        private static func copy(_ draft: StageDraft, _ copied: Set<String>, _ seed: UInt64)
            -> StageDraft
        {
            func name(_ stage: String) -> String {
                copied.contains(stage) ? "\(stage)-\(seed)" : stage
            }
            var draft = draft
            draft.seed = seed
            draft.onBad = Dictionary(
                uniqueKeysWithValues: draft.onBad.map { (name($0.key), $0.value) })
            (draft.name, draft.needs) = (name(draft.name), draft.needs.map(name))
            draft.parameters = draft.parameters.renamed(name)
            draft.sources = draft.sources.map { $0.renamed(name) }
            return draft
        }
    }
}

extension StageParameters {
    /// Returns the parameters with the epochs of a training phase, and those from one validation to the next, multiplied
    /// by `scale`, which tries a file out in a fraction of its time. `entry` is what the parameters were read from.
    /// Errors: `invalidValue` if the epochs are then outside their range.
    func scaled(_ scale: Double, _ entry: YAMLReader) throws -> StageParameters {
        guard scale != 1 else { return self }
        func scaled(_ phase: inout TrainingPhase) throws {
            let epochs = phase.epochs * scale, range = TrainingPhase.Ranges.epochs
            guard range.contains(epochs) else {
                throw entry.error(
                    "epochs",
                    "is \(phase.epochs), and epoch_scale makes it \(epochs); it must lie in \(range)",
                    remedy: "change epoch_scale")
            }
            phase.epochs = epochs
            phase.warmupEpochs = min(phase.warmupEpochs * scale, epochs)
        }
        switch self {
        case .train(var train):
            try scaled(&train.phase)
            train.validation?.everyEpochs *= scale
            return .train(train)
        case .fineTune(var tuning):
            try scaled(&tuning.training.phase)
            return .fineTune(tuning)
        default: return self
        }
    }

    /// Returns the parameters with the names of other stages replaced.
    fileprivate func renamed(_ name: (String) -> String) -> StageParameters {
        switch self {
        case .train(var train):
            train.from = train.from.map(name)
            train.teacher = train.teacher.map(name)
            train.architecture = train.architecture.map(name)
            if let aim = train.validation?.until?.stage {
                train.validation?.until?.stage = name(aim)
            }
            return .train(train)
        case .evaluate(var evaluation):
            evaluation.architecture = evaluation.architecture.map(name)
            return .evaluate(evaluation)
        case .fineTune(var tuning):
            tuning.from = name(tuning.from)
            tuning.training.teacher = tuning.training.teacher.map(name)
            return .fineTune(tuning)
        case .sampleAccuracy(var sampling):
            sampling.after = sampling.after.map(name)
            return .sampleAccuracy(sampling)
        default: return self
        }
    }
}
