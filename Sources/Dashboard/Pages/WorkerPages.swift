// WorkerPages: the workers.

import Foundation

/// Pages: the workers.
enum WorkerPages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
