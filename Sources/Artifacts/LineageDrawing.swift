// Draws a lineage graph as SVG. Equal graphs give equal bytes.

import Charts
import Foundation
import Intake

extension LineageGraph {
    /// Returns the graph as an SVG document.
    public func svg() -> String {
        let text = chart().svg()
        // No form of the graph ends its last line.
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// Returns the graph as a chart: artifacts are boxes, from left to right by depth; edges are curves. The roots are
    /// marked, artifacts whose bytes were collected are faded. Pointing at a box or a curve shows its full text. `href`
    /// returns the address of an artifact's page; `more` is what to do to see what a limit left out.
    public func chart(
        more: String? = "raise --limit", href: (Artifact) -> String? = { _ in nil }
    ) -> GraphChart {
        let place = Dictionary(
            artifacts.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        let nodes = artifacts.enumerated().map { index, artifact in
            let gone = collection(of: artifact)
            return GraphChart.Node(
                kind: "\(artifact.kind)  #\(artifact.id)", name: artifact.name,
                detail: artifact.digest.short + (gone.map { ", \($0)" } ?? ""),
                isMarked: index < rootCount, isFaded: gone != nil,
                tip: "\(line(artifact)) \(artifact.digest.hex)", href: href(artifact))
        }
        return GraphChart(
            title: "Lineage of \(roots.map(\.name).joined(separator: ", "))", nodes: nodes,
            edges: chartEdges(place),
            note: isTruncated
                ? "more than \(artifacts.count) artifacts" + (more.map { ": \($0)" } ?? "") : nil)
    }

    /// Returns an edge for each pair of artifacts, with the roles in which the input was read. The label is the roles, if
    /// they say more than the kind of the input.
    private func chartEdges(_ place: [ArtifactID: Int]) -> [GraphChart.Edge] {
        var roles: [[Int]: [String]] = [:]
        for edge in edges where edge.input < edge.output {
            guard let from = place[edge.input], let to = place[edge.output] else { continue }
            roles[[from, to], default: []].append(edge.role)
        }
        return roles.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, roles in
            let role = roles.sorted().joined(separator: ", ")
            return GraphChart.Edge(
                from: key[0], to: key[1], label: role == artifacts[key[0]].kind ? nil : role,
                tip: role)
        }
    }
}
