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
            update ofa.artifact set name = E'a"]; x [label="\n\x1b[2J<img src=x>\\ #quot; %%{init: {}}%%' where name = 'plain';
            """#)
        let graph = try lineage.up(hostile)
        let shown = #"a"]; x [label="\n\u{1B}[2J<img src=x>\ #quot; %%{init: {}}%%"#
        #expect(graph.tree().contains(shown) && !graph.tree().contains("\n"))
        #expect(
            graph.dot().contains(
                #"odd\na\"]; x [label=\"\\n\\u{1B}[2J<img src=x>\\ #quot; %%{init: {}}%%\n"#))
        #expect(
            graph.mermaid().contains(
                ##"odd a#quot;]; x [label=#quot;\n\u#123;1B#125;[2J#lt;img src=x#gt;\ #35;quot; "##
                    + "#37;#37;#123;init: #123;#125;#125;#37;#37;<br/>"))
    }

    @Test("a graph has the ancestors and descendants of several artifacts, and the edges past them")
    func graph() throws {
        let graph = try lineage.graph(.both, of: [predictor], Lineage.Scope())
        #expect(graph.roots.map(\.id) == [predictor])
        #expect(Set(graph.artifacts.map(\.id)) == [predictor, dataset, supernet, subnet])
        #expect(graph.edges.contains(.init(input: supernet, output: subnet, role: "supernet")))
        let lines = graph.tree().split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("predictor p  #\(predictor)"))
        #expect(lines[1] == "made from:" && lines.contains("used for:"))
        #expect(lines.last?.hasPrefix("└─ predictor: subnet phone") == true)
        let both = try lineage.graph(.both, of: [subnet, otherSubnet], Lineage.Scope(limit: 2))
        #expect(both.artifacts.map(\.id) == [subnet, otherSubnet] && both.isTruncated)
        #expect(try both.document().roots == [subnet, otherSubnet])
    }

    @Test("a small graph has ancestors and descendants, and each edge among them")
    func small() throws {
        // The attempt of `wide` read many older artifacts before `root`.
        let older = try (0..<9 as Range<Int64>).map {
            try store.record(made("samples", "o\($0)", token: 5000 + $0))
        }
        let root = try store.record(
            made("supernet", "root", token: 5100), inputs: older.map { .init($0, role: "samples") })
        let wide = try store.record(
            made("subnet", "wide", token: 5101),
            inputs: older.map { .init($0, role: "samples") } + [.init(root, role: "supernet")])
        let graph = try lineage.graph(.both, of: [root], Lineage.Scope(limit: 3))
        #expect(graph.isTruncated && graph.artifacts.map(\.id) == [root, older[0], wide])
        #expect(
            graph.edges == [
                .init(input: older[0], output: root, role: "samples"),
                .init(input: older[0], output: wide, role: "samples"),
                .init(input: root, output: wide, role: "supernet"),
            ])
    }

    @Test("a collected artifact still answers, and every form marks it as collected")
    func tombstone() throws {
        try connection.script(
            """
            update ofa.blob set collected_at = '2026-11-29 12:00Z'
            where digest = (select digest from ofa.artifact where id = \(supernet))
            """)
        let graph = try lineage.up(supernet)
        #expect(graph.artifacts.map(\.id) == [supernet, dataset])
        #expect(Array(graph.collected.keys) == [supernet])
        #expect(graph.tree().split(separator: "\n")[0].hasSuffix("; collected on 2026-11-29)"))
        #expect(graph.dot().contains("style=dashed, label=\"supernet\\nnet"))
        #expect(graph.mermaid().contains("collected on 2026-11-29"))
        #expect(graph.svg().contains("class=\"box marked faded\""))
        let documents = try graph.document().artifacts
        #expect(documents.map { $0.collectedAt != nil } == [true, false])
    }

    @Test("artifacts of a hidden kind are counted, not shown")
    func hidden() throws {
        let shards = try (0..<3 as Range<Int64>).map {
            try store.record(made("shard", "s\($0)", token: 50 + $0))
        }
        let whole = try store.record(
            made("dataset", "d", token: 60), inputs: shards.map { .init($0, role: "shard") })
        let scope = Lineage.Scope(hidden: "shard", isDetailed: false)
        let graph = try lineage.graph(.up, of: [whole], scope)
        #expect(graph.artifacts.map(\.id) == [whole] && graph.hidden == 3)
        #expect(try lineage.graph(.down, of: [shards[0]], scope).artifacts.count == 2)
        #expect(try lineage.graph(.down, of: [whole], scope).hidden == 0)
        #expect(try lineage.up(whole).artifacts.count == 4)
        let artifact = try store.get(whole)
        #expect(try lineage.inputs(of: artifact).map(\.artifact.id) == shards)
        #expect(try lineage.inputs(of: artifact, hidden: "shard").isEmpty)
    }

    @Test(
        "a tree of 5,000 steps is written line by line, with the depth in place of an indentation")
    func deep() throws {
        try connection.script(
            """
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
            select 'checkpoint', 'c' || i, 'c', sha256(i::text::bytea), 1, i, 9000 + i, 'train'
            from generate_series(1, 5000) i;
            insert into ofa.artifact_input (token, artifact_id, role)
            select later.token, earlier.id, 'from' from ofa.artifact earlier
            join ofa.artifact later on later.token = earlier.token + 1 where earlier.token > 9000
            """)
        let last = try store.find("c5000").id
        let lines = try lineage.up(last, limit: 6000).tree().split(separator: "\n")
        #expect(lines.count == 5000)
        #expect(lines.last?.hasPrefix("[depth 4999] └─ from: checkpoint c1") == true)
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
