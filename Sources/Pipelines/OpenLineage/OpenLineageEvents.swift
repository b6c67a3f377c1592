// Describes attempts as OpenLineage run events (https://openlineage.io/spec/2-0-2/OpenLineage.json): one START and one
// COMPLETE or FAIL for each attempt. An attempt that did not complete, for any reason, gives FAIL.

import Artifacts
import Foundation
import Postgres
import Schema

/// Makes the events of attempts.
public struct OpenLineageEvents {
    /// The identifier of the schema of run events.
    public static let schemaURL =
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    /// The namespace of jobs and data sets.
    public static let namespace = "ofa"
    /// The schema, in ops/docs/openlineage.json, of the facet about energy, carbon and time. A schema never changes; a
    /// changed facet gets a new number.
    public static let resourceUsageURL = "urn:ofa:openlineage:1-0-0:ResourceUsageRunFacet"

    private let connection: Connection
    private let code: CodeVersion

    /// Describes attempts of the database of `connection`; `code` is this program, the producer of the events.
    public init(_ connection: Connection, code: CodeVersion) {
        self.connection = connection
        self.code = code
    }

    /// An attempt whose events are to be made.
    struct Given {
        let token, job, run: Int64
        let stage: String
        /// When the attempt's artifacts were recorded, or when the attempt ended.
        let made: Date
    }

    /// Returns the events of the attempts that made the artifacts of a graph; attempts that ended earlier come first.
    public func events(of graph: LineageGraph) throws -> [JSONValue] {
        var seen = Set<Int64>()
        let given = graph.artifacts.compactMap { artifact -> Given? in
            guard let producer = artifact.producer, seen.insert(producer.token).inserted else {
                return nil
            }
            return Given(
                token: producer.token, job: producer.job, run: producer.run,
                stage: producer.stage, made: artifact.createdAt)
        }
        return try attempts(given).flatMap(\.events)
    }

    /// Returns the events of attempts by the attempts' tokens.
    func byAttempt(_ given: [Given]) throws -> [Int64: [JSONValue]] {
        Dictionary(try attempts(given).map { ($0.token, $0.events) }) { first, _ in first }
    }

    /// Returns the events of attempts, in the order of the attempts' ends.
    private func attempts(_ given: [Given]) throws -> [(token: Int64, events: [JSONValue])] {
        guard let first = given.map(\.made).min(), let last = given.map(\.made).max() else {
            return []
        }
        let tokens = given.map(\.token)
        let rows = try connection.query(
            .openLineageAttempts(
                tokens: tokens, jobs: given.map(\.job), runs: given.map(\.run),
                stages: given.map(\.stage),
                made: given.map { $0.made.formatted(Self.moment) }, first: first, last: last))
        let data = Dictionary(
            grouping: try connection.query(
                .openLineageData(tokens: tokens, hidden: ArtifactRole.datasetShard.rawValue)
            ).map { try Datum($0) }, by: \.token)
        return try rows.map { row in
            let token = try row.int64("token")
            let attempt = try OpenLineageAttempt(
                row, data: data[token] ?? [], producer: producer, code: code)
            return (token, try attempt.events)
        }
    }

    /// The URI of this program.
    private var producer: String { "urn:ofa:\(code.word)" }

    /// The form of times in events: RFC 3339 with milliseconds, in UTC.
    static let moment = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// An artifact that an attempt read or made.
    struct Datum {
        let token: Int64
        let isInput: Bool
        let kind, name, digest: String
        let madeBy: Provenance?
        let rawBytes: Int64?

        init(_ row: Row) throws {
            token = try row.int64("token")
            isInput = try row.bool("is_input")
            kind = try row.text("kind")
            name = try row.text("name")
            digest = try Digest(bytes: row.bytes("digest")).hex
            rawBytes = try row.optionalInt64("raw_bytes")
            madeBy = try row.optionalJSON("made_by").map {
                try JSONText.decode(Provenance.self, from: $0, what: "the origin of an artifact")
            }
        }
    }
}

/// The events of one attempt.
private struct OpenLineageAttempt {
    private let row: Row
    private let data: [OpenLineageEvents.Datum]
    private let producer: String
    private let code: CodeVersion

    init(
        _ row: Row, data: [OpenLineageEvents.Datum], producer: String, code: CodeVersion
    ) throws {
        self.row = row
        self.data = data
        self.producer = producer
        self.code = code
    }

    /// The event START, then the event COMPLETE or FAIL.
    var events: [JSONValue] {
        get throws {
            let isDone = try row.text("outcome") == "completed"
            return [
                try event("START", at: try row.date("started_at"), isEnd: false),
                try event(isDone ? "COMPLETE" : "FAIL", at: try row.date("ended_at"), isEnd: true),
            ]
        }
    }

    private func event(_ type: String, at time: Date, isEnd: Bool) throws -> JSONValue {
        let run: [String: JSONValue] = [
            "runId": .string(try runID), "facets": .object(try runFacets(isEnd: isEnd)),
        ]
        let job: [String: JSONValue] = [
            "namespace": .string(OpenLineageEvents.namespace),
            "name": .string("\(try row.text("run_name")).\(try row.text("stage"))"),
            "facets": .object(try jobFacets),
        ]
        let event: [String: JSONValue] = [
            "eventType": .string(type),
            "eventTime": .string(time.formatted(OpenLineageEvents.moment)),
            "producer": .string(producer), "schemaURL": .string(OpenLineageEvents.schemaURL),
            "run": .object(run), "job": .object(job),
            "inputs": .array(datasets(inputs: true)),
            "outputs": .array(isEnd ? datasets(inputs: false) : []),
        ]
        return .object(event)
    }

