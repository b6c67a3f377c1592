// What differs between the lineages of two artifacts: parameters, seeds, data, code, machines and engines. Both
// lineages are followed upwards together; inputs are matched by role.

import Artifacts
import Foundation
import Intake
import Jobs
import Postgres

/// The differences between the lineages of two artifacts.
public struct LineageDifference: Sendable, Equatable, Encodable {
    /// The kinds of differences.
    public enum Subject: String, Sendable, Encodable {
        /// The artifacts were made by different kinds of stages, or only one by a stage.
        case stage
        /// A parameter of the stage.
        case parameter
        /// The seed of the run.
        case seed
        /// The definition of the search space.
        case space
        /// The bytes of a data set or of a user-supplied artifact.
        case data
        /// An input that only one of the artifacts has.
        case input
        /// The version of the program.
        case code
        /// The machine.
        case host
        /// The instruction set, the BLAS core or the number of threads.
        case engine
        /// What cannot be compared, because it is not recorded for both.
        case unknown
    }

    /// One difference between two artifacts of the same role.
    public struct Entry: Sendable, Equatable, Encodable {
        /// The stage that made the first artifact or, if no stage made it, the kind of the artifact.
        public let stage: String
        /// The numbers of the artifacts.
        public let a, b: ArtifactID
        /// What differs.
        public let subject: Subject
        /// The name of the parameter, input or property.
        public let field: String
        /// Both values, as text; nil if absent.
        public let aValue, bValue: String?

        enum CodingKeys: String, CodingKey {
            case stage, a, b, subject, field
            case aValue = "a_value"
            case bValue = "b_value"
        }
    }

    /// The artifacts.
    public let a, b: ArtifactID
    /// Whether their bytes are the same.
    public let sameBytes: Bool
    /// The number of pairs of artifacts that were compared.
    public let compared: Int
    /// The differences, those farthest upstream first.
    public let differences: [Entry]
    /// Whether the comparison stopped because it reached the limit of pairs.
    public let truncated: Bool

    enum CodingKeys: String, CodingKey {
        case a, b, compared, differences, truncated
        case sameBytes = "same_bytes"
    }

    /// Compares the lineages of two artifacts; stops after `limit` pairs of artifacts.
    public init(
        _ a: Artifact, _ b: Artifact, _ connection: Connection, limit: Int = Lineage.usualLimit
    ) throws {
        var comparison = Comparison(connection)
        var waiting = [(a, b)]
        var next = 0
        while next < waiting.count, next < limit {
            waiting += try comparison.compare(waiting[next].0, waiting[next].1)
            next += 1
        }
        (self.a, self.b) = (a.id, b.id)
        sameBytes = a.digest == b.digest
        compared = next
        truncated = next < waiting.count
        differences = comparison.entries.sorted { ($0.a, $0.b) < ($1.a, $1.b) }
    }
}

/// A comparison in progress.
private struct Comparison {
    typealias Subject = LineageDifference.Subject

    private let lineage: Lineage
    private let queue: JobQueue
    /// The pairs of attempts and of user-supplied artifacts that were compared.
    private var seen: Set<[Int64]> = []
    private(set) var entries: [LineageDifference.Entry] = []

    init(_ connection: Connection) {
        lineage = Lineage(connection)
        queue = JobQueue(connection)
    }

    /// Compares two artifacts, and returns the pairs of their inputs.
    mutating func compare(_ a: Artifact, _ b: Artifact) throws -> [(Artifact, Artifact)] {
        func add(_ subject: Subject, _ field: String, _ one: String?, _ other: String?) {
            guard one != other else { return }
            entries.append(
                LineageDifference.Entry(
                    stage: a.producer?.stage ?? a.kind, a: a.id, b: b.id, subject: subject,
                    field: field, aValue: one, bValue: other))
        }
        guard let first = a.producer, let second = b.producer else {
            guard a.id != b.id, seen.insert([-a.id.rawValue, -b.id.rawValue]).inserted else {
                return []
            }
            if a.producer != nil || b.producer != nil {
                add(.stage, "stage", a.producer?.stage, b.producer?.stage)
            }
            add(.data, "bytes of \(a.kind)", a.digest.hex, b.digest.hex)
            return []
        }
        let isOfImages = [ArtifactRole.dataset, .testImages].map(\.rawValue).contains(a.kind)
        // Several paths may lead to the same data set.
        if isOfImages, seen.insert([0, a.id.rawValue, b.id.rawValue]).inserted {
            add(.data, "bytes of \(a.kind)", a.digest.hex, b.digest.hex)
        }
        // One attempt may make several artifacts.
        guard first.token != second.token, seen.insert([first.token, second.token]).inserted else {
            return []
        }
        for part in try differences(first.job, second.job) {
            add(part.subject, part.field, part.one, part.other)
        }
        let (here, there) = (try Provenance.of(a), try Provenance.of(b))
        if let here, let there {
            add(.code, "code", here.code?.word, there.code?.word)
            add(.host, "host", here.host, there.host)
            add(.engine, "instruction set", here.instructionSet, there.instructionSet)
            add(.engine, "BLAS core", here.blasCore, there.blasCore)
            add(.engine, "threads", "\(here.threads)", "\(there.threads)")
        } else {
            // Artifacts of an older ofa have no such record.
            add(
                .unknown, "code, host and engine", here.map { _ in "recorded" },
                there.map { _ in "recorded" })
        }
        var pairs: [(Artifact, Artifact)] = []
        for match in try matched(a, b) {
            if let one = match.one, let other = match.other {
                pairs.append((one, other))
            } else {
                add(.input, match.role, Self.name(match.one), Self.name(match.other))
            }
        }
        return pairs
    }

