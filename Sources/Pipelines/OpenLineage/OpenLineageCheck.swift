// Checks OpenLineage run events: the fields that https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent
// requires, formats included, and one START and one COMPLETE or FAIL per run. The schema at the URL without
// `#/$defs/RunEvent` is not used, because it also accepts events without `run`.

import Foundation
import Intake

/// Checks a stream of run events.
public struct OpenLineageCheck {
    /// The state of a run.
    private enum RunState {
        case started, ended
    }

    private var runs: [String: RunState] = [:]
    /// The number of events that were checked.
    public private(set) var count = 0

    /// Starts with no events.
    public init() {}

    /// Checks one event, a JSON text. Throws `InputFault` with the first field that breaks a rule.
    public mutating func check(_ text: String) throws(InputFault) {
        let event = try JSONNode(text, .result)
        guard case .object = event else { throw InputFault("is no object") }
        let fields = Fields(event, "")
        try fields.moment("eventTime")
        try fields.uri("producer")
        let schema = try fields.uri("schemaURL")
        guard
            schema.wholeMatch(
                of: #/https://openlineage\.io/spec/2-0-\d+/OpenLineage\.json#/\$defs/RunEvent/#)
                != nil
        else {
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
        try run.facets("facets", Self.runFacets)
        let job = try fields.object("job")
        try job.name("namespace")
        try job.name("name")
        try job.facets("facets", Self.jobFacets)
        for (list, own) in [("inputs", "inputFacets"), ("outputs", "outputFacets")] {
            for dataset in try fields.list(list) {
                try dataset.name("namespace")
                try dataset.name("name")
                try dataset.facets("facets", Self.datasetFacets)
                try dataset.facets(own, Self.outputFacets)
            }
        }
        try follow(id, type)
        count += 1
    }

    /// Throws if a run has not ended.
    public func finish() throws(InputFault) {
        if let open = runs.filter({ $0.value == .started }).keys.min() {
            throw InputFault("run \(open) has a START and no COMPLETE or FAIL")
        }
    }

    private mutating func follow(_ id: String, _ type: String) throws(InputFault) {
        switch (runs[id], type == "START") {
        case (nil, true): runs[id] = .started
        case (.started, false): runs[id] = .ended
        case (nil, false): throw InputFault("run \(id) has a \(type) before its START")
        case (.started, true): throw InputFault("run \(id) has a second START")
        case (.ended, _): throw InputFault("run \(id) has a \(type) after its end")
        }
    }

    // MARK: Facets

    /// The version and the required fields of a known facet.
    private struct Facet: Sendable {
        let type: String?
        let version: String
        let check: @Sendable (Fields) throws(InputFault) -> Void

        init(
            _ type: String?, _ version: String,
            _ check: @escaping @Sendable (Fields) throws(InputFault) -> Void
        ) {
            (self.type, self.version, self.check) = (type, version, check)
        }
    }

    private static let runFacets: [String: Facet] = [
        "parent": Facet("ParentRunFacet", "1-2-0") { facet throws(InputFault) in
            try facet.object("run").uuid("runId")
            let job = try facet.object("job")
            try job.name("namespace")
            try job.name("name")
        },
        "processing_engine": Facet("ProcessingEngineRunFacet", "1-1-1") {
            facet throws(InputFault) in try facet.name("version")
        },
        "errorMessage": Facet("ErrorMessageRunFacet", "1-0-1") { facet throws(InputFault) in
            try facet.text("message")
            try facet.name("programmingLanguage")
        },
        "ofa_resourceUsage": Facet(nil, OpenLineageEvents.resourceUsageURL) {
            facet throws(InputFault) in
            try facet.name("tier")
            try facet.name("method")
            for field in [
                "wallSeconds", "cpuSeconds", "energyJoules", "energyJoulesLow",
                "energyJoulesHigh", "carbonGrams",
            ] { try facet.amount(field) }
        },
    ]
    private static let jobFacets: [String: Facet] = [
        "jobType": Facet("JobTypeJobFacet", "2-0-4") { facet throws(InputFault) in
            try facet.name("processingType")
            try facet.name("integration")
        },
        "sourceCodeLocation": Facet("SourceCodeLocationJobFacet", "1-1-0") {
            facet throws(InputFault) in
            try facet.name("type")
            try facet.uri("url")
        },
    ]
    private static let datasetFacets: [String: Facet] = [
        "version": Facet("DatasetVersionDatasetFacet", "1-0-1") { facet throws(InputFault) in
            try facet.name("datasetVersion")
        }
    ]
    private static let outputFacets: [String: Facet] = [
        "outputStatistics": Facet("OutputStatisticsOutputDatasetFacet", "1-0-2") {
            facet throws(InputFault) in
            for field in ["rowCount", "size", "fileCount"] { try facet.amount(field) }
        }
    ]

    /// The fields of one object and the path to it.
    private struct Fields {
        private let node: JSONNode
        private let path: String

        init(_ node: JSONNode, _ path: String) {
            (self.node, self.path) = (node, path)
        }

        private func place(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

        private func required(_ field: String) throws(InputFault) -> JSONNode {
            guard let value = node[field] else {
                throw InputFault("field \(place(field)) is missing")
            }
            return value
        }

        func object(_ field: String) throws(InputFault) -> Fields {
            let value = try required(field)
            guard case .object = value else {
                throw InputFault("field \(place(field)) is no object")
            }
            return Fields(value, place(field))
        }

        func list(_ field: String) throws(InputFault) -> [Fields] {
            guard let value = node[field] else { return [] }
            guard case .list(let values) = value else {
                throw InputFault("field \(place(field)) is no list")
            }
            var all: [Fields] = []
            for (index, value) in values.enumerated() {
                guard case .object = value else {
                    throw InputFault("field \(place(field))[\(index)] is no object")
                }
                all.append(Fields(value, "\(place(field))[\(index)]"))
            }
            return all
        }

        @discardableResult
        func text(_ field: String) throws(InputFault) -> String {
            guard case .text(let text) = try required(field) else {
                throw InputFault("field \(place(field)) is no text")
            }
            return text
        }

        func name(_ field: String) throws(InputFault) {
            if try text(field).isEmpty { throw InputFault("field \(place(field)) is empty") }
        }

        func moment(_ field: String) throws(InputFault) {
            let text = try text(field)
            do throws(InputFault) { _ = try MomentText.read(text) } catch {
                throw InputFault("field \(place(field)) \(error.reason)", remedy: error.remedy)
            }
        }

        @discardableResult
        func uri(_ field: String) throws(InputFault) -> String {
            let text = try text(field)
            guard
                text.wholeMatch(
                    of: #/[A-Za-z][A-Za-z0-9+.\-]*:[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+/#) != nil
            else {
                throw InputFault("field \(place(field)) is no URI: '\(Shown.excerpt(text))'")
            }
            return text
        }

        @discardableResult
        func uuid(_ field: String) throws(InputFault) -> String {
            let text = try text(field)
            guard text.wholeMatch(of: /[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/) != nil
            else {
                throw InputFault("field \(place(field)) is no UUID: '\(Shown.excerpt(text))'")
            }
            return text.lowercased()
        }

        /// Checks an optional number, which must not be negative.
        func amount(_ field: String) throws(InputFault) {
            guard let value = node[field] else { return }
            guard case .number(let digits) = value, !digits.hasPrefix("-") else {
                throw InputFault("field \(place(field)) is no number of at least 0")
            }
        }

        /// Checks that each facet of an optional object names its producer and schema, and that a known facet has its
        /// version and its fields.
        func facets(_ field: String, _ known: [String: Facet]) throws(InputFault) {
            guard let value = node[field] else { return }
            guard case .object(let members) = value else {
                throw InputFault("field \(place(field)) is no object")
            }
            for member in members {
                let facet = try Fields(value, place(field)).object(member.key)
                try facet.uri("_producer")
                let schema = try facet.uri("_schemaURL")
                guard let rule = known[member.key] else { continue }
                let wanted =
                    rule.type.map {
                        "https://openlineage.io/spec/facets/\(rule.version)/\($0).json#/$defs/\($0)"
                    } ?? rule.version
                guard schema == wanted else {
                    throw InputFault(
                        "field \(facet.place("_schemaURL")) is '\(Shown.excerpt(schema, 120))'",
                        remedy: "it must be \(wanted)")
                }
                try rule.check(facet)
            }
        }
    }
}
