// The facets that ofa writes, with the versions that records of OpenLineage name and the fields that their schemas
// require, and the fields of one object of an event. Unknown facets need a producer and a schema only.

import Foundation
import Intake

/// The known facets.
enum OpenLineageFacets {
    /// Where a facet belongs.
    enum Place: String, Sendable, CaseIterable {
        case run = "run.facets"
        case job = "job.facets"
        case dataset = "facets of a data set"
        case input = "inputFacets"
        case output = "outputFacets"
    }

    /// The place, the version and the fields of a known facet.
    struct Facet: Sendable {
        let place: Place
        /// The URI of its schema.
        let schema: String
        let check: @Sendable (OpenLineageFields) throws(InputFault) -> Void

        /// A facet of the published specification.
        init(
            _ place: Place, _ type: String, _ version: String,
            _ check: @escaping @Sendable (OpenLineageFields) throws(InputFault) -> Void
        ) {
            self.place = place
            schema = "https://openlineage.io/spec/facets/\(version)/\(type).json#/$defs/\(type)"
            self.check = check
        }

        /// The facet of ofa about energy, carbon and time.
        init(
            resourceUsage check: @escaping @Sendable (OpenLineageFields) throws(InputFault) -> Void
        ) {
            place = .run
            schema = OpenLineageEvents.resourceUsageURL
            self.check = check
        }
    }

    /// The known facets by name.
    static let known: [String: Facet] = [
        "parent": Facet(.run, "ParentRunFacet", "1-2-0") { facet throws(InputFault) in
            try facet.object("run").uuid("runId")
            try facet.object("job").named()
            guard let root = try facet.optionalObject("root") else { return }
            try root.object("run").uuid("runId")
            try root.object("job").named()
        },
        "processing_engine": Facet(.run, "ProcessingEngineRunFacet", "1-1-1") {
            facet throws(InputFault) in
            try facet.name("version")
            try facet.optionalTexts(["name", "openlineageAdapterVersion"])
        },
        "errorMessage": Facet(.run, "ErrorMessageRunFacet", "1-0-1") { facet throws(InputFault) in
            try facet.text("message")
            try facet.name("programmingLanguage")
            try facet.optionalTexts(["stackTrace"])
        },
        "ofa_resourceUsage": Facet(resourceUsage: { facet throws(InputFault) in
            let tier = try facet.text("tier")
            guard ["A", "B", "C", "M", "K", "U"].contains(tier) else {
                throw facet.fault("tier", "is '\(Shown.excerpt(tier))', not A, B, C, M, K or U")
            }
            try facet.name("method")
            try facet.optionalTexts(["host"])
            for field in ["wallSeconds", "cpuSeconds", "carbonGrams"] { try facet.amount(field) }
            try facet.whole("factorSet")
            let energy = try facet.amount("energyJoules")
            let low = try facet.amount("energyJoulesLow")
            let high = try facet.amount("energyJoulesHigh")
            guard low ?? 0 <= energy ?? high ?? .infinity,
                energy ?? low ?? 0 <= high ?? .infinity
            else {
                throw facet.fault(
                    "energyJoules", "is not between energyJoulesLow and energyJoulesHigh")
            }
        }),
        "jobType": Facet(.job, "JobTypeJobFacet", "2-0-4") { facet throws(InputFault) in
            try facet.name("processingType")
            try facet.name("integration")
            try facet.optionalTexts(["jobType"])
        },
        "sourceCodeLocation": Facet(.job, "SourceCodeLocationJobFacet", "1-1-0") {
            facet throws(InputFault) in
            try facet.name("type")
            try facet.uri("url")
            try facet.optionalTexts(["repoUrl", "path", "version", "tag", "branch"])
        },
        "version": Facet(.dataset, "DatasetVersionDatasetFacet", "1-0-1") {
            facet throws(InputFault) in try facet.name("datasetVersion")
        },
        "outputStatistics": Facet(.output, "OutputStatisticsOutputDatasetFacet", "1-0-2") {
            facet throws(InputFault) in
            for field in ["rowCount", "size", "fileCount"] { try facet.whole(field) }
        },
    ]
}

/// The fields of one object of an event, and the path to it.
struct OpenLineageFields {
    private let node: JSONNode
    private let path: String

    /// The fields of `node`; `path` is empty for the event itself.
    init(_ node: JSONNode, _ path: String) {
        (self.node, self.path) = (node, path)
    }

