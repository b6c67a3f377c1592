// The kinds of stages, what each makes, and what an artifact can be to a stage.

import Foundation

/// What an artifact is to the stage that reads or writes it.
public enum ArtifactRole: String, Codable, Sendable, CaseIterable {
    /// Training images with their labels.
    case dataset
    /// Images for the final measurement only.
    case testImages = "test-images"
    /// A supernet's weights and statistics.
    case supernet
    /// The supernet whose full network answers for distillation.
    case teacher
    /// Measured accuracies of subnets.
    case samples = "accuracy-samples"
    /// A fitted accuracy predictor.
    case predictor
    /// A predictor's held-out networks, predicted against measured, as a picture.
    case calibrationPlot = "calibration-plot"
    /// Measured latencies of a device.
    case latencyTable = "latency-table"
    /// Measured energies of a device's parts.
    case energyTable = "energy-table"
    /// A network chosen for a device.
    case choice = "search-result"
    /// A network cut for a device, with its own weights.
    case subnet
    /// A page about what a run has made.
    case report

    /// What a stage must make to serve in this role.
    var made: ArtifactRole { self == .teacher ? .supernet : self }
}

/// Where an input comes from.
public enum InputReference: Codable, Sendable, Equatable {
    /// The output of a stage of the same run.
    case stage(String)
    /// An artifact that is there already, by its identifier.
    case artifact(String)
}

/// The kinds of stages; one file each holds what they do.
public enum StageKind: String, Codable, Sendable, CaseIterable {
    case importDataset = "import-dataset"
    case train
    case sampleAccuracy = "sample-accuracy"
    case fitPredictor = "fit-predictor"
    case measureDevice = "measure-device"
    case search
    case materialise
    case report

    /// Those whose jobs save checkpoints.
    static let savingCheckpoints = Set([train, measureDevice].map(\.rawValue))

    /// Whether its first job adds others, and one after them.
    var fansOut: Bool { self == .sampleAccuracy }

    /// What a stage of this kind makes.
    public var outputs: [ArtifactRole] {
        switch self {
        case .importDataset: [.dataset, .testImages]
        case .train: [.supernet]
        case .sampleAccuracy: [.samples]
        case .fitPredictor: [.predictor, .calibrationPlot]
        case .measureDevice: [.latencyTable]
        case .search: [.choice]
        case .materialise: [.subnet]
        case .report: [.report]
        }
    }
}
