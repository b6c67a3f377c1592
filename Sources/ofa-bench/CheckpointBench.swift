// ofa-bench checkpoints: measures how much checkpoints slow a training, and how much the database grows.
import ArgumentParser
import Artifacts
import Datasets
import Foundation
import Jobs
import Metering
import Networks
import Pipelines
import Postgres
import Tensors
import Training

/// Trains alternately with and without checkpoints, using a private PostgreSQL.
struct CheckpointBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "checkpoints",
        abstract: "Trains in turns with and without checkpoints; prints their cost.",
        discussion: """
            The images are generated, and the PostgreSQL is the benchmark's own. The turns alternate, so that slow \
            phases of a shared machine affect both kinds alike; the interval between checkpoints counts only the time of \
            turns with checkpoints. \
            Example: ofa-bench checkpoints --minutes 20 --turn-seconds 60
            """)

    /// The search space.
    @Option(help: "The search space.") var space = "ofa-mbv3-w1.0"
    /// The total duration in minutes.
    @Option(help: "Minutes in all, half of them with checkpoints.") var minutes = 20.0
    /// The minimum seconds between checkpoints, like `checkpoint_seconds` in a pipeline file.
    @Option(help: "As checkpoint_seconds of a pipeline.") var checkpointSeconds = 20.0
    /// The seconds of a turn: a period of training with checkpoints, or one without.
    @Option(help: "Seconds of a turn.") var turnSeconds = 60.0
    /// Height and width of the images.
    @Option(help: "Height and width of the images, in pixels.") var resolution = 128
    /// The number of images of a training step.
    @Option(help: "Images of a step.") var batch = 32
    /// Threads of the training.
    @Option(help: "Threads of the training.") var threads = MachineLimits.current().processors
        .value
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard minutes > 0, minutes <= 10_000, checkpointSeconds >= 0, turnSeconds > 0,
            (8...1024).contains(resolution), (1...1024).contains(batch), (1...256).contains(threads)
        else {
            throw ValidationError("--minutes and --turn-seconds are above 0, the others in range")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        let report = try CheckpointTurns(self, url: try server.database()).run()
        guard !json else {
            return try Output.json(
                Headline(unit: "images/s", rate: report.withCheckpoints), report)
        }
        for line in report.lines { try Output.line(line) }
    }
}

/// The results.
struct CheckpointReport: Encodable {
    /// Images per second in turns with and without checkpoints.
    let withCheckpoints, without: Double
    /// The percentage by which the training is slower with checkpoints.
    let slowerPercent: Double
    /// The number of checkpoints saved during the turns.
    let checkpoints: Int
    let seconds: Double
    /// Bytes by which the first checkpoint made the database grow: the checkpoint's chunks, with rows, pages and index.
    let checkpointBytes: Int
    /// The largest growth of the database during the benchmark, in bytes.
    let grownBytes: Int
    /// `grownBytes` as a multiple of `checkpointBytes`.
    let grownCheckpoints: Double
    /// The seconds that saving the last checkpoint took, and the minimum seconds between the starts of two checkpoints.
    let lastSeconds, intervalSeconds: Double

    /// The report as text.
    var lines: [String] {
        [
            String(
                format: "with checkpoints %.2f images/s, without %.2f: %.2f %% slower",
                withCheckpoints, without, slowerPercent),
            String(
                format:
                    "%d checkpoints of %.1f MB in %.0f s; the last took %.2f s, one every %.1f s",
                checkpoints, Double(checkpointBytes) / 1e6, seconds, lastSeconds, intervalSeconds),
            String(
                format: "the database grew by %.1f MB: %.2f checkpoints", Double(grownBytes) / 1e6,
                grownCheckpoints),
        ]
    }
}

/// One training and its job. The training runs in alternating turns, with and without checkpoints.
private struct CheckpointTurns {
    /// The total seconds and steps of all turns with checkpoints, or of all turns without.
    private struct Turns {
        var seconds = 0.0, steps = 0
    }

    private let options: CheckpointBench
    private let connection: Connection
    private let trainer: Trainer
    private let writer: CheckpointWriter
    private let clock = ContinuousClock()
    private static let size = Statement(
        name: "BenchDatabaseSize", sql: "select pg_database_size(current_database()) as bytes")

