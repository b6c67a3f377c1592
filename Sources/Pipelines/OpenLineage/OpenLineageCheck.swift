// Checks OpenLineage run events: the fields that https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent
// requires, formats included, the facets that ofa writes, and one START and one COMPLETE or FAIL per run. The schema
// without the fragment also accepts an event without `run`, so it is not used. OpenLineageFacets.swift has the facets.

import Foundation
import Intake

/// Checks a stream of run events.
public struct OpenLineageCheck {
    /// What is known of a run. An identical repetition of an event has the same time and job.
    private struct Run {
        var job: String
        var start: (time: String, moment: Date)
        var end: (type: String, time: String)?
    }

    /// The largest event, in bytes: one names every input of its attempt.
    private static let rule = JSONRule(maxBytes: 64 << 20)

    private var runs: [String: Run] = [:]
    /// The number of events that were checked.
    public private(set) var count = 0
    /// How many of these repeat an event: a sender that stops before it records what it sent sends it again.
    public private(set) var repeated = 0

    /// Starts with no events.
    public init() {}

    /// Checks one event, a JSON text. Throws `InputFault` with the first field that breaks a rule.
    public mutating func check(_ text: String) throws(InputFault) {
        let event = try JSONNode(text, Self.rule)
        guard case .object = event else { throw InputFault("is no object") }
        try Self.refuseDoubles(event, "")
        let fields = OpenLineageFields(event, "")
        let time = try fields.text("eventTime")
        let moment = try fields.moment("eventTime")
        try fields.uri("producer")
        let schema = try fields.uri("schemaURL")
        guard schema == OpenLineageEvents.schemaURL else {
            throw InputFault(
                "field schemaURL is '\(Shown.excerpt(schema))'",
                remedy: "it must be \(OpenLineageEvents.schemaURL)")
        }
        let type = try fields.text("eventType")
        guard ["START", "COMPLETE", "FAIL"].contains(type) else {
            throw InputFault(
                "field eventType is '\(Shown.excerpt(type))'",
                remedy: "it must be START, COMPLETE or FAIL")
        }
        let run = try fields.object("run")
        let id = try run.uuid("runId")
        try run.facets("facets", .run)
        let job = try fields.object("job")
        try job.named()
        try job.facets("facets", .job)
        for (list, own, place) in [
            ("inputs", "inputFacets", OpenLineageFacets.Place.input),
            ("outputs", "outputFacets", .output),
        ] {
            for dataset in try fields.list(list) {
                try dataset.named()
                try dataset.facets("facets", .dataset)
                try dataset.facets(own, place)
            }
        }
        let name = "\(try job.text("namespace")) \(try job.text("name"))"
        try follow(id, type, name, time, moment)
        count += 1
    }

    /// Throws if a run has not ended.
    public func finish() throws(InputFault) {
        let open = runs.filter { $0.value.end == nil }.keys.sorted()
        guard let first = open.first else { return }
        let others = open.count == 1 ? "" : ", and \(open.count - 1) other runs"
        throw InputFault("run \(first)\(others) has a START and no COMPLETE or FAIL")
    }

    /// Throws if an object at any depth has a key twice: readers differ in which one they take.
    private static func refuseDoubles(_ node: JSONNode, _ path: String) throws(InputFault) {
        switch node {
        case .object(let members):
            var seen = Set<String>()
            for member in members {
                let field = (path.isEmpty ? "" : path + ".") + Shown.excerpt(member.key, 40)
                guard seen.insert(member.key).inserted else {
                    throw InputFault("field \(field) stands twice")
                }
                try refuseDoubles(member.value, field)
            }
        case .list(let values):
            for (place, value) in values.enumerated() {
                try refuseDoubles(value, "\(path)[\(place)]")
            }
        case .text, .number, .flag, .null: break
        }
    }

    private mutating func follow(
        _ id: String, _ type: String, _ job: String, _ time: String, _ moment: Date
    ) throws(InputFault) {
        let isStart = type == "START"
        guard let run = runs[id] else {
            guard isStart else { throw InputFault("run \(id) has a \(type) before its START") }
            runs[id] = Run(job: job, start: (time, moment))
            return
        }
        guard run.job == job else {
            throw InputFault(
                "run \(id) is one of job \(Shown.excerpt(run.job)), not of \(Shown.excerpt(job))")
        }
        if isStart {
            guard run.start.time == time else { throw InputFault("run \(id) has a second START") }
            repeated += 1
        } else if let end = run.end {
            guard end == (type, time) else {
                throw InputFault("run \(id) has a \(type) after its end")
            }
            repeated += 1
        } else {
            guard moment >= run.start.moment else {
                throw InputFault("run \(id) has a \(type) whose time is before its START's")
            }
            runs[id]?.end = (type, time)
        }
    }
}
