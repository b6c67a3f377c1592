// The location of a pipeline file. Relative folders in the file are resolved against the file's folder and not against
// the working directory, so that the file means the same wherever the command runs.

import Foundation
import Intake

/// The location of one pipeline file, and the folders resolved against this location.
final class FilePlace {
    private let base: String
    /// The absolute paths of folders whose stated path was relative or began with `~`, by dotted key.
    private(set) var resolved: [String: String] = [:]

    /// Takes the path of a pipeline file.
    init(_ file: String) {
        base = URL(filePath: file).standardizedFileURL.deletingLastPathComponent().path
    }

    /// Returns the absolute path of the folder under the required key `key`. `~` is the home folder; a relative path is
    /// resolved against the pipeline file's folder, or against the working directory if the path comes from the command
    /// line.
    func folder(_ key: String, of entry: YAMLReader) throws -> String {
        let text = try entry.required(try entry.text(key, .path), key)
        let isHome = text == "~" || text.hasPrefix("~/")
        guard isHome || !text.hasPrefix("~") else {
            throw entry.error(
                key, "is '\(Shown.excerpt(text))'",
                remedy: "write the folder of another user in full")
        }
        let from = entry.isOverride(key) ? FileManager.default.currentDirectoryPath : base
        let full: String
        if isHome {
            full = NSHomeDirectory() + text.dropFirst()
        } else {
            full = text.hasPrefix("/") ? text : "\(from)/\(text)"
        }
        let path = URL(filePath: full).standardizedFileURL.path
        if !text.hasPrefix("/") { resolved[entry.fullPath(key)] = path }
        return path
    }
}
