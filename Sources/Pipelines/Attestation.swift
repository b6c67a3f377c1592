// States how an artifact was made, as an in-toto statement (https://in-toto.io/Statement/v1) with SLSA provenance
// (https://slsa.dev/spec/v1.0/provenance), and signs it.

import Artifacts
import Foundation
import Intake
import Jobs
import Postgres

/// Makes statements about artifacts.
public enum Attestation {
    /// The media type of a statement in an envelope.
    public static let payloadType = "application/vnd.in-toto+json"

    /// A file with an exported artifact.
    public struct File: Sendable {
        /// The name of the file.
        public let name: String
        /// The digest of the file's bytes.
        public let digest: Digest

        /// `digest` is that of the file's bytes.
        public init(name: String, digest: Digest) {
            self.name = name
            self.digest = digest
        }
    }

    /// Returns the statement about an artifact as canonical JSON: the same artifact gives the same text. Its subjects
    /// are the artifact and, if given, an exported file. Errors: `missingInput` if no stage made the artifact, or if
    /// its job is no longer known.
    public static func statement(
        _ artifact: Artifact, exportedAs file: File? = nil, _ connection: Connection
    ) throws -> String {
        let what = "artifact \(artifact.id) (\(artifact.name))"
        guard let producer = artifact.producer else {
            throw PipelineError(
                .missingInput, "\(what) is user-supplied: no stage made it",
                remedy: "attest what was made from it: ofa lineage down \(artifact.id)")
        }
        guard let text = try JobQueue(connection).arguments(of: producer.job) else {
            throw PipelineError(
                .missingInput, "job \(producer.job), which made \(what), is no longer known",
                remedy: "ofa lineage up \(artifact.id) shows what is recorded of it")
        }
        let arguments = try StageArguments.read(text, of: "job \(producer.job)")
        let run = try JobQueue(connection).run(producer.run)
        let subjects =
            (file.map { [subject($0.name, $0.digest)] } ?? [])
            + [subject("\(artifact.kind)/\(artifact.name)", artifact.digest)]
        let provenance = try Provenance.of(artifact)
        let definition: [String: JSONValue] = [
            "buildType": .string("urn:ofa:stage:\(arguments.kind.rawValue):v1"),
            "externalParameters": .object(try externalParameters(run, arguments)),
            "internalParameters": .object(try internalParameters(run, provenance)),
            "resolvedDependencies": .array(try dependencies(artifact, provenance, connection)),
        ]
        let predicate: [String: JSONValue] = [
            "buildDefinition": .object(definition),
            "runDetails": .object(runDetails(artifact, producer, provenance)),
        ]
        let statement: [String: JSONValue] = [
            "_type": .string("https://in-toto.io/Statement/v1"),
            "subject": .array(subjects),
            "predicateType": .string("https://slsa.dev/provenance/v1"),
            "predicate": .object(predicate),
        ]
        return try JSONText.encode(statement)
    }

    /// Returns the signed envelope of a statement as JSON.
    public static func envelope(_ statement: String, by key: borrowing SigningKey) throws -> String
    {
        try JSONText.encode(SignedEnvelope(statement, type: payloadType, by: key))
    }

    private static func digest(_ digest: Digest) -> JSONValue {
        .object(["sha256": .string(digest.hex)])
    }

    private static func subject(_ name: String, _ bytes: Digest) -> JSONValue {
        .object(["name": .string(name), "digest": digest(bytes)])
    }

    private static func externalParameters(_ run: RunSummary, _ arguments: StageArguments) throws
        -> [String: JSONValue]
    {
        [
            "pipeline": .string(run.name), "stage": .string(arguments.stage),
            "seed": .string(String(arguments.seed)),
            "parameters": try parameters(arguments),
            "space": try JSONValue(parsing: JSONText.encode(arguments.space)),
        ]
    }

    /// Returns the fields of the stage's parameters, without the stage kind that encloses them in the stored JSON.
    private static func parameters(_ arguments: StageArguments) throws -> JSONValue {
        let value = try JSONValue(parsing: JSONText.encode(arguments.parameters))
        guard case .object(let kinds) = value, let own = kinds.values.first,
            case .object(let fields) = own
        else { return value }
        return fields["_0"] ?? own
    }

    private static func internalParameters(_ run: RunSummary, _ provenance: Provenance?) throws
        -> [String: JSONValue]
    {
        var fields: [String: JSONValue] = ["definitionHash": .string(run.definitionHash)]
        if let provenance {
            fields["madeBy"] = try JSONValue(parsing: JSONText.encode(provenance))
        }
        return fields
    }

    private static func runDetails(
        _ artifact: Artifact, _ producer: Artifact.Producer, _ provenance: Provenance?
    ) -> [String: JSONValue] {
        var builder: [String: JSONValue] = ["id": .string("urn:ofa:worker")]
        if let code = provenance?.code { builder["version"] = .object(["ofa": .string(code.word)]) }
        let invocation = "run \(producer.run), job \(producer.job), attempt \(producer.token)"
        let metadata: [String: JSONValue] = [
            "invocationId": .string(invocation),
            "finishedOn": .string(artifact.createdAt.formatted(OpenLineageEvents.moment)),
        ]
        return ["builder": .object(builder), "metadata": .object(metadata)]
    }

    /// Returns the inputs of the attempt that made the artifact, and the commit of the program. Shards of data sets are
    /// left out, because the data set names their digests.
    private static func dependencies(
        _ artifact: Artifact, _ provenance: Provenance?, _ connection: Connection
    ) throws -> [JSONValue] {
        var all: [JSONValue] = []
        for source in try Lineage(connection).inputs(
            of: artifact, hidden: ArtifactRole.datasetShard.rawValue)
        {
            let read = source.artifact
            let fields: [String: JSONValue] = [
                "uri": .string("urn:ofa:sha256:\(read.digest.hex)"),
                "digest": digest(read.digest), "name": .string("\(read.kind)/\(read.name)"),
                "annotations": .object(["role": .string(source.role)]),
            ]
            all.append(.object(fields))
        }
        if let commit = provenance?.code?.commit {
            all.append(
                .object(["uri": .string("urn:ofa:commit:\(commit)"), "name": .string("program")]))
        }
        return all
    }
}
