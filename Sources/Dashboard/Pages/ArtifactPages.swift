// ArtifactPages: artifacts, lineage, contact sheets, confusion matrices and downloads.

import Foundation

/// Pages: artifacts, lineage, contact sheets, confusion matrices and downloads.
enum ArtifactPages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
