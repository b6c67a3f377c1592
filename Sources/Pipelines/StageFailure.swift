// Which errors of a stage no further attempt can mend: the job is discarded at once instead of
// tried three times.

import Artifacts
import Datasets
import Interchange
import Jobs
import Networks
import Search
import Tensors
import Training

/// A stage's error that every further attempt would only repeat.
public struct StageFailure: PermanentError, CustomStringConvertible {
    private static let infeasible = "infeasible: "

    /// What went wrong, as the job's outcome tells it.
    public let description: String

    /// Nil for an error that may go away: the database, the disk, the machine.
    init?(_ error: any Error) {
        switch error {
        case let error as SearchError where error.code == .infeasible:
            description = Self.infeasible + error.message
        case let error as PipelineError where error.code == .unreadable: return nil
        case let error as ArtifactsError where error.code == .file: return nil
        case is SearchError, is PipelineError, is NetworkError, is DatasetError,
            is InterchangeError,
            is TrainingError, is TensorError, is ArtifactsError:
            description = "\(error)"
        default: return nil
        }
    }

    /// Whether the problem of a stage, as the queue tells it, is that no network meets a device's
    /// limits.
    public static func isInfeasible(_ problem: String) -> Bool { problem.hasPrefix(infeasible) }
}
