// The targets of OpenLineage events: files and URLs, and what of them is shown and stored.
import Testing

@testable import Pipelines

@Suite struct OpenLineageTargetTests {
    @Test("a target is a file or a URL; other URLs, and one without a host, are refused")
    func forms() throws {
        #expect(try OpenLineageTarget("events.jsonl") == .file("events.jsonl"))
        for wrong in ["http://", "ftp://host/x", "file:///x", "-"] {
            #expect(throws: PipelineError.self, "\(wrong)") { try OpenLineageTarget(wrong) }
        }
        let error = #expect(throws: PipelineError.self) {
            try OpenLineageTarget("http://?api_key=secret")
        }
        #expect(error?.message.contains("secret") == false)
    }

    @Test(
        "user names, passwords and queries are neither shown nor stored",
        arguments: [
            "http://u:secret@marquez:5000/api/v1/lineage",
            "http://secret@marquez:5000/api/v1/lineage",
            "http://marquez:5000/api/v1/lineage?api_key=secret",
            "http://marquez:5000/api/v1/lineage?access_token=secret#secret",
        ])
    func secrets(text: String) throws {
        let target = try OpenLineageTarget(text)
        #expect(target.shown == "http://marquez:5000/api/v1/lineage")
        #expect(!target.key.contains("secret") && target.key.hasPrefix(target.shown))
    }

    @Test("the stored name is stable for a changed password, and differs between queries and files")
    func names() throws {
        func key(_ text: String) throws -> String { try OpenLineageTarget(text).key }
        #expect(try key("http://u:a@h/x") == key("http://u:b@h/x"))
        #expect(try key("http://h/x?t=1") != key("http://h/x?t=2"))
        #expect(try key("http://h/x?t=1") == key("http://h/x?t=1"))
        #expect(try key("/a/events.jsonl") != key("/b/events.jsonl"))
        #expect(try key("/a/./events.jsonl") == key("/a/events.jsonl"))
        let long = String(repeating: "x", count: 2000)
        #expect(try key("/a/\(long)1") != key("/a/\(long)2"))
        #expect(try key("/a/\(long)1").utf8.count < 900)
    }
}
