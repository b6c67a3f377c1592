// What the arguments of a job demand of a worker's version. Workers of the first versions ignore keys that they do not
// know and would run a job as if the keys were absent. A job with keys that were added later therefore requires a
// capability that only workers which know these keys offer. Workers of this version refuse unknown keys themselves
// (`StageArguments.read`), so keys that are added from now on need no capability.

extension StageKind {
    /// The capability of workers that know the keys which `train` got after its release: a new classifier, validations,
    /// in-place distillation, distillation losses, gradient clipping, kernels without transform, 16-bit maps, networks
    /// trained alone, and artifacts as `from`.
    static let laterTrainingKeys = "ofa:train-2"

    /// The capabilities that every worker of this version offers, besides those of its machine.
    public static let offers = [laterTrainingKeys]
}

extension StageArguments {
    /// The capabilities that a worker needs to know all keys of the arguments.
    var demands: [String] {
        guard case .train(let train) = parameters else { return [] }
        let goesOn = if case .artifact = inputs[.supernet] { true } else { false }
        return goesOn || train.hasLaterKeys ? [StageKind.laterTrainingKeys] : []
    }
}

extension StageParameters.Train {
    /// Whether a key of `StageKind.laterTrainingKeys` is set.
    fileprivate var hasLaterKeys: Bool {
        newHead != nil || validation != nil || phase.inPlaceDistillation
            || phase.distillationLoss != .crossEntropy || phase.gradientClip != nil
            || phase.kernelTransform != nil || phase.precision != nil || alone != nil
    }
}