    private func place(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

    /// The fault of a field; `problem` follows its name.
    func fault(_ field: String, _ problem: String, remedy: String? = nil) -> InputFault {
        InputFault("field \(place(field)) \(problem)", remedy: remedy)
    }

    private func required(_ field: String) throws(InputFault) -> JSONNode {
        guard let value = node[field] else { throw fault(field, "is missing") }
        return value
    }

    /// Returns the object of a required field.
    func object(_ field: String) throws(InputFault) -> OpenLineageFields {
        let value = try required(field)
        guard case .object = value else { throw fault(field, "is no object") }
        return OpenLineageFields(value, place(field))
    }

    /// Returns the object of a field; nil if it is absent.
    func optionalObject(_ field: String) throws(InputFault) -> OpenLineageFields? {
        node[field] == nil ? nil : try object(field)
    }

    /// Returns the objects of a list; none if it is absent.
    func list(_ field: String) throws(InputFault) -> [OpenLineageFields] {
        guard let value = node[field] else { return [] }
        guard case .list(let values) = value else { throw fault(field, "is no list") }
        var all: [OpenLineageFields] = []
        for (index, value) in values.enumerated() {
            let item = "\(field)[\(index)]"
            guard case .object = value else { throw fault(item, "is no object") }
            all.append(OpenLineageFields(value, place(item)))
        }
        return all
    }

    /// Returns the text of a required field.
    @discardableResult
    func text(_ field: String) throws(InputFault) -> String {
        guard case .text(let text) = try required(field) else { throw fault(field, "is no text") }
        return text
    }

    /// Checks that fields are texts, if they are there.
    func optionalTexts(_ fields: [String]) throws(InputFault) {
        for field in fields where node[field] != nil { try text(field) }
    }

    /// Checks that a required text is not blank.
    func name(_ field: String) throws(InputFault) {
        if try text(field).allSatisfy(\.isWhitespace) { throw fault(field, "is empty") }
    }

    /// Checks namespace and name of a job or a data set.
    func named() throws(InputFault) {
        try name("namespace")
        try name("name")
    }

    /// Returns the time of a required field.
    func moment(_ field: String) throws(InputFault) -> Date {
        let text = try text(field)
        do throws(InputFault) { return try MomentText.read(text) } catch {
            throw fault(field, error.reason, remedy: error.remedy)
        }
    }

    /// Returns the URI of a required field.
    @discardableResult
    func uri(_ field: String) throws(InputFault) -> String {
        let text = try text(field)
        let form =
            #/([A-Za-z][A-Za-z0-9+.\-]*):(?:[!#$&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})+/#
        guard let parts = text.wholeMatch(of: form) else {
            throw fault(field, "is no URI: '\(Shown.excerpt(text))'")
        }
        let needsHost = ["http", "https"].contains(parts.1.lowercased())
        guard !needsHost || text.wholeMatch(of: #/[^:]+://[^/?#]+.*/#) != nil else {
            throw fault(field, "is a URI without a host: '\(Shown.excerpt(text))'")
        }
        return text
    }

    /// Returns the UUID of a required field in lower case.
    @discardableResult
    func uuid(_ field: String) throws(InputFault) -> String {
        let text = try text(field)
        guard text.wholeMatch(of: /[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/) != nil
        else { throw fault(field, "is no UUID: '\(Shown.excerpt(text))'") }
        return text.lowercased()
    }

    /// Returns an optional number, which must not be negative.
    @discardableResult
    func amount(_ field: String) throws(InputFault) -> Double? {
        guard let value = node[field] else { return nil }
        guard case .number(let digits) = value, !digits.hasPrefix("-"), let number = Double(digits)
        else { throw fault(field, "is no number of at least 0") }
        return number
    }

    /// Checks an optional whole number, which must not be negative.
    func whole(_ field: String) throws(InputFault) {
        guard let number = try amount(field) else { return }
        guard number == number.rounded() else { throw fault(field, "is no whole number") }
    }

    /// Checks that each facet of an optional object names its producer and schema, and that a known facet is in its
    /// place and has its version and its fields.
    func facets(_ field: String, _ here: OpenLineageFacets.Place) throws(InputFault) {
        guard let value = node[field] else { return }
        guard case .object(let members) = value else { throw fault(field, "is no object") }
        for member in members {
            let facet = try OpenLineageFields(value, place(field)).object(member.key)
            try facet.uri("_producer")
            let schema = try facet.uri("_schemaURL")
            guard let rule = OpenLineageFacets.known[member.key] else { continue }
            guard rule.place == here else {
                throw fault(
                    "\(field).\(member.key)", "does not belong here",
                    remedy: "its place: \(rule.place.rawValue)")
            }
            guard schema == rule.schema else {
                throw facet.fault(
                    "_schemaURL", "is '\(Shown.excerpt(schema, 120))'",
                    remedy: "it must be \(rule.schema)")
            }
            try rule.check(facet)
        }
    }
}
