// Renders a lineage graph as Graphviz DOT, Mermaid or JSON. LineageTree.swift and LineageDrawing.swift
// have the other forms.

import Foundation
import Intake

extension LineageGraph {
    /// Returns the graph in Graphviz's language; artifacts are boxes, attempts are ellipses.
    public func dot() -> String {
        func quoted(_ parts: String?...) -> String {
            let safe = parts.compactMap(\.self).map { part in
                Shown.line(part).replacingOccurrences(of: "\\", with: "\\\\")
                    .replacingOccurrences(of: "\"", with: "\\\"")
            }
            return "\"" + safe.joined(separator: "\\n") + "\""
        }
        var lines = ["digraph lineage {", "  rankdir=LR;"]
        for artifact in artifacts {
            let gone = collection(of: artifact)
            let label = quoted(artifact.kind, artifact.name, artifact.digest.short, gone)
            let style = gone == nil ? "" : ", style=dashed"
            lines.append("  a\(artifact.id) [shape=box\(style), label=\(label)];")
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
        func quoted(_ parts: String?...) -> String {
            let entities: [Character: String] = [
                "#": "#35;", "\"": "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;",
                // Mermaid takes %%{directives}%% and %% comments out of the text before it parses.
                "%": "#37;", "{": "#123;", "}": "#125;",
            ]
            let safe = parts.compactMap(\.self).map { part in
                Shown.line(part).map { entities[$0] ?? String($0) }.joined()
            }
            return "\"" + safe.joined(separator: "<br/>") + "\""
        }
        var lines = ["flowchart LR"]
        for artifact in artifacts {
            let gone = collection(of: artifact)
            let label = quoted("\(artifact.kind) \(artifact.name)", artifact.digest.short, gone)
            lines.append("  a\(artifact.id)[\(label)]")
            if gone != nil {
                lines.append("  style a\(artifact.id) stroke-dasharray: 4 3")
            }
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
        /// The first of `roots`.
        public var root: ArtifactID
        /// The artifacts at which the walk began.
        public var roots: [ArtifactID]
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
            root: artifacts[0].id, roots: roots.map(\.id), direction: direction,
            artifacts: try artifacts.map { artifact in
                var document = try ArtifactDocument(artifact)
                document.collectedAt = collected[artifact.id]
                return document
            },
            edges: edges, truncated: isTruncated)
    }
}