    init(_ options: CheckpointBench, url: String) throws {
        self.options = options
        connection = try Connection(url: url, applicationName: "ofa-bench")
        let queue = JobQueue(connection)
        _ = try queue.enqueue(
            RunSpec(
                name: "bench", definition: "bench", definitionHash: "bench",
                stages: [StageSpec(name: "train", job: JobSpec(kind: "train", args: "{}"))]))
        let session = try queue.openSession(name: "bench", ttlSeconds: 86_400)
        guard let lease = try queue.claim(session, kinds: ["train"]).first else {
            throw BenchError("the benchmark's job was not claimed")
        }
        writer = CheckpointWriter(
            lease, like: connection, everySeconds: options.checkpointSeconds, isCancelled: { false }
        )
        trainer = try Self.trainer(options)
    }

    private static func trainer(_ options: CheckpointBench) throws -> Trainer {
        let space = try SearchSpace.named(options.space)
        let count = 4 * options.batch, size = options.resolution
        var stream = RandomStream(seed: 1)
        let pixels = (0..<count * size * size * 3).map { _ in UInt8(stream.below(256)) }
        let path = FileManager.default.temporaryDirectory.appending(
            path: "ofa-bench-\(UUID().uuidString)"
        ).path
        try ImageShard.write(
            path, images: pixels, labels: (0..<count).map { UInt8($0 % 100) },
            layout: .init(count: count, height: size, width: size, channels: 3, classes: 100))
        // The file stays mapped after `unlink`.
        defer { unlink(path) }
        let normalization = PixelNormalization(
            mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25])
        let data = TrainingData(
            BatchLoader(try ImageShard(path), normalization: normalization),
            images: Array(0..<count))
        let phase = TrainingPhase(
            name: "full", kernelSizes: space.kernelSizes.suffix(1),
            expandRatios: space.expandRatios.suffix(1), depths: space.depths.suffix(1),
            widths: space.widthGenes.map(\.count).max().map { [$0 - 1] } ?? [], resolutions: [size],
            epochs: 10_000, batch: options.batch, learningRate: 1e-4)
        return try Trainer(
            try Network(
                supernet: try Weights(supernetOf: space, seed: 1), of: space,
                engine: try CPUEngine(threads: options.threads)),
            of: space, phase: phase, teacher: nil, data: data, seed: 1)
    }

    private func bytes(_ statement: Statement) throws -> Int {
        try connection.queryOne(statement).int("bytes")
    }

    func run() throws -> CheckpointReport {
        for _ in 0..<3 { _ = try trainer.trainStep() }
        let before = try bytes(Self.size)
        var largest = before, saved = 0, sinceSave = Duration.zero
        // The first checkpoint is saved before the turns, to measure how much it grows the database.
        try writer.begin(trainer, name: "training", payload: "{}")
        try writer.finish()
        let each = try bytes(Self.size) - before
        var turns = [Turns(), Turns()]
        let end = clock.now + .seconds(options.minutes * 60)
        var kind = 0
        while clock.now < end {
            let turnEnd = clock.now + .seconds(options.turnSeconds)
            let isSaving = kind == 0
            while true {
                let began = clock.now
                // A turn with checkpoints ends after its last checkpoint is saved, so that the cost of that checkpoint
                // is included.
                if try began >= turnEnd && !(isSaving && writer.isBusy()) { break }
                _ = try trainer.trainStep()
                if isSaving, began < turnEnd, try !writer.isBusy(), sinceSave >= writer.interval {
                    try writer.begin(trainer, name: "training", payload: "{}")
                    saved += 1
                    sinceSave = .zero
                }
                let took = clock.now - began
                if isSaving { sinceSave += took }
                turns[kind].seconds += took / .seconds(1)
                turns[kind].steps += 1
            }
            largest = max(largest, try bytes(Self.size))
            Output.note("\(saved) checkpoints, \(turns.map(\.steps)) steps")
            kind = 1 - kind
        }
        try writer.finish()
        let rates = turns.map { Double($0.steps * options.batch) / max($0.seconds, 1e-9) }
        return CheckpointReport(
            withCheckpoints: rates[0], without: rates[1],
            slowerPercent: 100 * (1 - rates[0] / rates[1]), checkpoints: saved,
            seconds: turns[0].seconds, checkpointBytes: each, grownBytes: largest - before,
            grownCheckpoints: Double(largest - before) / Double(max(each, 1)),
            lastSeconds: writer.lastTook / .seconds(1),
            intervalSeconds: writer.interval / .seconds(1))
    }
}
