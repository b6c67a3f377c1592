// The drawing of a lineage: its boxes and curves, and text that cannot break out.

import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Artifacts

@Suite struct LineageDrawingTests {
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
        // A label without room is cut, and its tip has the whole.
        #expect(svg.contains("…<title>supernet, teacher</title></text>"))
        #expect(svg.contains("raise --limit"))
    }
}
