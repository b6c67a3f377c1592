// Checks a pipeline file before training. Every stage must stay within its supernet's trained domain. Each predictor
// must be fitted on the supernet that it is used with. Networks that are compared must be calibrated alike. Each
// device's limits, except latency, must be possible to meet.

import Datasets
import Devices
import Foundation
import Intake
import Networks
import Search

/// Checks stages against the supernets that they read.
struct TrainedCheck {
    private let space: SearchSpace
    private let stages: [String: PipelineDefinition.Stage]
    private let entries: [String: YAMLReader]
    private let domains: [String: TrainedDomain]
    private let normalizations: [String: PixelNormalization]

    /// Takes the stages of a pipeline file, which must have a valid graph, and for each stage's name the YAML mapping
    /// that the stage was read from. `domains` are the trained domains of artifacts that the file names, by number; what
    /// is trained from another artifact is not checked. `normalizations` are those of the artifacts' images.
    init(
        _ stages: [PipelineDefinition.Stage], _ entries: [String: YAMLReader], _ space: SearchSpace,
        domains: [String: TrainedDomain], normalizations: [String: PixelNormalization]
    ) {
        self.domains = domains
        self.normalizations = normalizations
        self.stages = Dictionary(uniqueKeysWithValues: stages.map { ($0.name, $0) })
        self.entries = entries
        self.space = space
    }

    /// Throws an error at the line of the first key of `stage` that violates a check: `invalidValue`, `infeasible` or
    /// `mismatch`.
    func check(_ stage: PipelineDefinition.Stage) throws {
        guard let entry = entries[stage.name] else { return }
        do {
            try check(stage, entry)
        } catch let error as PipelineError {
            throw error
        } catch let error as any Remedied {
            throw entry.error("kind", "cannot be run: \(error.reason)", remedy: error.remedy)
        }
    }

    private func check(_ stage: PipelineDefinition.Stage, _ entry: YAMLReader) throws {
        try checkLone(stage, entry)
        switch stage.parameters {
        case .train(let train): try check(train, stage, entry)
        case .fineTune(let tuning): try check(tuning, stage, entry)
        case .sampleAccuracy(let sampling): try check(sampling, stage, entry)
        case .search(let search):
            try checkBits(search, stage, entry)
            try check(search, stage, entry)
        case .fitPredictor(let fit):
            if let samples = maker(.samples, of: stage) { try checkBits(fit.bits, samples, entry) }
        case .evaluate(let evaluation): try check(evaluation, stage, entry)
        case .materialise(let cut) where stage.inputs[.choice] != nil:
            try checkChoice(cut, stage, entry)
        default: return
        }
    }

    /// Returns the stage that makes the input `role` of `stage`.
    func maker(_ role: ArtifactRole, of stage: PipelineDefinition.Stage?)
        -> PipelineDefinition.Stage?
    {
        guard case .stage(let name) = stage?.inputs[role] else { return nil }
        return stages[name]
    }

    /// Returns the trained domain of the supernet that the train stage `stage` makes; nil if it is unknown.
    private func trained(_ stage: PipelineDefinition.Stage?) -> TrainedDomain? {
        guard let stage, case .train(let train) = stage.parameters, train.architecture == nil
        else { return nil }
        guard train.from != nil, train.newHead != true else {
            return TrainStage.trained(train, nil, space)
        }
        return supernet(.supernet, of: stage).map { TrainStage.trained(train, $0.known, space) }
    }

    /// Returns the name and the trained domain of the supernet that is the input `role` of `stage`; nil if the domain is
    /// unknown.
    private func supernet(_ role: ArtifactRole, of stage: PipelineDefinition.Stage)
        -> (name: String, known: TrainedDomain)?
    {
        switch stage.inputs[role] {
        case .stage(let name): trained(stages[name]).map { (name, $0) }
        case .artifact(let id): domains[id].map { ("artifact \(id)", $0) }
        case nil: nil
        }
    }

