// Training without the kernel transform: every smaller kernel is the centre of the next larger one.

import Networks

extension Network {
    /// Switches the kernel transform off for phase `phase`: the transform matrices stay the identity, so that
    /// extraction and export, which multiply by them, agree with training. Errors: `invalidParameters` if a matrix is
    /// not the identity, because an earlier phase trained it.
    func switchOffKernelTransform(_ phase: String) throws {
        let trained = weights.layout.parameters.first { parameter in
            guard parameter.role == .transform else { return false }
            let side = parameter.shape[0], values = engine.download(weights.view(parameter))
            return values.indices.contains { values[$0] != ($0 % (side + 1) == 0 ? 1 : 0) }
        }
        if let trained {
            throw TrainingError(
                .invalidParameters,
                "phase \(phase): kernel_transform is false, but an earlier phase has trained \(trained.name)",
                remedy: "switch it off in every phase with smaller kernels, or leave it on",
                field: "kernel_transform")
        }
        usesKernelTransform = false
    }
}
