// Permanent errors of stages: a job that fails with such an error is discarded at once instead of being retried.

import Artifacts
import Datasets
import Devices
import Interchange
import Jobs
import Networks
import Search
import Tensors
import Training

/// A stage's error that a retry would only repeat.
public struct StageFailure: PermanentError, CustomStringConvertible {
    private static let infeasible = "infeasible: "

    /// The message stored in the job's outcome.
    public let description: String

    /// Takes the message of `error`; nil if a retry may succeed: for unreadable files, a full disk, definitions and
    /// blobs of newer versions, which a newer worker can read, and errors of types that are not listed here.
    init?(_ error: any Error) {
        switch error {
        case let error as DeviceError where error.code == .infeasible:
            description = Self.infeasible + error.message
        case let error as PipelineError
        where [.unreadable, .newerDefinition, .noRoom].contains(error.code):
            return nil
        case let error as ArtifactsError where [.file, .codec].contains(error.code): return nil
        case is DeviceError, is SearchError, is PipelineError, is NetworkError, is DatasetError,
            is InterchangeError,
            is TrainingError, is TensorError, is ArtifactsError:
            description = "\(error)"
        default: return nil
        }
    }

    /// Returns whether a stage's stored problem is that no network meets a device's limits.
    public static func isInfeasible(_ problem: String) -> Bool { problem.hasPrefix(infeasible) }
}
