// The names of artifacts that are made from files.

import ArgumentParser
import Foundation
import Intake

/// Names an artifact after the file that it is made from.
enum ImportedName {
    /// The endings that are no part of a name; those of checkpoints may stand twice, as in `.pth.tar`.
    private static let endings = [".pth", ".pt", ".bin", ".ckpt", ".tar", ".safetensors", ".csv"]

    /// Returns the name of the file at `path` without the endings of its format: `ofa_mbv3_w1.0` keeps its `.0`. Throws
    /// `ValidationError` for a name that no artifact may have, or that is a number, because `ofa` takes a number for that
    /// of an artifact.
    static func of(_ path: String) throws -> String {
        let file = URL(filePath: path).lastPathComponent
        var name = file
        while let ending = endings.first(where: { name.lowercased().hasSuffix($0) }),
            name.count > ending.count
        { name.removeLast(ending.count) }
        guard name.contains(where: { !"0123456789".contains($0) }) else {
            throw ValidationError(
                "file \(Shown.excerpt(file)) gives the artifact the name \(Shown.excerpt(name)), which is read as the"
                    + " number of an artifact", remedy: "name it with --name")
        }
        return try ArgumentGate.name(name, "the name of file \(Shown.excerpt(file))")
    }
}
