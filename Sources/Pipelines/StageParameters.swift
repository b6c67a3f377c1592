// The parameters of every kind of stage, which are parsed strictly from YAML and stored as JSON in the job.

import Datasets
import Devices
import Foundation
import Intake
import Networks
import Search
import Tensors
import Training

/// One stage's parameters.
public enum StageParameters: Codable, Sendable, Equatable {
    case importDataset(ImportDataset)
    case train(Train)
    case sampleAccuracy(SampleAccuracy)
    case fitPredictor(FitPredictor)
    case measureDevice(MeasureDevice)
    case search(SearchDevice)
    case materialise(Materialise)
    case fineTune(FineTune)
    case evaluate(Evaluate)
    case report(Report)

    /// One phase of training.
    public struct Train: Codable, Sendable, Equatable {
        /// The training phase.
        public var phase: TrainingPhase
        /// The stage or the artifact whose supernet the training starts from; nil starts from fresh weights.
        public var from: String?
        /// The stage or the artifact whose supernet's largest network is the teacher.
        public var teacher: String?
        /// The expand ratios whose subnets keep the same channels when channels are sorted; the largest ratio is left
        /// out. The widths of these ratios divide the channels into groups, and each group is sorted separately. Nil
        /// means all ratios in the trained domain of `from`.
        public var keepRatios: [Double]?
        /// The least number of seconds between checkpoints; nil for 20. Slow checkpoints lengthen the interval
        /// (`CheckpointPace`); 0 means a checkpoint after every step.
        public var checkpointSeconds: Double?
        /// Whether the classifier of the supernet `from` is replaced by a fresh one, for other classes; nil means no.
        public var newHead: Bool?
        /// The validations during the phase; nil for none.
        var validation: ValidationPlan?
        /// Whether the phase trains the single network of its genes as a network of its own, from fresh weights, instead
        /// of a part of a supernet; nil means no.
        var alone: Bool?
        /// The search stage or the search result whose network the phase trains alone; nil for the network of the
        /// phase's genes.
        var architecture: String?
    }

    /// Measures the accuracies of many subnets on held-out images.
    public struct SampleAccuracy: Codable, Sendable, Equatable {
        /// The number of distinct subnets.
        public var subnets: Int
        /// The number of held-out images per subnet, at most the number available.
        public var images: Int
        /// The number of training images for batch-norm calibration.
        public var calibrationImages: Int
        /// The number of jobs that share the subnets.
        public var shards: Int
        /// An earlier stage of this kind to continue from; the new samples are merged with the earlier samples. The
        /// stage then chooses subnets that may be near the Pareto front and whose predicted accuracies are uncertain;
        /// the predictor was fitted on the earlier samples. If `after` is nil, the subnets are stratified over image
        /// sizes and MACs.
        public var after: String?
        /// The image sizes of the subnets; nil means all that the supernet was trained for.
        public var resolutions: [Int]?
        /// The augmentation of calibration images; nil for none.
        public var calibrationAugmentation: CalibrationAugmentation?
        /// 8 if every subnet is quantised and measured in eight bits; nil for floats.
        public var bits: Int?
    }

    /// Fits a predictor of accuracy from architecture.
    public struct FitPredictor: Codable, Sendable, Equatable {
        /// The method: `ridge`, `ensemble` or `mlp`.
        public var method: String
        /// The bits that the measured subnets must have, 8 or 32; nil for any.
        public var bits: Int?
    }

    /// Measures a latency table of this machine.
    public struct MeasureDevice: Codable, Sendable, Equatable {
        /// The device whose table is measured, at its batch size.
        public var device: DeviceTarget
        /// The least number of timed passes per part of a network.
        public var repeats: Int
        /// The number of whole networks that are timed to check and correct the table.
        public var wholeNetworks: Int
        /// The image sizes to measure; nil means all of the space.
        public var resolutions: [Int]?
    }

    /// Searches for the network with the best predicted accuracy for a device.
    public struct SearchDevice: Codable, Sendable, Equatable {
        /// The device and its limits.
        public var device: DeviceTarget
        /// The number of networks scored for the Pareto front; 0 for no front, nil for a number that suffices for a
        /// plot.
        public var frontEvaluations: Int?
        /// The bits that the predictor must be for, 8 or 32; nil for any that the device can have.
        public var bits: Int?
    }

