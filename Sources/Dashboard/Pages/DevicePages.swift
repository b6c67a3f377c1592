// DevicePages: devices, their tables, and the form that specialises.

import Foundation

/// Pages: devices, their tables, and the form that specialises.
enum DevicePages {
    /// The pages and files.
    static let routes: [Route] = []
    /// The forms.
    static let actions: [Action] = []
}
