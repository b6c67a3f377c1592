// The drawing of a lineage: boxes that do not overlap, from left to right, and text that cannot break out.

import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Artifacts

@Suite struct LineageDrawingTests {
    @Test("every artifact lies right of what it was made from, and no two boxes overlap")
    func layout() {
        var state: UInt64 = 3
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let count = 120
        var edges: [(from: Int, to: Int)] = []
        for to in 1..<count { for _ in 0..<draw(3) { edges.append((draw(to), to)) } }
        let layout = LineageLayout(count: count, order: Array(0..<count), edges: edges)
        let corners = layout.corners
        for (edge, route) in zip(edges, layout.routes) {
            #expect(corners[edge.from].x + LineageLayout.width < corners[edge.to].x)
            #expect(route.first?.x == corners[edge.from].x + LineageLayout.width)
            #expect(route.last?.x == corners[edge.to].x)
            #expect(zip(route, route.dropFirst()).allSatisfy { $0.x < $1.x })
        }
        for one in 0..<count {
            #expect(
                corners[one].x >= LineageLayout.margin && corners[one].y >= LineageLayout.margin)
            #expect(
                corners[one].x + LineageLayout.width + LineageLayout.margin <= layout.size.width)
            #expect(
                corners[one].y + LineageLayout.height + LineageLayout.margin
                    <= layout.size.height + 1e-9)
            for other in 0..<one where corners[one].x == corners[other].x {
                #expect(abs(corners[one].y - corners[other].y) >= LineageLayout.height)
            }
        }
    }

    @Test(
        "the drawing is XML with a box an artifact and a curve an edge; the same graph gives the same bytes"
    )
    func drawing() throws {
        let database = try TemporaryDatabase()
        let store = ArtifactStore(try database.connect())
        let data = try store.record(made("dataset", "d", token: 1))
        let hostile = "</title><script>alert(1)</script>&\""
        let net = try store.record(
            made("supernet", hostile, token: 2), inputs: [.init(data, role: "dataset")])
        let phone = try store.record(
            made("subnet", "phone", token: 3),
            inputs: [
                .init(net, role: "supernet"), .init(net, role: "teacher"),
                .init(data, role: "dataset"),
            ])
        let whole = try Lineage(store.connection).up(phone)
        let graph = LineageGraph(
            direction: .up, artifacts: whole.artifacts, edges: whole.edges, isTruncated: true)
        let svg = graph.svg()
        #expect(svg == graph.svg())
        final class Counter: NSObject, XMLParserDelegate {
            var boxes = 0, curves = 0
            var scripts = 0
            func parser(
                _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
                qualifiedName: String?, attributes: [String: String]
            ) {
                let kind = attributes["class"] ?? ""
                boxes += kind.hasPrefix("box") ? 1 : 0
                curves += kind == "edge" ? 1 : 0
                scripts += name == "script" ? 1 : 0
            }
        }
        let parser = XMLParser(data: Data(svg.utf8)), counter = Counter()
        parser.delegate = counter
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(counter.boxes == 3 && counter.curves == 3 && counter.scripts == 0)
        #expect(svg.contains(">supernet, tea…</text>") && svg.contains("raise --limit"))
    }
}
