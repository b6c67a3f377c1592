// Lineage of a small pipeline, walked and drawn.

import Foundation
import Postgres
import TestSupport
import Testing

@testable import Artifacts

@Suite struct LineageTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: ArtifactStore
    private let lineage: Lineage
    private let dataset: ArtifactID
    private let supernet: ArtifactID
    private let predictor: ArtifactID
    private let subnet: ArtifactID
    private let otherSubnet: ArtifactID

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = ArtifactStore(connection)
        lineage = Lineage(connection)
        dataset = try store.record(made("dataset", "fashion", token: 1, stage: "import"))
        supernet = try store.record(
            made("supernet", "net", token: 2), inputs: [.init(dataset, role: "dataset")])
        let inputs = [Artifact.Input(dataset, role: "dataset"), .init(supernet, role: "supernet")]
        predictor = try store.record(made("predictor", "p", token: 3, stage: "fit"), inputs: inputs)
        subnet = try store.record(
            made("subnet", "phone \"a\"", token: 4, stage: "materialise"),
            inputs: [.init(supernet, role: "supernet"), .init(predictor, role: "predictor")])
        otherSubnet = try store.record(
            made("subnet", "mcu", token: 5, stage: "materialise"),
            inputs: [.init(supernet, role: "supernet")])
    }

    @Test("up from a subnet is everything it was made from, and nothing else")
    func up() throws {
        let graph = try lineage.up(subnet)
        #expect(graph.artifacts.first?.id == subnet)
        #expect(Set(graph.artifacts.map(\.id)) == [subnet, predictor, supernet, dataset])
        #expect(!graph.isTruncated)
        #expect(
            Set(graph.edges) == [
                .init(input: supernet, output: subnet, role: "supernet"),
                .init(input: predictor, output: subnet, role: "predictor"),
                .init(input: supernet, output: predictor, role: "supernet"),
                .init(input: dataset, output: predictor, role: "dataset"),
                .init(input: dataset, output: supernet, role: "dataset"),
            ])
    }

    @Test("down from the data set is everything made from it")
    func down() throws {
        let graph = try lineage.down(dataset)
        #expect(
            Set(graph.artifacts.map(\.id)) == [dataset, supernet, predictor, subnet, otherSubnet])
        #expect(try lineage.down(subnet).artifacts.map(\.id) == [subnet])
    }

    @Test("a walk stops at its limit and says so")
    func limit() throws {
        let graph = try lineage.up(subnet, limit: 2)
        #expect(graph.artifacts.count == 2)
        #expect(graph.artifacts.first?.id == subnet)
        #expect(graph.isTruncated)
        #expect(try !lineage.up(subnet, limit: 4).isTruncated)
    }

    @Test("a thousand steps are walked, a circle ends")
    func long() throws {
        var last = dataset
        for token in 1000..<2000 as Range<Int64> {
            last = try store.record(
                made("checkpoint", "c", token: token), inputs: [.init(last, role: "resumed")])
        }
        #expect(try lineage.up(last, limit: 5000).artifacts.count == 1001)
        let circle = try store.record(made("odd", "a", token: 3000))
        try store.record(made("odd", "b", token: 3000), inputs: [.init(circle, role: "self")])
        #expect(try lineage.up(circle).artifacts.map(\.id) == [circle])
        #expect(try lineage.up(circle).tree().contains("(see above)") == true)
    }

    @Test("an artifact that is not there is an error")
    func missing() {
        #expect(throws: ArtifactsError.self) { try lineage.up(ArtifactID(rawValue: 12_345)) }
    }

    @Test("the tree leads from the subnet to the data set and unfolds nothing twice")
    func tree() throws {
        let lines = try lineage.up(subnet).tree().split(separator: "\n").map(String.init)
        #expect(lines.count == 6)
        #expect(lines[0].hasPrefix("subnet phone \"a\"  #\(subnet) "))
        #expect(lines[0].hasSuffix("(by materialise, run 1, job 104)"))
        #expect(lines[1].hasPrefix("├─ supernet: supernet net"))
        #expect(lines[2].hasPrefix("│  └─ dataset: dataset fashion"))
        #expect(lines[3].hasPrefix("└─ predictor: predictor p"))
        #expect(lines[4].hasPrefix("   ├─ dataset: dataset fashion"))
        #expect(lines[5].hasSuffix("(see above)"))
    }

    @Test("DOT and Mermaid name every artifact and attempt, with quotes escaped")
    func drawings() throws {
        let graph = try lineage.up(subnet)
        let dot = graph.dot()
        #expect(dot.hasPrefix("digraph lineage {") && dot.hasSuffix("}"))
        #expect(dot.contains(#"phone \"a\""#))
        #expect(dot.contains("a\(supernet) -> t4 [label=\"supernet\"];"))
        #expect(dot.contains("t4 -> a\(subnet);"))
        let mermaid = graph.mermaid()
        #expect(mermaid.hasPrefix("flowchart LR\n"))
        #expect(mermaid.contains("phone #quot;a#quot;"))
        #expect(mermaid.contains("  a\(supernet) -->|\"supernet\"| t4"))
    }

    @Test("no name breaks out of a drawing: newlines, quotes, markup and control characters")
    func hostileNames() throws {
        // As an older program stored it: today's refuses such a name.
        let hostile = try store.record(made("odd", "plain", token: 4000))
        try connection.script(
            #"""
            alter table ofa.artifact disable trigger artifact_is_a_record;
            update ofa.artifact set name = E'a"]; x [label="\n\x1b[2J<img src=x>\\ #quot;' where name = 'plain';
            """#)
        let graph = try lineage.up(hostile)
        let shown = #"a"]; x [label="\n\u{1B}[2J<img src=x>\ #quot;"#
        #expect(graph.tree().contains(shown) && !graph.tree().contains("\n"))
        #expect(
            graph.dot().contains(#"odd\na\"]; x [label=\"\\n\\u{1B}[2J<img src=x>\\ #quot;\n"#))
        #expect(
            graph.mermaid().contains(
                ##"odd a#quot;]; x [label=#quot;\n\u{1B}[2J#lt;img src=x#gt;\ #35;quot;<br/>"##))
    }

    @Test("the JSON document round-trips")
    func json() throws {
        let document = try lineage.up(subnet).document()
        let decoded = try JSONDecoder().decode(
            LineageGraph.Document.self, from: try JSONEncoder().encode(document))
        #expect(decoded == document)
        #expect(document.root == subnet)
    }
}
