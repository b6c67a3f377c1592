// ofa-bench metrics: what it costs to record the metrics of a training, and how long a plot of a million rows takes.
import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// Fills a database with rows of metrics and reads them as `ofa plot training` does, using a private PostgreSQL.
struct MetricsBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Times the recording of metrics, and the plot of many rows.",
        discussion: """
            The rows are those of one run with several stages; a tenth of each stage's steps was trained twice. The \
            PostgreSQL is the benchmark's own. \
            Example: ofa-bench metrics --rows 1000000 --stages 4
            """)

    /// The number of rows.
    @Option(help: "Rows of metrics.") var rows = 1_000_000
    /// The number of stages that share the rows.
    @Option(help: "Stages that share the rows.") var stages = 4
    /// The number of plots to time.
    @Option(help: "Plots to time.") var rounds = 5
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard (1000...100_000_000).contains(rows), (1...100).contains(stages),
            (1...1000).contains(rounds)
        else { throw ValidationError("--rows, --stages and --rounds are in range") }
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        let report = try MetricsRounds(self, url: try server.database()).run()
        guard !json else {
            return try Output.json(Headline(unit: "plots/s", rate: 1 / report.plotSeconds), report)
        }
        for line in report.lines { try Output.line(line) }
    }
}

/// The results.
struct MetricsReport: Encodable {
    /// The rows written, and the rows that a plot leaves out because their steps were trained again.
    let rows, trainedAgain: Int
    /// The median seconds of reading and drawing a plot, and of reading alone.
    let plotSeconds, readSeconds: Double
    /// The points of a plot, and the bytes of its SVG.
    let points, svgBytes: Int
    /// The bytes that a row takes in the database, with its index.
    let bytesPerRow: Double
    /// The median microseconds of writing one row, on one connection to this machine's server.
    let writeMicroseconds: Double
    /// The percentage of a core that two rows a second take, which is the rate of a training.
    let percentOfTraining: Double

    /// The report as text.
    var lines: [String] {
        [
            String(
                format:
                    "%d rows in %d points: plot %.3f s, of which reading %.3f s; %d bytes of SVG",
                rows, points, plotSeconds, readSeconds, svgBytes),
            String(
                format: "%.0f bytes a row; %d rows were trained again and are left out",
                bytesPerRow, trainedAgain),
            String(
                format: "a row is written in %.0f µs: at two a second, %.3f %% of a core",
                writeMicroseconds, percentOfTraining),
        ]
    }
}

/// One run whose stages have recorded metrics.
private struct MetricsRounds {
    private let options: MetricsBench
    private let queue: JobQueue
    private let clock = ContinuousClock()
    private static let size = Statement(
        name: "BenchMetricsSize",
        sql: """
            select sum(pg_total_relation_size(inhrelid))::bigint as bytes from pg_inherits
            where inhparent = 'ofa.training_metrics'::regclass
            """)

    init(_ options: MetricsBench, url: String) throws {
        self.options = options
        queue = JobQueue(try Connection(url: url, applicationName: "ofa-bench"))
    }

    func run() throws -> MetricsReport {
        let names = (1...options.stages).map { "phase\($0)" }
        let run = try queue.enqueue(
            RunSpec(
                name: "bench", definition: "bench", definitionHash: "bench",
                stages: names.map { StageSpec(name: $0, job: JobSpec(kind: "train", args: "{}")) }))
        let session = try queue.openSession(name: "bench", ttlSeconds: 86_400)
        let each = options.rows / options.stages
        // A stage's first attempt trains 10/11 of the rows; the second one trains its last tenth again, and one more.
        let whole = each * 10 / 11, again = each - whole
        for lease in try claimAll(session) {
            try write(lease, from: 0, rows: whole)
            _ = try queue.release(lease, reason: "bench")
        }
        for lease in try claimAll(session) {
            try write(lease, from: whole - again, rows: again)
            _ = try queue.complete(lease, result: "{}")
        }
        let single = try singleWrites(session)
        try queue.connection.script("analyze ofa.training_metrics")
        let bytes = try queue.connection.queryOne(Self.size).int("bytes")
        var plots: [Double] = [], reads: [Double] = [], points = 0, svg = 0
        for _ in 0..<options.rounds {
            let began = clock.now
            let curves = try queue.trainingCurves(run: run, points: 1000)
            reads.append((clock.now - began) / .seconds(1))
            svg = TrainingPlot(curves, title: "bench").svg.utf8.count
            plots.append((clock.now - began) / .seconds(1))
            points = curves.reduce(0) { $0 + $1.points.count }
        }
        return MetricsReport(
            rows: each * options.stages, trainedAgain: again * options.stages,
            plotSeconds: Statistics(plots).median,
            readSeconds: Statistics(reads).median, points: points, svgBytes: svg,
            bytesPerRow: Double(bytes) / Double(each * options.stages),
            writeMicroseconds: 1e6 * single, percentOfTraining: 100 * 2 * single)
    }

    /// Returns leases of the jobs of all stages.
    private func claimAll(_ session: Session) throws -> [Lease] {
        try (0..<options.stages).map { _ in
            guard let lease = try queue.claim(session, kinds: ["train"]).first else {
                throw BenchError("a job of the benchmark was not claimed")
            }
            return lease
        }
    }

    private func row(_ number: Int) -> StepMetrics {
        StepMetrics(
            firstStep: number * 20 + 1, lastStep: number * 20 + 20, skipped: 0, networks: 20,
            images: 1280, seconds: 0.5, learningRate: 0.1, loss: 2 / (1 + Double(number)),
            distillationLoss: 1, accuracy: 0.5, gradientNorm: 1)
    }

    /// Writes rows in batches.
    private func write(_ lease: Lease, from first: Int, rows: Int) throws {
        for start in stride(from: 0, to: rows, by: 5000) {
            let numbers = first + start..<first + min(start + 5000, rows)
            try queue.record(lease, TrainingRows(steps: numbers.map(row)))
        }
    }

    /// Returns the median seconds of writing one row in a statement of its own, as the lease keeper does.
    private func singleWrites(_ session: Session) throws -> Double {
        _ = try queue.enqueue(
            RunSpec(
                name: "single", definition: "bench", definitionHash: "single",
                stages: [StageSpec(name: "train", job: JobSpec(kind: "train", args: "{}"))]))
        guard let lease = try queue.claim(session, kinds: ["train"]).first else {
            throw BenchError("the benchmark's job was not claimed")
        }
        return Statistics(
            try (0..<500).map { number in
                let began = clock.now
                try queue.record(lease, TrainingRows(steps: [row(number)]))
                return (clock.now - began) / .seconds(1)
            }
        ).median
    }
}
