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
            ("spec/2-0-2", "spec/2-0-99", "field schemaURL is 'https"),
            (#""name":"demo.full""#, #""name":" ""#, "field job.name is empty"),
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

    /// An event that follows the rules, with these members in its `run.facets`, `job.facets` and the output's facets.
    private static func faceted(run: String = "", job: String = "", output: String = "") -> String {
        event("COMPLETE").replacing(
            #","facets":{"own":{"_producer":"urn:ofa:1","_schemaURL":"urn:x:1"}}"#,
            with: ",\"facets\":{\(run)}"
        ).replacing(#""demo.full","facets":{}"#, with: "\"demo.full\",\"facets\":{\(job)}")
            .replacing(
                #""outputs":[]"#,
                with: #""outputs":[{"namespace":"ofa","name":"n","outputFacets":{\#(output)}}]"#)
    }

    private static func facet(_ name: String, _ type: String, _ version: String, _ fields: String)
        -> String
    {
        let url = "https://openlineage.io/spec/facets/\(version)/\(type).json#/$defs/\(type)"
        return #""\#(name)":{"_producer":"urn:ofa:1","_schemaURL":"\#(url)",\#(fields)}"#
    }

    private static func usage(_ fields: String) -> String {
        #""ofa_resourceUsage":{"_producer":"urn:ofa:1","_schemaURL":"\#(OpenLineageEvents.resourceUsageURL)","#
            + #""tier":"A","method":"RAPL",\#(fields)}"#
    }

    private static func parent(_ fields: String, _ version: String = "1-2-0") -> String {
        facet("parent", "ParentRunFacet", version, fields)
    }

    private static let ids = #""run":{"runId":"\#(id)"},"job":{"namespace":"ofa","name":"demo"}"#

    private static func engine(_ fields: String) -> String {
        facet("processing_engine", "ProcessingEngineRunFacet", "1-1-1", fields)
    }

    private static func kind(_ fields: String) -> String {
        facet("jobType", "JobTypeJobFacet", "2-0-4", fields)
    }

    private static func source(_ fields: String) -> String {
        facet("sourceCodeLocation", "SourceCodeLocationJobFacet", "1-1-0", fields)
    }

    private static func message(_ fields: String) -> String {
        facet("errorMessage", "ErrorMessageRunFacet", "1-0-1", fields)
    }

    private static func size(_ fields: String) -> String {
        facet("outputStatistics", "OutputStatisticsOutputDatasetFacet", "1-0-2", fields)
    }

    /// Events with one bad facet of a run, and what is said of each.
    private static let badRuns: [(String, String)] = [
        (
            Self.faceted(run: Self.parent(#""job":{"namespace":"o","name":"d"}"#)),
            "run.facets.parent.run"
        ),
        (Self.faceted(run: Self.parent(Self.ids, "1-1-0")), "run.facets.parent._schemaURL"),
        (Self.faceted(run: Self.parent(Self.ids + #","root":5"#)), "run.facets.parent.root"),
        (Self.faceted(run: engine(#""name":"ofa""#)), "run.facets.processing_engine.version"),
        (
            Self.faceted(run: engine(#""version":"1","name":5"#)),
            "run.facets.processing_engine.name"
        ),
        (
            Self.faceted(run: message(#""message":"x""#)),
            "run.facets.errorMessage.programmingLanguage"
        ),
        (
            Self.faceted(run: Self.usage(#""energyJoules":-1"#)),
            "run.facets.ofa_resourceUsage.energyJoules"
        ),
        (Self.faceted(run: Self.usage(#""host":5"#)), "run.facets.ofa_resourceUsage.host"),
        (
            Self.faceted(run: Self.usage(#""factorSet":"x""#)),
            "run.facets.ofa_resourceUsage.factorSet"
        ),
        (
            Self.faceted(run: Self.usage(#""energyJoules":1,"energyJoulesLow":2"#)),
            "run.facets.ofa_resourceUsage.energyJoules is not between"
        ),
        (
            Self.faceted(run: Self.usage(#""host":"h""#)).replacing(
                #""tier":"A""#, with: #""tier":"Z""#),
            "run.facets.ofa_resourceUsage.tier is 'Z'"
        ),
    ]

    /// The same of jobs, outputs and places.
    private static let badOthers: [(String, String)] = [
        (
            Self.faceted(job: kind(#""processingType":"BATCH""#)),
            "job.facets.jobType.integration"
        ),
        (
            Self.faceted(job: kind(#""processingType":"B","integration":"O","jobType":{}"#)),
            "job.facets.jobType.jobType"
        ),
        (
            Self.faceted(job: source(#""type":"git","url":"http://""#)),
            "sourceCodeLocation.url is a URI without a host"
        ),
        (
            Self.faceted(job: source(#""type":"git","url":"urn:%zz""#)),
            "sourceCodeLocation.url is no URI"
        ),
        (
            Self.faceted(job: source(#""type":"git","url":"urn:x:1","version":5"#)),
            "sourceCodeLocation.version"
        ),
        (
            Self.faceted(output: size(#""size":1.5"#)),
            "outputStatistics.size is no whole number"
        ),
        (
            Self.faceted(run: size(#""size":1"#)),
            "run.facets.outputStatistics does not belong here"
        ),
        (Self.faceted(job: Self.parent(Self.ids)), "job.facets.parent does not belong here"),
    ]

    @Test("the fields of known facets follow their schemas, and stand in their place")
    func facets() {
        let start = Self.event("START")
        let good = Self.faceted(
            run: [
                Self.parent(Self.ids + #","root":{\#(Self.ids)}"#),
                Self.engine(#""version":"1","name":"ofa""#),
                Self.message(#""message":"","programmingLanguage":"Swift""#),
                Self.usage(
                    #""energyJoules":2,"energyJoulesLow":1.5,"energyJoulesHigh":2,"factorSet":1"#),
            ].joined(separator: ","),
            job: Self.kind(#""processingType":"BATCH","integration":"OFA""#) + ","
                + Self.source(#""type":"git","url":"urn:ofa:commit:1""#),
            output: Self.size(#""size":5"#))
        #expect(problem(start, good) == nil, "\(problem(start, good) ?? "")")
        for (event, expected) in Self.badRuns + Self.badOthers {
            let found = problem(start, event)
            #expect(found?.contains(expected) == true, "\(found ?? "nothing") and not \(expected)")
        }
    }

    @Test(
        "a key that stands twice is refused at every depth: readers differ in which they take",
        arguments: [
            (#"{"eventType":"#, #"{"run":5,"eventType":"#, "field run stands twice"),
            (#""runId":"#, #""runId":"x","runId":"#, "field run.runId stands twice"),
            (#""own":{"#, #""own":5,"own":{"#, "field run.facets.own stands twice"),
            (
                #""name":"dataset/d""#, #""name":"e","name":"dataset/d""#,
                "field inputs[0].name stands twice"
            ),
        ])
    func doubles(text: String, replacement: String, problem expected: String) {
        let bad = Self.event("START").replacing(text, with: replacement)
        #expect(problem(bad, Self.event("COMPLETE")) == expected)
    }

    @Test("an event may be repeated, as after a crash of the sender; another one of a run may not")
    func repeated() throws {
        let (start, end) = (Self.event("START"), Self.event("COMPLETE"))
        #expect(problem(start, end, start, end) == nil)
        var check = OpenLineageCheck()
        for event in [start, start, end] { try check.check(event) }
        try check.finish()
        #expect(check.count == 3 && check.repeated == 1)
        let later = end.replacing("03:00:00.125Z", with: "03:00:01Z")
        #expect(problem(start, end, later)?.contains("after its end") == true)
        let earlier = end.replacing("03:00:00.125Z", with: "02:59:59Z")
        #expect(problem(start, earlier)?.contains("before its START's") == true)
        let other = end.replacing("demo.full", with: "demo.other")
        #expect(problem(start, other)?.contains("is one of job ofa demo.full") == true)
    }

    @Test("a run has one START, then one end")
    func order() {
        let (start, end) = (Self.event("START"), Self.event("COMPLETE"))
        #expect(problem(start)?.contains("no COMPLETE or FAIL") == true)
        #expect(problem(end)?.contains("before its START") == true)
        let later = start.replacing("03:00:00.125Z", with: "03:00:01Z")
        #expect(problem(start, later)?.contains("a second START") == true)
        #expect(problem(start, end, Self.event("FAIL"))?.contains("after its end") == true)
        #expect(problem("[]") != nil && problem("{") != nil && problem("") != nil)
    }
}
