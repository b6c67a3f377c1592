// Problem and Notice: what a page says after an error, and after a form was accepted.

import Accounting
import Artifacts
import Jobs
import Pipelines
import Postgres

/// Finds the status of an error.
enum Problem {
    /// Returns the HTTP status of an error: the database's absence is 503, what does not exist 404, what a form asked for
    /// and cannot be 422.
    static func status(_ error: any Error) -> Int {
        switch error {
        case let error as DashboardError:
            switch error.code {
            case .notFound: return 404
            case .forbidden: return 403
            case .form: return 422
            case .busy: return 503
            case .address, .setting: return 500
            }
        case let error as PostgresError:
            if error.isConnectionLoss { return 503 }
            return error.sqlState == "42501" ? 403 : 500
        case let error as JobsError: return error.code == .notFound ? 404 : 422
        case let error as ArtifactsError: return error.code == .notFound ? 404 : 422
        case is PipelineError, is AccountingError: return 422
        default: return 500
        }
    }
}

/// What the page says to which a form leads. The address has the key only, so that a link cannot put words into a page.
public enum Notice {
    /// The texts, by the key in the field `done` of the address.
    static let texts = [
        "cancelled": "Cancelled, or asked to stop.",
        "retried": "It can start again as soon as a worker has room.",
        "specialised": "Enqueued: its network appears here as soon as a worker has found it.",
    ]

    /// Returns the path with the key of the text to show.
    public static func path(_ path: String, _ key: String) -> String { "\(path)?done=\(key)" }
}