    private static func name(_ artifact: Artifact?) -> String? {
        artifact.map { "\($0.kind) \($0.name) #\($0.id)" }
    }

    /// A difference between the arguments of two jobs.
    private typealias Part = (subject: Subject, field: String, one: String?, other: String?)

    private func differences(_ a: JobID, _ b: JobID) throws -> [Part] {
        let (one, other) = (try arguments(a), try arguments(b))
        guard let one, let other else {
            return [
                (
                    .unknown, "parameters", one == nil ? "job \(a) is unknown" : nil,
                    other == nil ? "job \(b) is unknown" : nil
                )
            ]
        }
        var parts: [Part] = []
        if one.kind != other.kind {
            parts.append((.stage, "kind", one.kind.rawValue, other.kind.rawValue))
        } else {
            let (here, there) = (
                try Self.flat(one.parameters), try Self.flat(other.parameters)
            )
            for field in Set(here.keys).union(there.keys).sorted()
            where here[field] != there[field] {
                parts.append((.parameter, field, here[field], there[field]))
            }
        }
        if one.seed != other.seed { parts.append((.seed, "seed", "\(one.seed)", "\(other.seed)")) }
        if let change = try one.space.difference(from: other.space) {
            parts.append(
                (.space, "space", one.space.name, "\(other.space.name); the first: \(change)"))
        }
        return parts
    }

    private func arguments(_ job: JobID) throws -> StageArguments? {
        try queue.arguments(of: job).map { try StageArguments.read($0, of: "job \(job)") }
    }

    /// Returns the values of a stage's parameters by path, such as `optimizer.momentum`.
    private static func flat(_ parameters: StageParameters) throws -> [String: String] {
        var values: [String: String] = [:]
        func add(_ node: JSONNode, _ path: [String]) {
            switch node {
            case .object(let members): for one in members { add(one.value, path + [one.key]) }
            case .list(let list):
                let texts = list.map(Self.text)
                values[path.joined(separator: ".")] = "[\(texts.joined(separator: ", "))]"
            default: values[path.joined(separator: ".")] = Self.text(node)
            }
        }
        // The outer keys are the kind of the stage and the name that Codable gives its value.
        guard case .object(let kinds) = try JSONNode(JSONText.encode(parameters)) else {
            return [:]
        }
        for kind in kinds {
            add(kind.value["_0"] ?? kind.value, [])
        }
        return values
    }

    private static func text(_ node: JSONNode) -> String {
        switch node {
        case .text(let text): text
        case .number(let digits): digits
        case .flag(let flag): "\(flag)"
        case .null: "null"
        case .list(let list): "[\(list.map(text).joined(separator: ", "))]"
        case .object(let members):
            "{\(members.map { "\($0.key): \(text($0.value))" }.joined(separator: ", "))}"
        }
    }

    /// An input of each of two artifacts, in the same role; nil if only one has it.
    private struct Match {
        let role: String
        let one, other: Artifact?
    }

    /// Returns the inputs of two artifacts, matched by role and, within a role, by their order. Shards of data sets
    /// are left out: the data set names their digests.
    private func matched(_ a: Artifact, _ b: Artifact) throws -> [Match] {
        func inputs(_ artifact: Artifact) throws -> [String: [Artifact]] {
            Dictionary(
                grouping: try lineage.inputs(
                    of: artifact, hidden: ArtifactRole.datasetShard.rawValue), by: \.role
            ).mapValues { $0.map(\.artifact) }
        }
        let (here, there) = (try inputs(a), try inputs(b))
        var matches: [Match] = []
        for role in Set(here.keys).union(there.keys).sorted() {
            let (ones, others) = (here[role] ?? [], there[role] ?? [])
            for place in 0..<max(ones.count, others.count) {
                matches.append(
                    Match(
                        role: role, one: ones.dropFirst(place).first,
                        other: others.dropFirst(place).first))
            }
        }
        return matches
    }
}
