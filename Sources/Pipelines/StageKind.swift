// The kinds of stages, their outputs, and the roles of artifacts.

import Foundation

/// The role of an artifact for a stage that reads or writes it.
public enum ArtifactRole: String, Codable, Sendable, CaseIterable {
    /// Training images with their labels.
    case dataset
    /// Images for the final measurement only.
    case testImages = "test-images"
    /// One of several files with the pictures of a data set.
    case datasetShard = "dataset-shard"
    /// A record of what an import job found: classes and units, counts, or names of pictures.
    case importRecord = "import-record"
    /// A supernet's weights and statistics.
    case supernet
    /// A supernet whose largest network is the teacher in distillation.
    case teacher
    /// Measured accuracies of subnets.
    case samples = "accuracy-samples"
    /// A fitted accuracy predictor.
    case predictor
    /// A plot of predicted against measured accuracies of networks that were held out from a predictor's fit.
    case calibrationPlot = "calibration-plot"
    /// The latencies of parts of networks on a device.
    case latencyTable = "latency-table"
    /// The energies of parts of networks on a device.
    case energyTable = "energy-table"
    /// A network chosen for a device.
    case choice = "search-result"
    /// A network extracted from a supernet for a device, with its own weights.
    case subnet
    /// The accuracies of some networks of a supernet on the test images.
    case evaluation
    /// A page about a run's results.
    case report

    /// The role of the output that an input of this role refers to: a `teacher` input is another stage's `supernet`
    /// output; for all other roles, the output has the same role as the input.
    var made: ArtifactRole { self == .teacher ? .supernet : self }
}

/// The source of an input.
public enum InputReference: Codable, Sendable, Equatable {
    /// The output of a stage of the same run.
    case stage(String)
    /// An existing artifact, by its identifier.
    case artifact(String)
}

/// The kinds of stages; each is implemented in its own file.
public enum StageKind: String, Codable, Sendable, CaseIterable {
    case importDataset = "import-dataset"
    case train
    case sampleAccuracy = "sample-accuracy"
    case fitPredictor = "fit-predictor"
    case measureDevice = "measure-device"
    case search
    case materialise
    case fineTune = "fine-tune"
    case evaluate
    case report

    /// The kinds whose jobs save checkpoints.
    static let savingCheckpoints = Set([train, fineTune, measureDevice].map(\.rawValue))

    /// Whether a stage of this kind always fans out: its first job enqueues jobs that share the work. As soon as these
    /// jobs fulfil the stage's `rule`, a last job gathers their results.
    var fansOut: Bool { self == .sampleAccuracy }

    /// The outputs of a stage of this kind.
    public var outputs: [ArtifactRole] {
        switch self {
        case .importDataset: [.dataset, .testImages]
        case .train: [.supernet]
        case .sampleAccuracy: [.samples]
        case .fitPredictor: [.predictor, .calibrationPlot]
        case .measureDevice: [.latencyTable]
        case .search: [.choice]
        case .materialise, .fineTune: [.subnet]
        case .evaluate: [.evaluation]
        case .report: [.report]
        }
    }
}
