// `ofa lineage diff` compares the lineages of two artifacts; `ofa lineage why` finds the path from one to another.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Pipelines
import Postgres

/// Compares the lineages of two artifacts.
struct LineageDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract:
            "Shows what differs upstream of two artifacts: parameters, seeds, data, code, machine.",
        discussion: """
            Inputs are matched by role, up to the data sets. The exit code is 0 if nothing differs, else 2: also if \
            only the bytes differ, or if something is not recorded for both.

            Example:
              ofa lineage diff 12 29
            """)

    @Argument(help: "The first artifact, by number, name or digest.", completion: .artifacts)
    var first: String
    @Argument(help: "The second artifact.", completion: .artifacts)
    var second: String
    @Option(help: "Pairs of artifacts compared at most.", transform: Number.whole(1...1_000_000))
    var limit = Lineage.usualLimit
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let a = try ArtifactsCommand.find(first, connection)
        let b = try ArtifactsCommand.find(second, connection)
        let found = try LineageDifference(a, b, connection, limit: limit)
        try Output.answer(found, output) { try print(found, a, b) }
        if !found.differences.isEmpty || !found.sameBytes || found.truncated { throw ExitCode(2) }
    }

    private func print(_ found: LineageDifference, _ a: Artifact, _ b: Artifact) throws {
        for (artifact, word) in [(a, "first"), (b, "second")] {
            try Output.line("\(word): \(artifact.kind) \(artifact.name)  #\(artifact.id)")
        }
        try Output.line(found.sameBytes ? "their bytes are the same" : "their bytes differ")
        if found.truncated {
            try Output.line("only \(found.compared) pairs were compared: raise --limit")
        }
        guard !found.differences.isEmpty else {
            return try Output.line(
                a.id == b.id ? "they are the same artifact" : "no difference is recorded upstream")
        }
        var table = Table(
            .text("STAGE"), .text("WHAT"), .text("FIELD"), .text("FIRST"), .text("SECOND"),
            .text("ARTIFACTS", .low))
        table.rows = found.differences.map { one in
            [
                one.stage, one.subject.rawValue, one.field, one.aValue ?? "-", one.bValue ?? "-",
                "\(one.a), \(one.b)",
            ]
        }
        try Output.table(table)
    }
}

/// Finds the shortest paths from an artifact to a descendant.
struct LineageWhy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Shows how an artifact led to another: the shortest path between them.",
        discussion: """
            The exit code is 2 if the second artifact was not made from the first.

            Example:
              ofa lineage why 1 17
            """)

    @Argument(help: "The ancestor, by number, name or digest.", completion: .artifacts)
    var ancestor: String
    @Argument(help: "The descendant.", completion: .artifacts)
    var descendant: String
    @Option(help: "Paths shown at most, all equally short.", transform: Number.whole(1...1000))
    var paths = 1
    @Option(help: "Artifacts read at most.", transform: Number.whole(1...100_000_000))
    var limit = Lineage.usualReach
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    /// The JSON answer.
    struct Answer: Encodable {
        /// An artifact of the path. `role` is the role in which the attempt that made the path's next artifact read
        /// this artifact; nil for the last artifact.
        struct Step: Encodable {
            let artifact: Int64
            let kind, name, digest: String
            let stage: String?
            let role: String?
        }

        let from, to: Int64
        /// The number of edges of a path.
        let length: Int
        /// The number of paths of this length.
        let shortest_paths: Int
        /// Whether there may be more: among thousands of paths the search stops to count.
        let or_more: Bool
        let paths: [[Step]]
    }

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let from = try ArtifactsCommand.find(ancestor, connection)
        let to = try ArtifactsCommand.find(descendant, connection)
        let lineage = Lineage(connection)
        guard
            let found = try lineage.paths(from: from.id, to: to.id, most: paths, reach: limit)
        else {
            // The answer is known; the search for the reverse only adds to it.
            let isReversed: Bool
            do {
                isReversed = try lineage.paths(from: to.id, to: from.id, reach: limit) != nil
            } catch let error as ArtifactsError where error.code == .tooLarge {
                isReversed = false
            }
            throw CommandFailure.notTrue(
                "artifact \(to.id) (\(to.name)) was not made from artifact \(from.id) (\(from.name))",
                remedy: isReversed
                    ? "it is the other way round: ofa lineage why \(to.id) \(from.id)"
                    : "ofa lineage up \(to.id) shows what it was made from")
        }
        let answer = Answer(
            from: from.id.rawValue, to: to.id.rawValue, length: found.paths[0].count,
            shortest_paths: found.count, or_more: found.isCountOpen,
            paths: found.paths.map { steps($0, found, to) })
        try Output.answer(answer, output) { try print(answer) }
    }

    private func steps(
        _ path: [LineageGraph.Edge], _ found: LineagePaths, _ last: Artifact
    ) -> [Answer.Step] {
        func step(_ artifact: Artifact, _ role: String?) -> Answer.Step {
            Answer.Step(
                artifact: artifact.id.rawValue, kind: artifact.kind, name: artifact.name,
                digest: artifact.digest.hex, stage: artifact.producer?.stage, role: role)
        }
        return path.compactMap { edge in
            found.artifacts[edge.input].map { step($0, edge.role) }
        } + [step(last, nil)]
    }

    private func print(_ answer: Answer) throws {
        var lines: [String] = []
        for path in answer.paths {
            var role: String?
            for step in path {
                let arrow = role.map { "└─ \($0): " } ?? ""
                let origin = step.stage.map { "by \($0)" } ?? "user-supplied"
                let what = "\(step.kind) \(step.name)  #\(step.artifact)"
                lines.append(
                    Shown.line("\(arrow)\(what) \(step.digest.prefix(12))  (\(origin))"))
                role = step.role
            }
        }
        try Output.wrapped(lines.joined(separator: "\n"))
        let rest = answer.shortest_paths - answer.paths.count
        if rest > 0 {
            Output.note(
                (answer.or_more ? "at least " : "") + "\(Format.grouped(rest)) more of"
                    + " \(answer.length) steps: --paths shows them")
        }
    }
}
