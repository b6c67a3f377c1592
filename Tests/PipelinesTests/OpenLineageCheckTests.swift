// The check of OpenLineage events: a good event passes, and each broken rule is named.
import Foundation
import Intake
import Testing

@testable import Pipelines

@Suite struct OpenLineageCheckTests {
    private static let id = "0190f5aa-1c2d-8e3f-9abc-0123456789ab"
    private static let facet =
        #""_producer":"urn:ofa:1","_schemaURL":"https://openlineage.io/spec/facets/1-0-1/"#
        + #"DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet""#

    /// An event that follows the rules; tests replace parts of it.
    private static func event(_ type: String) -> String {
        """
        {"eventType":"\(type)","eventTime":"2026-11-30T03:00:00.125Z","producer":"urn:ofa:1",\
        "schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",\
        "run":{"runId":"\(id)","facets":{"own":{"_producer":"urn:ofa:1","_schemaURL":"urn:x:1"}}},\
        "job":{"namespace":"ofa","name":"demo.full","facets":{}},\
        "inputs":[{"namespace":"ofa","name":"dataset/d","facets":{"version":{\(facet),"datasetVersion":"ab"}}}],\
        "outputs":[]}
        """
    }

    private func problem(_ texts: String...) -> String? {
        var check = OpenLineageCheck()
        do throws(InputFault) {
            for text in texts { try check.check(text) }
            try check.finish()
        } catch { return error.reason }
        return nil
    }

    @Test("a START and a COMPLETE or FAIL of a run pass")
    func good() {
        #expect(problem(Self.event("START"), Self.event("COMPLETE")) == nil)
        #expect(problem(Self.event("START"), Self.event("FAIL")) == nil)
    }

    @Test(
        "an event that breaks a rule is refused, with the field",
        arguments: [
            (#""run":\{.*?\}\}\},"#, "", "field run is missing"),
            (#""run":\{.*?\}\}\},"#, #""run":5,"#, "field run is no object"),
            (id, "0190f5aa-1c2d-8e3f-9abc", "field run.runId is no UUID"),
            ("2026-11-30T", "2026-11-31T", "field eventTime"),
            ("2026-11-30T03:00:00.125Z", "2026-11-30 03:00", "field eventTime"),
            (#""eventTime":"[^"]*","#, "", "field eventTime is missing"),
            (#""producer":"urn:ofa:1","schemaURL""#, #""schemaURL""#, "field producer is missing"),
            (
                #""producer":"urn:ofa:1","schemaURL""#, #""producer":"no uri","schemaURL""#,
                "field producer is no URI"
            ),
            (#""schemaURL":"[^"]*","#, "", "field schemaURL is missing"),
            (##"#/\$defs/RunEvent"##, "", "field schemaURL is 'https"),
            (#""eventType":"START""#, #""eventType":"BEGIN""#, "field eventType is 'BEGIN'"),
            (#""eventType":"START","#, "", "field eventType is missing"),
            (
                #""_producer":"urn:ofa:1","_schemaURL":"urn:x:1""#, #""_schemaURL":"urn:x:1""#,
                "field run.facets.own._producer is missing"
            ),
            (#","_schemaURL":"urn:x:1""#, "", "field run.facets.own._schemaURL is missing"),
            (
                #""namespace":"ofa","name":"demo.full""#, #""name":"demo.full""#,
                "field job.namespace is missing"
            ),
            (#""name":"demo.full""#, #""name":"""#, "field job.name is empty"),
            ("facets/1-0-1", "facets/1-0-0", "field inputs[0].facets.version._schemaURL is"),
            (
                #","datasetVersion":"ab""#, "",
                "field inputs[0].facets.version.datasetVersion is missing"
            ),
            (#""outputs":\[\]"#, #""outputs":{}"#, "field outputs is no list"),
            (
                #""outputs":\[\]"#, #""outputs":[{"name":"x"}]"#,
                "field outputs[0].namespace is missing"
            ),
        ])
    func broken(pattern: String, replacement: String, problem expected: String) throws {
        let good = Self.event("START")
        let bad = good.replacing(try Regex(pattern), with: replacement, maxReplacements: 1)
        #expect(bad != good, "\(pattern) replaces nothing")
        let found = problem(bad, Self.event("COMPLETE"))
        #expect(found?.contains(expected) == true, "\(found ?? "nothing") instead of \(expected)")
    }

    @Test("a run has one START, then one end")
    func order() {
        let (start, end) = (Self.event("START"), Self.event("COMPLETE"))
        #expect(problem(start)?.contains("no COMPLETE or FAIL") == true)
        #expect(problem(end)?.contains("before its START") == true)
        #expect(problem(start, start)?.contains("a second START") == true)
        #expect(problem(start, end, Self.event("FAIL"))?.contains("after its end") == true)
        #expect(problem("[]") != nil && problem("{") != nil && problem("") != nil)
    }

    @Test("a target is a file or a URL, and a URL without a host is refused")
    func targets() throws {
        #expect(try OpenLineageTarget("events.jsonl") == .file("events.jsonl"))
        let url = try OpenLineageTarget("http://u:secret@marquez:5000/api/v1/lineage")
        #expect(!url.shown.contains("secret") && url.shown.contains("marquez:5000"))
        #expect(throws: PipelineError.self) { try OpenLineageTarget("http://") }
    }
}
