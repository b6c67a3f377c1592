// CostPages: energy, carbon and money.

import Foundation

/// Pages: energy, carbon and money.
enum CostPages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
