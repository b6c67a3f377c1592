// Overrides of values in a pipeline file, given on the command line as `--set stages.full.epochs=1`.

import Foundation
import Intake
import Yams

/// Overrides by dotted path, and which of them were applied.
final class YAMLOverrides {
    /// The place that errors about overrides name instead of a file and line.
    static let place = "--set"

    /// The texts of values by path, in Unicode NFC.
    let values: [String: String]
    private var nodes: [String: Node] = [:]
    private var used: Set<String> = []
    /// The keys of every mapping of the file, by the mapping's path.
    private var known: [String: [String]] = [:]

    /// Reads `key=value` texts; of texts with equal keys the last applies. Errors: `invalidValue`.
    init(_ texts: [String] = []) throws {
        var values: [String: String] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw PipelineError(
                    .invalidValue,
                    "\(Self.place) \(Shown.excerpt(text))",
                    remedy: "write it as key=value, such as stages.full.epochs=1"
                )
            }
            let path = String(parts[0]), shown = Shown.excerpt(path)
            do {
                let checked = try TextRule.path.checked(path)
                let document = try YAMLDocument(
                    String(parts[1]), file: Self.place, path: checked)
                values[checked] = document.text
                nodes[checked] = document.top
            } catch let error as InputFault {
                throw PipelineError(
                    .invalidValue, "\(Self.place) \(shown): the path \(error.reason)",
                    remedy: error.remedy)
            } catch let error as PipelineError where error.code == .unreadable {
                let why = error.reason.dropFirst(Self.place.count + 2)
                throw PipelineError(
                    .invalidValue, "\(Self.place) \(shown): the value \(why)", remedy: error.remedy)
            }
        }
        self.values = values
    }

    /// Returns the paths that begin with `prefix`, sorted.
    func paths(below prefix: String) -> [String] {
        values.keys.sorted().filter { $0.hasPrefix(prefix) }
    }

    /// Returns the value for `path` and marks it as applied; nil if there is none.
    func node(_ path: String) throws -> Node? {
        guard values[path] != nil else { return nil }
        used.insert(path)
        guard let node = nodes[path] else {
            throw PipelineError(
                .invalidValue, "\(Self.place) \(path)=: the value is empty",
                remedy: "write one after the =")
        }
        return node
    }

    /// Records the keys of the mapping at `path`, for `finish`.
    func note(_ keys: [String], of path: String) { known[path] = keys }

    /// Throws `invalidValue` if an override was not applied, which the user would otherwise not notice.
    func finish() throws {
        guard let path = values.keys.sorted().first(where: { !used.contains($0) }) else { return }
        // The error names the first component of the path that the file lacks, if a known key resembles that component.
        var parent = "", parts = path.split(separator: ".").map(String.init)[...]
        while let part = parts.first, let keys = known[parent] {
            let full = parent.isEmpty ? part : "\(parent).\(part)"
            if known[full] == nil, let near = NearestName.find(part, among: keys), near != part {
                throw PipelineError(
                    .invalidValue, "\(Self.place) \(path): the file has no \(full)",
                    remedy: "did you mean '\(near)'?")
            }
            (parent, parts) = (full, parts.dropFirst())
        }
        throw PipelineError(
            .invalidValue,
            "\(Self.place) \(path): the file has no mapping for it",
            remedy: "set one that is left out whole, as in augmentation={flip: false}")
    }
}
