// The values that a command line puts in place of those of a pipeline file: `--set stages.full.epochs=1`.

import Foundation
import Yams

/// Values that replace those of a file by dotted path, and which of them found their place.
final class YAMLOverrides {
    private let values: [String: String]
    private var used: Set<String> = []

    /// Takes the texts by path.
    init(_ values: [String: String]) { self.values = values }

    /// The paths below `prefix`, in order.
    func paths(below prefix: String) -> [String] {
        values.keys.sorted().filter { $0.hasPrefix(prefix) }
    }

    /// The value for `path`, or nil.
    func node(_ path: String) throws -> Node? {
        guard let text = values[path] else { return nil }
        used.insert(path)
        do {
            if let node = try Yams.compose(yaml: text) { return node }
        } catch {
            throw PipelineError(.invalidValue, "--set \(path)=\(text): the value is not YAML")
        }
        throw PipelineError(.invalidValue, "--set \(path)=: the value is empty")
    }

    /// Throws when a value found no place: it would otherwise change nothing and say nothing.
    func finish() throws {
        guard let path = values.keys.sorted().first(where: { !used.contains($0) }) else { return }
        throw PipelineError(
            .invalidValue,
            "--set \(path): the file has no mapping for it; one that is left out is set whole, as in augmentation={flip: false}"
        )
    }
}