    /// Extracts a network with its own weights and measures it on test images.
    public struct Materialise: Codable, Sendable, Equatable {
        /// The device that the network was searched for; nil for a network given by `network`.
        public var device: DeviceTarget?
        /// `largest`, `smallest` or genes as JSON; nil for a search's result.
        public var network: String?
        /// The number of training images for batch-norm calibration.
        public var calibrationImages: Int
        /// The test offset (mean difference of test and held-out accuracy) of earlier networks; with nil, the network
        /// is also measured on held-out images.
        public var testOffset: TestOffset?
        /// The augmentation of calibration images; nil for none.
        public var calibrationAugmentation: CalibrationAugmentation?
    }

    /// Writes a page about the run's results and costs.
    public struct Report: Codable, Sendable, Equatable {}

    /// The methods of fitting a predictor.
    private enum Method: String, CaseIterable {
        case ridge, ensemble, mlp
    }

    /// The default number of timed passes per part of a network.
    static let usualRepeats = 60

    /// Returns the image sizes under the key `resolutions`; nil if the key is missing. Each must be a resolution of the
    /// space.
    private static func sizes(_ entry: YAMLReader, _ space: SearchSpace) throws -> [Int]? {
        guard let sizes = try entry.integers("resolutions", in: 1...4096) else { return nil }
        guard !sizes.isEmpty, sizes.allSatisfy(space.resolutions.contains) else {
            throw entry.error(
                "resolutions",
                "is \(sizes); space \(space.name) has image sizes \(SearchSpace.listed(space.resolutions))"
            )
        }
        return sizes
    }

    /// The inputs whose source is named by a parameter, each with the parameter's key and value. The source of a
    /// fine-tuning may also be a search result instead of a network.
    var namedInputs: [(role: ArtifactRole, key: (key: String, stage: String))] {
        if case .sampleAccuracy(let sampling) = self, let after = sampling.after {
            return [(.samples, ("after", after))]
        }
        if case .fineTune(let stage) = self {
            let teacher = stage.training.teacher.map { (ArtifactRole.teacher, ("teacher", $0)) }
            return [(.subnet, ("from", stage.from))] + [teacher].compactMap(\.self)
        }
        if case .evaluate(let evaluation) = self, let choice = evaluation.architecture {
            return [(.choice, ("architecture", choice))]
        }
        guard case .train(let train) = self else { return [] }
        var inputs: [(role: ArtifactRole, key: (key: String, stage: String))] = []
        if let from = train.from { inputs.append((.supernet, ("from", from))) }
        if let teacher = train.teacher { inputs.append((.teacher, ("teacher", teacher))) }
        if let choice = train.architecture { inputs.append((.choice, ("architecture", choice))) }
        if let aim = train.validation?.until?.stage {
            inputs.append((.evaluation, (AccuracyAim.key, aim)))
        }
        return inputs
    }

    /// The roles of required inputs.
    public var requiredRoles: [ArtifactRole] {
        switch self {
        case .importDataset, .measureDevice, .report: []
        case .train: [.dataset]
        case .sampleAccuracy(let sampling):
            [.dataset, .supernet] + (sampling.after == nil ? [] : [.predictor])
        case .fitPredictor: [.samples]
        case .search(let search):
            [.predictor] + (search.device.limits.latencyMsMax == nil ? [] : [.latencyTable])
        case .materialise(let stage):
            [.dataset, .testImages, .supernet] + (stage.network == nil ? [.choice] : [])
        case .fineTune: [.dataset, .testImages]
        case .evaluate: [.dataset, .testImages, .supernet]
        }
    }

    /// The roles of optional inputs.
    var optionalRoles: [ArtifactRole] {
        switch self {
        case .search: [.energyTable, .supernet]
        case .measureDevice: [.latencyTable]
        case .fineTune: [.subnet, .choice, .teacher]
        default: []
        }
    }

