// Architectures on the command line: a text, or the name of a file that holds one.

import Foundation
import Intake
import Networks

/// Reads the text of an architecture.
enum ArchitectureText {
    /// The most bytes of a file with an architecture.
    private static let mostBytes = 1 << 20

    /// Returns `given`, or the content of the file that `given` names. A text that begins with a brace is no file name.
    /// Throws if `given` is neither; exit code 2 if it looks like a path and there is no such file.
    static func read(_ given: String) throws -> String {
        if given.first(where: { !$0.isWhitespace }) == "{" { return given }
        guard FileManager.default.fileExists(atPath: given) else {
            throw CommandFailure.notFound(
                "'\(Shown.excerpt(given))' is no architecture, and there is no such file",
                remedy: "write \(SearchSpace.architectureForms), or name a file with one")
        }
        do throws(InputFault) {
            let bytes = try FileBytes.read(given, atMost: mostBytes)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw InputFault("is no text in UTF-8")
            }
            return text
        } catch {
            throw CommandFailure.failed(
                "\(given) \(error.reason)", remedy: error.remedy, code: "file")
        }
    }
}
