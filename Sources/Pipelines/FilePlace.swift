// Where a pipeline file lies: the folders it names are relative to it, not to where a command is typed, so that the
// file means the same to everyone.

import Foundation
import Intake

/// The place of one pipeline file, and the folders that were found from it.
final class FilePlace {
    private let base: String
    /// Folders by dotted key that the file does not write out in full.
    private(set) var resolved: [String: String] = [:]

    /// The place of the file at this path.
    init(_ file: String) {
        base = URL(filePath: file).standardizedFileURL.deletingLastPathComponent().path
    }

    /// The folder under a required key, in full: `~` is the home folder; another relative path begins at the file,
    /// or where the command is typed if the value comes from the command line.
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
