// QueuePages: the queues.

import Foundation

/// Pages: the queues.
enum QueuePages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
