// Renders a lineage graph as an indented tree, Graphviz DOT, Mermaid or JSON.

import Foundation
import Intake

extension LineageGraph {
    /// Returns the graph as an indented tree. The branches of an artifact are shown only once.
    public func tree() -> String {
        let next = Dictionary(grouping: edges) { direction == .up ? $0.output : $0.input }
        let known = Dictionary(
            artifacts.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var lines = [Self.line(artifacts[0])]
        var shown: Set<ArtifactID> = [artifacts[0].id]

        func add(_ id: ArtifactID, indent: String) {
            let branches = (next[id] ?? []).compactMap { edge in
                known[direction == .up ? edge.input : edge.output].map { (edge.role, $0) }
            }
            for (index, (role, artifact)) in branches.enumerated() {
                let isLast = index == branches.count - 1
                let isNew = shown.insert(artifact.id).inserted
                let unfolds = !(next[artifact.id] ?? []).isEmpty
                lines.append(
                    "\(indent)\(isLast ? "└─ " : "├─ ")\(Shown.line(role)): \(Self.line(artifact))"
                        + (isNew || !unfolds ? "" : "  (see above)"))
                if isNew { add(artifact.id, indent: indent + (isLast ? "   " : "│  ")) }
            }
        }
        add(artifacts[0].id, indent: "")
        if isTruncated { lines.append("… more than \(artifacts.count) artifacts: raise --limit") }
        return lines.joined(separator: "\n")
    }

    private static func line(_ artifact: Artifact) -> String {
        let origin =
            artifact.producer.map { "by \($0.stage), run \($0.run), job \($0.job)" }
            ?? "user-supplied"
        let what = "\(artifact.kind) \(artifact.name)"
        return Shown.line("\(what)  #\(artifact.id) \(artifact.digest.short)  (\(origin))")
    }

    /// Returns the graph in Graphviz's language; artifacts are boxes, attempts are ellipses.
    public func dot() -> String {
        func quoted(_ parts: String...) -> String {
            let safe = parts.map { part in
                Shown.line(part).replacingOccurrences(of: "\\", with: "\\\\")
                    .replacingOccurrences(of: "\"", with: "\\\"")
            }
            return "\"" + safe.joined(separator: "\\n") + "\""
        }
        var lines = ["digraph lineage {", "  rankdir=LR;"]
        for artifact in artifacts {
            let label = quoted(artifact.kind, artifact.name, artifact.digest.short)
            lines.append("  a\(artifact.id) [shape=box, label=\(label)];")
        }
        for attempt in attempts {
            let label = quoted(attempt.stage, "attempt \(attempt.token)")
            lines.append("  t\(attempt.token) [shape=ellipse, label=\(label)];")
        }
        for arrow in arrows {
            let label = arrow.role.map { " [label=\(quoted($0))]" } ?? ""
            lines.append("  \(arrow.from) -> \(arrow.to)\(label);")
        }
        return (lines + ["}"]).joined(separator: "\n")
    }

    /// Returns the graph as a Mermaid flowchart.
    public func mermaid() -> String {
        // A Mermaid label is markup, in which `#` begins an entity.
        func quoted(_ parts: String...) -> String {
            let entities: [Character: String] = [
                "#": "#35;", "\"": "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;",
            ]
            let safe = parts.map { part in
                Shown.line(part).map { entities[$0] ?? String($0) }.joined()
            }
            return "\"" + safe.joined(separator: "<br/>") + "\""
        }
        var lines = ["flowchart LR"]
        for artifact in artifacts {
            let label = quoted("\(artifact.kind) \(artifact.name)", artifact.digest.short)
            lines.append("  a\(artifact.id)[\(label)]")
        }
        for attempt in attempts {
            lines.append(
                "  t\(attempt.token)([\(quoted(attempt.stage, "attempt \(attempt.token)"))])")
        }
        for arrow in arrows {
            lines.append(
                "  \(arrow.from) -->\(arrow.role.map { "|\(quoted($0))|" } ?? "") \(arrow.to)")
        }
        return lines.joined(separator: "\n")
    }

    /// The arrows from inputs to attempts and from attempts to outputs, without duplicates.
    private var arrows: [(from: String, to: String, role: String?)] {
        let producers = Dictionary(
            artifacts.map { ($0.id, $0.producer?.token) }, uniquingKeysWith: { first, _ in first })
        var seen = Set<String>()
        var arrows: [(from: String, to: String, role: String?)] = []
        for edge in edges {
            guard let token = producers[edge.output] ?? nil else { continue }
            if seen.insert("\(edge.input) \(token) \(edge.role)").inserted {
                arrows.append(("a\(edge.input)", "t\(token)", edge.role))
            }
        }
        for artifact in artifacts {
            if let token = artifact.producer?.token {
                arrows.append(("t\(token)", "a\(artifact.id)", nil))
            }
        }
        return arrows
    }

    /// The JSON form of a lineage.
    public struct Document: Sendable, Codable, Equatable {
        /// The root artifact.
        public var root: ArtifactID
        /// The direction of the walk.
        public var direction: Lineage.Direction
        /// The artifacts.
        public var artifacts: [ArtifactDocument]
        /// The edges among `artifacts`.
        public var edges: [Edge]
        /// Whether the limit truncated the walk.
        public var truncated: Bool
    }

    /// Returns the graph as a JSON document.
    public func document() throws -> Document {
        Document(
            root: artifacts[0].id, direction: direction,
            artifacts: try artifacts.map { try ArtifactDocument($0) },
            edges: edges, truncated: isTruncated)
    }
}