    /// Parses the parameters of a stage of `kind` from `entry`; the caller calls `entry.finish`.
    static func read(
        _ kind: StageKind, named name: String, from entry: YAMLReader, space: SearchSpace,
        devices: [String: DeviceTarget], place: FilePlace
    ) throws -> StageParameters {
        func device() throws -> DeviceTarget {
            let name = try entry.required(try entry.text("device"), "device")
            guard let device = devices[name] else {
                let known = devices.keys.sorted()
                throw entry.error(
                    "device",
                    "names '\(Shown.excerpt(name))', which is not among the file's devices (\(known.joined(separator: ", ")))",
                    remedy: NearestName.remedy(name, among: known))
            }
            return device
        }
        switch kind {
        case .importDataset:
            return .importDataset(try readImportDataset(entry, space: space, place: place))
        case .train:
            return .train(try readTrain(entry, space: space))
        case .sampleAccuracy: return .sampleAccuracy(try readSampleAccuracy(entry, space: space))
        case .fitPredictor:
            let method = try entry.choice("method", Method.self) ?? .ridge
            return .fitPredictor(
                FitPredictor(method: method.rawValue, bits: try bits(entry)))
        case .measureDevice:
            let device = try device()
            guard device.kind == .computer else {
                throw entry.error(
                    "device",
                    "names '\(device.name)', a \(device.kind.rawValue), and only a computer is measured, by its own worker",
                    remedy: "give a table with ofa device add")
            }
            return .measureDevice(
                MeasureDevice(
                    device: device,
                    repeats: try entry.integer("repeats", in: 3...10_000) ?? usualRepeats,
                    wholeNetworks: try entry.integer("whole_networks", in: 1...1000) ?? 20,
                    resolutions: try sizes(entry, space)))
        case .search:
            return .search(
                SearchDevice(
                    device: try device(),
                    frontEvaluations: try entry.integer(
                        "front_evaluations", in: 0...EvolutionarySearch.Options.mostFrontEvaluations
                    ), bits: try bits(entry)))
        case .materialise:
            let network = try Materialised.read(entry, space)
            return .materialise(
                Materialise(
                    device: network == nil ? try device() : nil, network: network,
                    calibrationImages: try calibrationImages(entry),
                    calibrationAugmentation: try calibrationAugmentation(entry)))
        case .fineTune: return .fineTune(try readFineTune(entry, space: space))
        case .evaluate:
            return .evaluate(try readEvaluate(entry, stage: name, space: space))
        case .report:
            return .report(Report())
        }
    }

    static func calibrationImages(_ entry: YAMLReader) throws -> Int {
        try entry.integer("calibration_images", in: 1...1_000_000) ?? 2000
    }

    static func calibrationAugmentation(
        _ entry: YAMLReader
    ) throws -> CalibrationAugmentation? {
        let requested = try entry.choice("calibration_augmentation", CalibrationAugmentation.self)
        return requested == .whole ? nil : requested
    }

    private static func readSampleAccuracy(
        _ entry: YAMLReader, space: SearchSpace
    ) throws -> SampleAccuracy {
        SampleAccuracy(
            subnets: try entry.integer("subnets", in: 10...100_000) ?? 100,
            images: try entry.integer("images", in: 1...10_000_000) ?? 5000,
            calibrationImages: try calibrationImages(entry),
            shards: try entry.integer("shards", in: 1...10_000) ?? 8,
            after: try entry.text("after"), resolutions: try sizes(entry, space),
            calibrationAugmentation: try calibrationAugmentation(entry),
            bits: try bits(entry) == 8 ? 8 : nil)
    }

    /// Returns the value of the key `bits`, 8 or 32; nil if the key is missing.
    private static func bits(_ entry: YAMLReader) throws -> Int? {
        guard let bits = try entry.integer("bits") else { return nil }
        guard bits == 8 || bits == 32 else {
            throw entry.error(
                "bits", "is \(bits); networks are measured in 8 bits, or in 32: floats")
        }
        return bits
    }

    static func readAugmentation(_ entry: YAMLReader) throws -> Augmentation {
        let style = try entry.choice("crop", Augmentation.CropStyle.self) ?? .stretched
        let augmentation = Augmentation(
            minArea: try entry.number("min_area", in: 0.01...1) ?? (style == .resized ? 0.08 : 1),
            flip: try entry.flag("flip") ?? true,
            shift: try entry.number("shift", in: 0...64) ?? 0, cropStyle: style,
            maxAspect: try entry.number("max_aspect", in: 1...4) ?? 4.0 / 3,
            brightness: try entry.number("brightness", in: 0...1) ?? 0,
            saturation: try entry.number("saturation", in: 0...1) ?? 0)
        try entry.finish()
        return augmentation
    }
}
