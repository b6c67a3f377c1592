// RunPages: the list of runs, and one run.

import Foundation

/// Pages: the list of runs, and one run.
enum RunPages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