    private func check(
        _ train: StageParameters.Train, _ stage: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        if train.phase.kernelTransform == false, train.from != nil,
            let before = maker(.supernet, of: stage), hasTrainedTransform(before)
        {
            throw entry.error(
                "kernel_transform", "is false, and \(before.name) has trained its matrices",
                remedy: "write it in every phase with smaller kernels")
        }
        if let aim = train.validation?.until?.stage,
            let measuring = maker(.evaluation, of: stage)
        {
            try checkAim(aim, measuring, entry)
        }
        guard train.phase.hasTeacher else { return }
        // The image size of a network that a search will choose is not known yet.
        try checkTeacher(
            of: stage, entry, sizes: train.architecture == nil ? train.phase.resolutions : [])
        if train.from != nil { try checkNormalization(.supernet, of: stage, entry) }
    }

    /// Checks a fine-tuning's teacher, whose full network must be trained at one size at least. The stage checks the size
    /// of its network, which a search may yet choose.
    private func check(
        _ tuning: StageParameters.FineTune, _ stage: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        guard tuning.training.phase.hasTeacher else { return }
        let sizes = supernet(.teacher, of: stage)?.known.resolutions.prefix(1) ?? []
        try checkTeacher(of: stage, entry, sizes: Array(sizes))
        try checkNormalization(
            stage.inputs[.subnet] == nil ? .supernet : .subnet, of: stage, entry)
    }

    /// Throws if the full network of the teacher of `stage` was not trained at one of `sizes`.
    private func checkTeacher(
        of stage: PipelineDefinition.Stage, _ entry: YAMLReader, sizes: [Int]
    ) throws {
        guard let (teacher, known) = supernet(.teacher, of: stage) else { return }
        for size in sizes {
            guard let gene = TeacherCheck.outside(known, space, sizes: [size]) else { continue }
            throw entry.error(
                "teacher",
                "asks \(teacher) for answers of its full network at \(size) pixels, which it was not trained for:"
                    + " \(gene)")
        }
    }

    /// Throws `mismatch` if the input `role` of `stage`, which is trained further, and the teacher know images of different
    /// normalisations.
    private func checkNormalization(
        _ role: ArtifactRole, of stage: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        guard let own = normalization(role, of: stage),
            let theirs = normalization(.teacher, of: stage), !own.isLike(theirs)
        else { return }
        throw entry.error(
            "teacher",
            "was trained on images normalised by \(theirs.words); those of this stage are normalised by \(own.words)",
            remedy: TeacherCheck.remedy, code: .mismatch)
    }

    /// Returns the normalisation of the images that the input `role` of `stage` was trained on; nil if it is unknown before
    /// the run, as that of fresh weights, which is measured.
    private func normalization(_ role: ArtifactRole, of stage: PipelineDefinition.Stage)
        -> PixelNormalization?
    {
        switch stage.inputs[role] {
        case .artifact(let id): normalizations[id]
        case .stage(let name): stages[name].flatMap(normalization(madeBy:))
        case nil: nil
        }
    }

    private func normalization(madeBy stage: PipelineDefinition.Stage) -> PixelNormalization? {
        switch stage.parameters {
        case .train(let train):
            if train.from != nil { return normalization(.supernet, of: stage) }
            return train.phase.hasTeacher ? normalization(.teacher, of: stage) : nil
        case .materialise: return normalization(.supernet, of: stage)
        case .fineTune:
            return normalization(stage.inputs[.subnet] == nil ? .supernet : .subnet, of: stage)
        default: return nil
        }
    }

    /// Throws if a network is measured that its supernet was not trained for, unless that is the purpose.
    private func check(
        _ evaluation: StageParameters.Evaluate, _ stage: PipelineDefinition.Stage,
        _ entry: YAMLReader
    ) throws {
        guard evaluation.untrained != true, let (name, known) = supernet(.supernet, of: stage)
        else { return }
        for one in evaluation.networks {
            guard let gene = known.outside(one.arch, in: space) else { continue }
            throw entry.error(
                "networks",
                "has \(one.name), which \(name) was not trained for: \(gene)",
                remedy: "set untrained: true to measure it nevertheless")
        }
    }