    /// A text that identifies the pipeline's run. The identifiers in events are derived from this text, so they are the
    /// same whenever and wherever the events are made.
    private var run: String {
        get throws {
            let parts = [
                "ofa", String(try row.int64("run_id")), try row.text("run_epoch"),
                try row.text("definition_hash"),
            ]
            return parts.joined(separator: "\n")
        }
    }

    private var runID: String {
        get throws {
            Self.uuid("\(try run)\n\(try row.int64("job_id"))\n\(try row.int64("token"))")
        }
    }

    /// Returns the UUID of a name: version 8 of RFC 9562, from the name's SHA-256.
    private static func uuid(_ name: String) -> String {
        var bytes = Array(Digest.of(Array(name.utf8)).bytes.prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = bytes.map { String(format: "%02x", $0) }
        return [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
            .map { $0.joined() }.joined(separator: "-")
    }

    /// Returns a facet of the published specification.
    private func facet(_ name: String, _ version: String, _ fields: [String: JSONValue])
        -> JSONValue
    {
        facet(fields, "https://openlineage.io/spec/facets/\(version)/\(name).json#/$defs/\(name)")
    }

    private func facet(_ fields: [String: JSONValue], _ schemaURL: String) -> JSONValue {
        .object(
            fields.merging([
                "_producer": .string(producer), "_schemaURL": .string(schemaURL),
            ]) { own, _ in own })
    }

    private func runFacets(isEnd: Bool) throws -> [String: JSONValue] {
        let namespace = JSONValue.string(OpenLineageEvents.namespace)
        var facets = [
            "parent": facet(
                "ParentRunFacet", "1-2-0",
                [
                    "run": .object(["runId": .string(Self.uuid(try run))]),
                    "job": .object([
                        "namespace": namespace, "name": .string(try row.text("run_name")),
                    ]),
                ]),
            "processing_engine": facet(
                "ProcessingEngineRunFacet", "1-1-1",
                [
                    // Only outputs record the program that made them; the sender may be another one.
                    "name": .string("ofa"), "version": .string(madeBy?.code?.word ?? "unknown"),
                    "openlineageAdapterVersion": .string(code.word),
                ]),
        ]
        guard isEnd else { return facets }
        if let error = try row.optionalText("error") {
            facets["errorMessage"] = facet(
                "ErrorMessageRunFacet", "1-0-1",
                ["message": .string(error), "programmingLanguage": .string("Swift")])
        }
        if let usage = try resourceUsage() {
            facets["ofa_resourceUsage"] = facet(usage, OpenLineageEvents.resourceUsageURL)
        }
        return facets
    }

    /// Returns the time, energy and carbon of the attempt; nil if the attempt was not metered. Values that were not
    /// metered are absent, not zero.
    private func resourceUsage() throws -> [String: JSONValue]? {
        guard let tier = try row.optionalText("tier") else { return nil }
        var usage: [String: JSONValue] = [
            "tier": .string(tier), "method": .string(try row.text("method")),
        ]
        for (field, column, unit) in [
            ("wallSeconds", "wall_ns", 1e9), ("cpuSeconds", "cpu_ns", 1e9),
            ("energyJoules", "energy_uj", 1e6), ("energyJoulesLow", "energy_low_uj", 1e6),
            ("energyJoulesHigh", "energy_high_uj", 1e6),
        ] {
            if let value = try row.optionalInt64(column) {
                usage[field] = .double(Double(value) / unit)
            }
        }
        if let micrograms = try row.optionalDouble("emission_ug") {
            usage["carbonGrams"] = .double(micrograms / 1e6)
            usage["factorSet"] = .int(try row.int64("factor_set"))
        }
        if let host = try row.optionalText("host") { usage["host"] = .string(host) }
        return usage
    }

    /// The provenance of the outputs; nil for attempts without outputs.
    private var madeBy: Provenance? { data.first { !$0.isInput }?.madeBy }

    private var jobFacets: [String: JSONValue] {
        get throws {
            var facets = [
                "jobType": facet(
                    "JobTypeJobFacet", "2-0-4",
                    [
                        "processingType": .string("BATCH"), "integration": .string("OFA"),
                        "jobType": .string(try row.optionalText("kind") ?? "stage"),
                    ])
            ]
            if let code = madeBy?.code, let commit = code.commit {
                facets["sourceCodeLocation"] = facet(
                    "SourceCodeLocationJobFacet", "1-1-0",
                    [
                        "type": .string("git"), "url": .string("urn:ofa:commit:\(commit)"),
                        "version": .string(code.dirty == true ? "\(commit)-dirty" : commit),
                    ])
            }
            return facets
        }
    }

    /// Returns the inputs or the outputs, each artifact once. All artifacts of one kind and name are versions of one
    /// data set; a version is identified by its digest.
    private func datasets(inputs: Bool) -> [JSONValue] {
        var seen = Set<[String]>()
        return data.filter {
            $0.isInput == inputs && seen.insert([$0.kind, $0.name, $0.digest]).inserted
        }.map { datum in
            var fields: [String: JSONValue] = [
                "namespace": .string(OpenLineageEvents.namespace),
                "name": .string("\(datum.kind)/\(datum.name)"),
                "facets": .object([
                    "version": facet(
                        "DatasetVersionDatasetFacet", "1-0-1",
                        ["datasetVersion": .string(datum.digest)])
                ]),
            ]
            if !inputs, let size = datum.rawBytes {
                fields["outputFacets"] = .object([
                    "outputStatistics": facet(
                        "OutputStatisticsOutputDatasetFacet", "1-0-2", ["size": .int(size)])
                ])
            }
            return .object(fields)
        }
    }
}
