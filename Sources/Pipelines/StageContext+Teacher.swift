// The supernet whose largest network gives soft labels: it gets the images of the network in training, so it must know
// their normalisation and their size.

import Datasets
import Networks
import Tensors
import Training

extension StageContext {
    /// Returns the supernet whose largest network gives soft labels for `images` in `phase`; nil if there is none, or if it
    /// is the network in training. Errors: `mismatch` if the teacher was trained on images of another normalisation, or if
    /// its largest network was not trained at one of the phase's sizes.
    func teacher(
        of phase: TrainingPhase, _ images: TrainingImages, engine: CPUEngine
    ) throws -> Network? {
        guard phase.hasTeacher else { return nil }
        let artifact = try input(.teacher), own = images.normalization
        if let theirs = try supernetNormalization(.teacher), !theirs.isLike(own) {
            throw PipelineError(
                .mismatch,
                "the teacher, artifact \(artifact.id), was trained on images normalised by \(theirs.words); those of"
                    + " stage \(arguments.stage) are normalised by \(own.words)",
                remedy: TeacherCheck.remedy)
        }
        if let gene = TeacherCheck.outside(
            try trainedDomain(.teacher), space, sizes: phase.resolutions)
        {
            throw PipelineError(
                .mismatch,
                "the teacher, artifact \(artifact.id), answers with its full network, which it was not trained for:"
                    + " \(gene)")
        }
        return try Network(supernet: try supernet(.teacher), of: space, engine: engine)
    }
}

extension TrainingPhase {
    /// Whether another supernet gives soft labels.
    var hasTeacher: Bool { distillation > 0 && !inPlaceDistillation }
}

/// The rules for teachers, which hold when a pipeline file is checked and when the stage runs.
enum TeacherCheck {
    /// The remedy for a teacher whose images are normalised in another way.
    static let remedy =
        "name a teacher that was trained with the same normalisation, or train fresh weights: they take the teacher's"

    /// Returns the first gene of the largest network of `space` that is outside of `known` at one of `sizes`; nil if there
    /// is none.
    static func outside(_ known: TrainedDomain, _ space: SearchSpace, sizes: [Int]) -> String? {
        for size in sizes {
            var full = space.largest
            full.resolution = size
            if let gene = known.outside(full, in: space) { return gene }
        }
        return nil
    }
}