    /// Returns whether the kernel transform's matrices have been trained when stage `stage` ends.
    private func hasTrainedTransform(_ stage: PipelineDefinition.Stage?) -> Bool {
        guard let stage, case .train(let train) = stage.parameters, train.alone != true else {
            return false
        }
        let before = train.from == nil ? nil : maker(.supernet, of: stage)
        if hasTrainedTransform(before) { return true }
        return usesTransform(stage) && train.phase.kernelSizes != Array(space.kernelSizes.suffix(1))
    }

    /// Returns whether stage `stage` trains with the kernel transform: as it says, or as the stage that it starts from.
    private func usesTransform(_ stage: PipelineDefinition.Stage?) -> Bool {
        guard let stage, case .train(let train) = stage.parameters else { return true }
        return train.phase.kernelTransform
            ?? (train.from == nil || usesTransform(maker(.supernet, of: stage)))
    }

    private func check(
        _ sampling: StageParameters.SampleAccuracy, _ stage: PipelineDefinition.Stage,
        _ entry: YAMLReader
    ) throws {
        guard let (supernet, known) = supernet(.supernet, of: stage) else { return }
        if let other = sampling.resolutions?.first(where: { !known.resolutions.contains($0) }) {
            throw entry.error(
                "resolutions",
                "has \(other), and \(supernet) is trained for \(SearchSpace.listed(known.resolutions))"
            )
        }
        if let earlier = maker(.samples, of: stage), let other = maker(.supernet, of: earlier),
            .stage(other.name) != stage.inputs[.supernet]
        {
            throw entry.error(
                "after",
                "names \(earlier.name), whose subnets are of \(other.name); this stage's are of \(supernet)"
            )
        }
        if let earlier = maker(.samples, of: stage),
            case .sampleAccuracy(let before) = earlier.parameters
        {
            try checkCalibration(sampling.calibrationAugmentation, as: before, of: earlier, entry)
            try checkBits(sampling.bits ?? 32, earlier, entry)
        }
        let count = try sampled(stage, sampling, known).networkCount
        let wanted = measured(stage)
        guard count < UInt128(wanted) else { return }
        throw entry.error(
            "subnets",
            "asks for \(wanted) networks, and \(supernet) is trained for \(count): \(known.words)",
            remedy: "train phases with more choices before, or measure fewer")
    }

    /// Returns the space from which a stage chooses its subnets.
    private func sampled(
        _ stage: PipelineDefinition.Stage, _ sampling: StageParameters.SampleAccuracy,
        _ known: TrainedDomain
    ) throws -> SearchSpace {
        var domain = known
        if let sizes = sampling.resolutions {
            domain.resolutions = known.resolutions.filter(sizes.contains)
        }
        return try space.restricted(to: domain)
    }

    /// Returns the number of subnets measured by a stage and by the stages that it continues.
    private func measured(_ stage: PipelineDefinition.Stage?) -> Int {
        guard let stage, case .sampleAccuracy(let sampling) = stage.parameters else { return 0 }
        return sampling.subnets
            + (sampling.after == nil ? 0 : measured(maker(.samples, of: stage)))
    }

    /// Returns what a search's predictor is fitted on: the stage that trains the supernet, and the space that the
    /// measured subnets are chosen from; nil if unknown.
    private func origin(of stage: PipelineDefinition.Stage?) throws -> (
        supernet: PipelineDefinition.Stage, space: SearchSpace
    )? {
        let samples = maker(.samples, of: maker(.predictor, of: stage))
        guard let samples, case .sampleAccuracy(let sampling) = samples.parameters,
            let supernet = maker(.supernet, of: samples), let known = trained(supernet)
        else { return nil }
        return (supernet, try sampled(samples, sampling, known))
    }

