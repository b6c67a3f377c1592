// Draws a lineage graph as self-contained SVG. Equal graphs give equal bytes.

import Foundation
import Intake

extension LineageGraph {
    /// Returns the graph as an SVG document: artifacts are boxes, from left to right by depth;
    /// edges are curves. The roots have a thick border, artifacts whose bytes were collected a
    /// dashed one. Pointing at a box or a curve shows its full text.
    public func svg() -> String {
        let place = Dictionary(
            artifacts.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        let pairs = edgePairs(place)
        let layout = LineageLayout(
            count: artifacts.count,
            order: artifacts.indices.sorted { artifacts[$0].id < artifacts[$1].id },
            edges: pairs.map { ($0.from, $0.to) })
        let width = Int(layout.size.width.rounded(.up))
        let height = Int(layout.size.height.rounded(.up)) + (isTruncated ? 20 : 0)
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\""
                + " width=\"\(width)\" height=\"\(height)\" role=\"img\" class=\"ofa-lineage\">",
            "<title>\(Self.markup("Lineage of \(roots.map(\.name).joined(separator: ", "))"))</title>",
            Self.style,
            "<rect class=\"paper\" width=\"\(width)\" height=\"\(height)\"/>",
        ]
        for (pair, route) in zip(pairs, layout.routes) { lines.append(Self.curve(pair, route)) }
        for (index, artifact) in artifacts.enumerated() {
            lines += box(artifact, isRoot: index < rootCount, layout.corners[index])
        }
        if isTruncated {
            lines.append(
                "<text class=\"small\" x=\"18\" y=\"\(height - 10)\">more than"
                    + " \(artifacts.count) artifacts: raise --limit</text>")
        }
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    /// An edge of the drawing, with the roles in which the input was read.
    private struct Pair {
        let from, to: Int
        let role: String
        /// The role, if it says more than the kind of the input; else nil.
        let label: String?
    }

    private func edgePairs(_ place: [ArtifactID: Int]) -> [Pair] {
        var roles: [[Int]: [String]] = [:]
        for edge in edges where edge.input < edge.output {
            guard let from = place[edge.input], let to = place[edge.output] else { continue }
            roles[[from, to], default: []].append(edge.role)
        }
        return roles.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, roles in
            let role = roles.sorted().joined(separator: ", ")
            return Pair(
                from: key[0], to: key[1], role: role,
                label: role == artifacts[key[0]].kind ? nil : role)
        }
    }

    private static func curve(_ pair: Pair, _ points: [(x: Double, y: Double)]) -> String {
        var path = "M\(number(points[0].x)) \(number(points[0].y))"
        for (index, point) in points.enumerated().dropFirst() {
            let last = points[index - 1]
            if index % 2 == 0 {
                // Across a column, the curve runs straight.
                path += "H\(number(point.x))"
            } else {
                let middle = number((last.x + point.x) / 2)
                path += "C\(middle) \(number(last.y)) \(middle) \(number(point.y))"
                path += " \(number(point.x)) \(number(point.y))"
            }
        }
        let tip = "<title>\(markup(pair.role))</title>"
        var text = "<path class=\"edge\" d=\"\(path)\">\(tip)</path>"
        if let label = pair.label, let end = points.last {
            let (x, y) = (number(end.x - 5), number(end.y - 4))
            text += "<text class=\"role\" x=\"\(x)\" y=\"\(y)\">"
            text += "\(markup(Shown.cut(label, to: 14)))</text>"
        }
        return text
    }

    private func box(_ artifact: Artifact, isRoot: Bool, _ corner: (x: Double, y: Double))
        -> [String]
    {
        let gone = collection(of: artifact)
        let kinds = ["box", isRoot ? "root" : nil, gone == nil ? nil : "collected"]
            .compactMap(\.self).joined(separator: " ")
        let x = Self.number(corner.x + 10)
        func text(_ kind: String, _ text: String, _ offset: Double) -> String {
            "<text class=\"\(kind)\" x=\"\(x)\" y=\"\(Self.number(corner.y + offset))\">"
                + "\(Self.markup(Shown.cut(Shown.line(text), to: 28)))</text>"
        }
        let tip = Self.markup("\(line(artifact)) \(artifact.digest.hex)")
        return [
            "<g><title>\(tip)</title><rect class=\"\(kinds)\" x=\"\(Self.number(corner.x))\""
                + " y=\"\(Self.number(corner.y))\" width=\"\(Int(LineageLayout.width))\""
                + " height=\"\(Int(LineageLayout.height))\" rx=\"5\"/>",
            text("kind", "\(artifact.kind)  #\(artifact.id)", 17),
            text("name", artifact.name, 33),
            text("small", artifact.digest.short + (gone.map { ", \($0)" } ?? ""), 49) + "</g>",
        ]
    }

    /// Formats a coordinate with one decimal.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }

    /// Returns `text` escaped for use between tags and in quoted attributes.
    private static func markup(_ text: String) -> String {
        Shown.line(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }

    private static let style = """
        <style>
        .ofa-lineage{font-family:system-ui,sans-serif;font-size:12px;fill:#1c2733}
        .ofa-lineage .paper{fill:#fff}
        .ofa-lineage .box{fill:#f4f7fa;stroke:#8296aa}
        .ofa-lineage .root{stroke:#0b66c3;stroke-width:2.5}
        .ofa-lineage .collected{stroke-dasharray:5 4;fill:none}
        .ofa-lineage .edge{fill:none;stroke:#8296aa;stroke-width:1.2}
        .ofa-lineage .edge:hover{stroke:#0b66c3;stroke-width:2.5}
        .ofa-lineage .kind,.ofa-lineage .small{fill:#526475;font-size:11px}
        .ofa-lineage .role{fill:#526475;font-size:10px;text-anchor:end}
        @media (prefers-color-scheme:dark){
        .ofa-lineage{fill:#e6edf3}.ofa-lineage .paper{fill:#11161c}
        .ofa-lineage .box{fill:#1b232c;stroke:#61758a}.ofa-lineage .root{stroke:#58a6ff}
        .ofa-lineage .edge{stroke:#61758a}
        .ofa-lineage .kind,.ofa-lineage .small,.ofa-lineage .role{fill:#9fb0c0}}
        </style>
        """
}
