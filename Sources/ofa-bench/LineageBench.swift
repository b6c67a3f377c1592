// LineageBench: times the commands of `ofa lineage` on a graph with a million edges.
import ArgumentParser
import Foundation
import Postgres

/// Fills a database with a lineage and times commands that read it.
struct LineageBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "lineage",
        abstract: "Times ofa lineage up, down and why on a lineage with many edges.",
        discussion: """
            Four fifths of the edges connect random artifacts, five inputs each; the others are a chain of 5,000, an \
            artifact that many attempts read, and an attempt that read all of their outputs.

            Example: ofa-bench lineage --edges 1000000
            """)

    /// The approximate number of edges.
    @Option(help: "Edges of the lineage.") var edges = 1_000_000
    /// How often each command is run.
    @Option(help: "Runs of each command.") var runs = 5
    /// Whether to print JSON.
    @Flag(help: "Print one JSON document.") var json = false

    /// The results.
    struct Report: Encodable {
        let edges: Int
        let fillSeconds: Double
        /// Median seconds of `ofa artifacts show`: the part of each command's time that is not spent on lineage.
        let baseSeconds: Double
        let answers: [CommandTime]
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        let url = try server.database()
        let connection = try Connection(
            url: url, applicationName: "ofa-bench", statementTimeoutSeconds: 0)
        defer { connection.close() }
        let begun = ContinuousClock.now
        let random = max(100, edges * 4 / 25), fan = max(10, edges / 10), chain = 5000
        let (top, wide) = (random + chain, random + chain + 1)
        let last = wide + fan + 1
        for step in Self.fill {
            try connection.script(
                step.replacingOccurrences(of: ":random", with: "\(random)")
                    .replacingOccurrences(of: ":top", with: "\(top)")
                    .replacingOccurrences(of: ":wide", with: "\(wide)")
                    .replacingOccurrences(of: ":last", with: "\(last)"))
        }
        let count = Statement(name: "EdgeCount", sql: "select count(*) from ofa.artifact_input")
        let made = try connection.queryOne(count).int("count")
        let filled = (ContinuousClock.now - begun) / .seconds(1)
        let questions = [
            ["up", "\(random)"], ["down", "1"], ["why", "1", "\(random)"],
            ["why", "\(random / 2)", "\(random)"],
            ["up", "\(top)"], ["down", "\(random + 1)"], ["why", "\(top - 1000)", "\(top)"],
            ["down", "\(wide)"], ["up", "\(last)"], ["why", "\(wide)", "\(wide + 7)"],
            ["why", "\(wide + 7)", "\(last)"], ["why", "\(wide)", "\(last)"],
            ["why", "\(wide)", "1"],
            ["graph", "\(random)"],
        ]
        let report = Report(
            edges: made, fillSeconds: filled,
            baseSeconds: try CommandTime(["artifacts", "show", "1"], url: url, runs: runs)
                .medianSeconds,
            answers: try questions.map { try CommandTime(["lineage"] + $0, url: url, runs: runs) })
        try print(report)
    }

    private func print(_ report: Report) throws {
        let headline = Headline(ms: report.answers.map { $0.medianSeconds * 1000 })
        if json { return try Output.json(headline, report) }
        try Output.line(
            "\(report.edges) edges, filled in \(decimal(report.fillSeconds, 0)) s; a command that only connects takes"
                + " \(decimal(report.baseSeconds * 1000, 0)) ms")
        var table = Table(text: ["COMMAND"], numbers: ["MS", "MEDIAN"])
        for answer in report.answers {
            table.rows.append([
                answer.command, decimal(answer.seconds * 1000, 0),
                decimal(answer.medianSeconds * 1000, 0),
            ])
        }
        try table.print()
    }

    /// The statements that fill the database.
    private static let fill = [
        """
        set synchronous_commit = off;
        insert into ofa.artifact (kind, name, role, digest, metadata, run_id, job_id, token, stage)
        select case when i < :wide then 'supernet' else 'dataset' end, 'a-' || i, 'x', sha256(i::text::bytea),
          json_build_object('space', 'fashion-mbv3', 'note', repeat('x', 400)), i, i, i, 'train'
        from generate_series(1, :last) i
        """,
        """
        select setseed(0.5);
        insert into ofa.artifact_input (token, artifact_id, role)
        select i, 1 + floor(random() * (i - 1))::bigint, 'supernet'
        from generate_series(2, :random) i, generate_series(1, 5) on conflict do nothing
        """,
        """
        insert into ofa.artifact_input (token, artifact_id, role)
        select i, i - 1, 'from' from generate_series(:random + 2, :top) i
        union all select i, :wide, 'dataset' from generate_series(:wide + 1, :last - 1) i
        union all select :last, i, 'part' from generate_series(:wide + 1, :last - 1) i
        """, "vacuum analyze",
    ]
}