    private func check(
        _ search: StageParameters.SearchDevice, _ stage: PipelineDefinition.Stage,
        _ entry: YAMLReader
    ) throws {
        guard let origin = try origin(of: stage) else { return }
        var sizes = origin.space.resolutions
        if let table = maker(.latencyTable, of: stage),
            case .measureDevice(let measurement) = table.parameters,
            let measured = measurement.resolutions
        {
            sizes = sizes.filter(measured.contains)
            guard !sizes.isEmpty else {
                throw entry.error(
                    "device",
                    "is timed by \(table.name) at \(SearchSpace.listed(measured)), and \(origin.supernet.name) is sampled at"
                        + " \(SearchSpace.listed(origin.space.resolutions)): none is common")
            }
        }
        // The latency on this machine is unknown before it is measured.
        var device = search.device
        device.limits = device.limits.without(.latency)
        guard device.limits != Constraints() else { return }
        do {
            _ = try EvolutionarySearch(space: origin.space, resolutions: sizes, device: device)
        } catch let error as DeviceError where error.code == .infeasible {
            throw entry.error(
                "device", "cannot be served: \(error.reason)", remedy: error.remedy,
                code: .infeasible)
        }
    }

    /// Throws `mismatch` for a search by accuracies of other bits than its predictor's, or by accuracies in eight bits for
    /// a device that computes in floats.
    private func checkBits(
        _ search: StageParameters.SearchDevice, _ stage: PipelineDefinition.Stage,
        _ entry: YAMLReader
    ) throws {
        let device = search.device, key = search.bits == nil ? "device" : "bits"
        let samples = maker(.samples, of: maker(.predictor, of: stage))
        if let samples { try checkBits(search.bits, samples, entry) }
        guard (search.bits ?? samples.map(bits(of:))) == 8, device.bits != 8 else { return }
        let floats = "computes in floats: \(device.bytesPerWeight) bytes a weight"
        throw entry.error(
            key,
            search.bits == 8
                ? "is 8, and device \(device.name) \(floats)"
                : "names \(device.name), which \(floats), and its predictor is fitted on accuracies in 8 bits",
            remedy: "give the device bytes_per_weight: 1, or need a predictor of float accuracies",
            code: .mismatch)
    }

    /// Throws `mismatch` unless `bits`, if given, are those in which the stage `samples` measures.
    private func checkBits(
        _ bits: Int?, _ samples: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        guard let bits, bits != self.bits(of: samples) else { return }
        throw entry.error(
            "bits", "is \(bits), and \(samples.name) measures in \(self.bits(of: samples)) bits",
            remedy: "write the same in both", code: .mismatch)
    }

    /// Returns the bits in which a stage measures accuracies.
    private func bits(of stage: PipelineDefinition.Stage) -> Int {
        guard case .sampleAccuracy(let sampling) = stage.parameters else { return 32 }
        return sampling.bits ?? 32
    }

    private func checkChoice(
        _ cut: StageParameters.Materialise, _ stage: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        guard let search = maker(.choice, of: stage), let origin = try origin(of: search) else {
            return
        }
        if let supernet = maker(.supernet, of: stage), origin.supernet.name != supernet.name {
            throw entry.error(
                "needs",
                "leads to \(supernet.name), and the predictor of \(search.name) was fitted on networks of \(origin.supernet.name)",
                remedy: "need the same supernet", code: .mismatch)
        }
        if let samples = maker(.samples, of: maker(.predictor, of: search)),
            case .sampleAccuracy(let sampling) = samples.parameters
        {
            try checkCalibration(cut.calibrationAugmentation, as: sampling, of: samples, entry)
        }
    }

    /// Throws `mismatch` unless `own` is the calibration augmentation of `sampling`. Compared networks must be
    /// calibrated alike: a materialised network and the networks of its predictor's samples, or the networks of samples
    /// that are merged.
    private func checkCalibration(
        _ own: CalibrationAugmentation?, as sampling: StageParameters.SampleAccuracy,
        of stage: PipelineDefinition.Stage, _ entry: YAMLReader
    ) throws {
        let theirs = sampling.calibrationAugmentation
        guard own != theirs else { return }
        throw entry.error(
            "calibration_augmentation",
            "is \((own ?? .whole).rawValue), and that of \(stage.name) \((theirs ?? .whole).rawValue)",
            remedy: "write the same: what is compared must be calibrated alike", code: .mismatch)
    }
}
