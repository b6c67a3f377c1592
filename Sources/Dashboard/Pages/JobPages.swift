// JobPages: one job, its log, and the forms that cancel and retry.

import Foundation

/// Pages: one job, its log, and the forms that cancel and retry.
enum JobPages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
