// Renders a lineage graph as an indented tree.

import Foundation
import Intake

extension LineageGraph {
    /// From this depth on, lines of a tree state their depth instead of being indented further.
    private static let deepest = 64

    /// Returns the graph as an indented tree. The branches of an artifact are shown only once; for
    /// `both`, the descendants of a root follow its ancestors.
    public func tree() -> String {
        var lines: [String] = []
        for root in roots {
            switch direction {
            case .up, .down:
                lines += branches(of: root, direction, first: line(root))
            case .both:
                lines.append(line(root))
                lines += branches(of: root, .up, first: "made from:")
                lines += branches(of: root, .down, first: "used for:")
            }
        }
        if isTruncated { lines.append("… more than \(artifacts.count) artifacts: raise --limit") }
        return lines.joined(separator: "\n")
    }

    /// A line of a tree that is still to be written, with its parent's indentation.
    private struct Pending {
        let artifact: Artifact
        let role: String
        let indent: String
        let depth: Int
        let isLast: Bool
    }

    /// Returns `first` and a line for each artifact below `root` in one direction; nothing if
    /// `first` ends with a colon and there is no such artifact.
    private func branches(of root: Artifact, _ direction: Lineage.Direction, first: String)
        -> [String]
    {
        let next = Dictionary(grouping: edges) { direction == .up ? $0.output : $0.input }
        let known = Dictionary(artifacts.map { ($0.id, $0) }) { first, _ in first }
        func below(_ id: ArtifactID, _ indent: String, _ depth: Int) -> [Pending] {
            let branches = (next[id] ?? []).compactMap { edge in
                known[direction == .up ? edge.input : edge.output].map { (edge.role, $0) }
            }
            return branches.enumerated().map { index, branch in
                Pending(
                    artifact: branch.1, role: branch.0, indent: indent, depth: depth,
                    isLast: index == branches.count - 1)
            }
        }
        var lines = [first]
        var shown: Set<ArtifactID> = [root.id]
        // A stack instead of recursion: a chain of artifacts may be long.
        var stack = Array(below(root.id, "", 1).reversed())
        if stack.isEmpty && first.hasSuffix(":") { return [] }
        while let one = stack.popLast() {
            let isNew = shown.insert(one.artifact.id).inserted
            let unfolds = !(next[one.artifact.id] ?? []).isEmpty
            lines.append(
                "\(one.indent)\(one.isLast ? "└─ " : "├─ ")\(Shown.line(one.role)):"
                    + " \(line(one.artifact))\(isNew || !unfolds ? "" : "  (see above)")")
            guard isNew else { continue }
            let indent =
                one.depth < Self.deepest
                ? one.indent + (one.isLast ? "   " : "│  ") : "[depth \(one.depth + 1)] "
            stack += below(one.artifact.id, indent, one.depth + 1).reversed()
        }
        return lines
    }

    /// Returns one line about an artifact: kind, name, number, digest and producer.
    public func line(_ artifact: Artifact) -> String {
        let origin =
            artifact.producer.map { "by \($0.stage), run \($0.run), job \($0.job)" }
            ?? artifact.origin
        let gone = collection(of: artifact).map { "; \($0)" } ?? ""
        return Shown.line(
            "\(artifact.kind) \(artifact.name)  #\(artifact.id) \(artifact.digest.short)"
                + "  (\(origin)\(gone))")
    }
}
