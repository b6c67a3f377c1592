// The parameters of every kind of stage: parsed strictly from YAML, stored as JSON in the job.

import Datasets
import Devices
import Foundation
import Intake
import Networks
import Search
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
    case report(Report)

    /// Imports the IDX files of a folder as shards.
    public struct ImportDataset: Codable, Sendable, Equatable {
        /// The data set's name.
        public var dataset: String
        /// The folder of the four files.
        public var folder: String
        /// The number of classes.
        public var classes: Int
        /// Training images held out for measuring accuracy during the run.
        public var heldOut: Int
    }

    /// One phase of training.
    public struct Train: Codable, Sendable, Equatable {
        /// The training phase.
        public var phase: TrainingPhase
        /// The stage whose supernet it starts from; nil starts from fresh weights.
        public var from: String?
        /// The stage whose supernet's largest network is the teacher.
        public var teacher: String?
        /// Expand ratios below the largest whose channel groups are kept when channels are sorted;
        /// nil keeps all ratios in the trained domain of `from`.
        public var keepRatios: [Double]?
        /// Seconds between checkpoints; nil bounds their cost by a thirtieth of the training.
        public var checkpointSeconds: Double?
    }

    /// Accuracies of many subnets on held-out images.
    public struct SampleAccuracy: Codable, Sendable, Equatable {
        /// The number of distinct subnets, stratified over MACs.
        public var subnets: Int
        /// Held-out images per subnet, limited by the number available.
        public var images: Int
        /// Training images for batch-norm calibration.
        public var calibrationImages: Int
        /// The number of jobs to split the work into.
        public var shards: Int
        /// An earlier sampling stage to continue from: subnets are chosen where a predictor fitted
        /// on its samples is uncertain and near the front, and the samples are merged. Nil
        /// stratifies them over MACs.
        public var after: String?
        /// Image sizes of the subnets; nil means all that the supernet was trained for.
        public var resolutions: [Int]?
        /// The augmentation of calibration images; nil for none.
        public var calibrationAugmentation: CalibrationAugmentation?
    }

    /// A predictor of accuracy from architecture.
    public struct FitPredictor: Codable, Sendable, Equatable {
        /// ridge, ensemble or mlp.
        public var method: String
    }

    /// A latency table of this machine.
    public struct MeasureDevice: Codable, Sendable, Equatable {
        /// The device whose batch size is measured.
        public var device: DeviceTarget
        /// The least number of timed passes per block.
        public var repeats: Int
        /// Whole networks timed to validate the table.
        public var wholeNetworks: Int
        /// Image sizes to measure; nil means all of the space.
        public var resolutions: [Int]?
    }

    /// The network with the best predicted accuracy for a device.
    public struct SearchDevice: Codable, Sendable, Equatable {
        /// The device and its limits.
        public var device: DeviceTarget
        /// Networks scored for the Pareto front; 0 for no front, nil for enough to plot.
        public var frontEvaluations: Int?
    }

    /// A network with its own weights, measured on test images.
    public struct Materialise: Codable, Sendable, Equatable {
        /// The device it was searched for; nil for a named network.
        public var device: DeviceTarget?
        /// largest or smallest, instead of a search's result.
        public var network: String?
        /// Training images for batch-norm calibration.
        public var calibrationImages: Int
        /// The known test offset; nil measures held-out images too.
        public var testOffset: TestOffset?
        /// The augmentation of calibration images; nil for none.
        public var calibrationAugmentation: CalibrationAugmentation?
    }

    /// A page about the run's results and costs.
    public struct Report: Codable, Sendable, Equatable {}

    /// How a predictor is fitted.
    private enum Method: String, CaseIterable {
        case ridge, ensemble, mlp
    }

    /// The number of classes, which must equal the space's.
    private static func classes(_ entry: YAMLReader, _ space: SearchSpace) throws -> Int {
        let classes = try entry.integer("classes", in: 2...256) ?? space.classes
        guard classes <= space.classes else {
            throw entry.error(
                "classes",
                "is \(classes); networks of space \(space.name) tell \(space.classes) apart")
        }
        return classes
    }

    /// The default number of passes per block.
    static let usualRepeats = 60

    /// Image sizes of the space; nil if none are given.
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

    /// Inputs whose stage is given by a parameter.
    var namedInputs: [(role: ArtifactRole, key: (key: String, stage: String))] {
        if case .sampleAccuracy(let sampling) = self, let after = sampling.after {
            return [(.samples, ("after", after))]
        }
        guard case .train(let train) = self else { return [] }
        var inputs: [(role: ArtifactRole, key: (key: String, stage: String))] = []
        if let from = train.from { inputs.append((.supernet, ("from", from))) }
        if let teacher = train.teacher { inputs.append((.teacher, ("teacher", teacher))) }
        return inputs
    }

    /// Required inputs.
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
        }
    }

    /// Optional inputs.
    var optionalRoles: [ArtifactRole] {
        switch self {
        case .search: [.energyTable, .supernet]
        case .measureDevice: [.latencyTable]
        default: []
        }
    }

    /// Parses the keys of a stage of `kind`; the caller finishes the mapping.
    static func read(
        _ kind: StageKind, from entry: YAMLReader, space: SearchSpace,
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
            return .importDataset(
                ImportDataset(
                    dataset: try entry.required(try entry.text("dataset"), "dataset"),
                    folder: try place.folder("folder", of: entry),
                    classes: try classes(entry, space),
                    heldOut: try entry.integer("held_out", in: 1...10_000_000) ?? 5000))
        case .train:
            return .train(try readTrain(entry, space: space))
        case .sampleAccuracy: return .sampleAccuracy(try readSampleAccuracy(entry, space: space))
        case .fitPredictor:
            let method = try entry.choice("method", Method.self) ?? .ridge
            return .fitPredictor(FitPredictor(method: method.rawValue))
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
                    )))
        case .materialise:
            let network = try entry.choice("network", Materialised.self)?.rawValue
            return .materialise(
                Materialise(
                    device: network == nil ? try device() : nil, network: network,
                    calibrationImages: try calibrationImages(entry),
                    calibrationAugmentation: try calibrationAugmentation(entry)))
        case .report:
            return .report(Report())
        }
    }

    private static func calibrationImages(_ entry: YAMLReader) throws -> Int {
        try entry.integer("calibration_images", in: 1...1_000_000) ?? 2000
    }

    private static func calibrationAugmentation(
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
            calibrationAugmentation: try calibrationAugmentation(entry))
    }

    private static func readTrain(_ entry: YAMLReader, space: SearchSpace) throws -> Train {
        let from = try entry.text("from"), teacher = try entry.text("teacher")
        let augmentation = try entry.mapping("augmentation").map(readAugmentation)
        let sampling = try entry.choice("sampling", TrainingPhase.Sampling.self) ?? .random
        if space.coupling != nil {
            for key in ["kernel_sizes", "expand_ratios"] {
                guard try entry.integers(key) != nil else { continue }
                throw entry.error(
                    key,
                    "has no effect: space \(space.name) fixes kernel sizes by stage and expand ratios by depth",
                    remedy: "leave it out, and open depths")
            }
        }
        typealias Ranges = TrainingPhase.Ranges
        let epochs = try entry.required(
            try entry.number("epochs", in: Ranges.epochs), "epochs")
        let phase = TrainingPhase(
            name: try entry.required(try entry.text("phase"), "phase"),
            kernelSizes: try entry.integers("kernel_sizes") ?? space.kernelSizes.suffix(1),
            expandRatios: try entry.numbers("expand_ratios", in: SearchSpace.Bounds.ratio)
                ?? space.expandRatios.suffix(1),
            depths: try entry.integers("depths") ?? space.depths.suffix(1),
            widths: try entry.integers("widths")
                ?? space.widthGenes.map(\.count).max().map { [$0 - 1] } ?? [],
            resolutions: try entry.integers("resolutions") ?? space.resolutions,
            subnets: try entry.integer("subnets", in: 1...64) ?? 1, sampling: sampling,
            epochs: epochs,
            warmupEpochs: try entry.number("warmup_epochs", in: 0...epochs) ?? 0,
            batch: try entry.integer("batch", in: 2...65_536) ?? 64,
            microBatch: try entry.integer("micro_batch", in: 2...65_536),
            learningRate: try entry.required(
                try entry.number("learning_rate", in: Ranges.learningRate), "learning_rate"),
            distillation: try entry.number("distillation", in: Ranges.distillation)
                ?? (teacher == nil ? 0 : 1),
            labelSmoothing: try entry.number("label_smoothing", in: Ranges.labelSmoothing) ?? 0.1,
            weightDecay: try entry.number("weight_decay", in: Ranges.weightDecay) ?? 3e-5,
            momentum: try entry.number("momentum", in: Ranges.momentum) ?? 0.9,
            dropout: try entry.number("dropout", in: Ranges.dropout) ?? 0,
            augmentation: augmentation ?? Augmentation(),
            sortChannels: try entry.flag("sort_channels") ?? false)
        do {
            try phase.validate(in: space)
        } catch let error as TrainingError {
            throw entry.error(
                error.field ?? "phase", "does not fit: \(error.reason)", remedy: error.remedy)
        }
        if phase.distillation > 0 && teacher == nil {
            throw entry.error(
                "distillation", "needs a teacher",
                remedy: "name the stage whose full network answers")
        }
        return Train(
            phase: phase, from: from, teacher: teacher,
            keepRatios: try entry.numbers("keep_ratios", in: SearchSpace.Bounds.ratio),
            checkpointSeconds: try entry.number("checkpoint_seconds", in: 0...86_400))
    }

    private static func readAugmentation(_ entry: YAMLReader) throws -> Augmentation {
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
