// `ofa worker`: executes jobs of the queue until the worker is drained.

import ArgumentParser
import Dashboard
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// Executes jobs of the queue.
struct WorkerCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Execute jobs of the queue, of all runs.",
        discussion: """
            The slots share one budget: jobs run at the same time only if the processors and megabytes that they reserve \
            (threads and memory_mb of their stages) fit into it. A stage that reserves no processors gets its slot's \
            share of them. A stage that reserves more than this worker has waits for a larger worker.

            SIGTERM and Ctrl-C drain the worker: running jobs end, or save a checkpoint and are released. A second \
            signal kills the worker; other workers take its jobs when its leases have expired.

            Each stage that starts here and each run that fails is a line on standard error. The exit code is that of \
            the worker itself: 0 if it ended as requested, even if jobs failed.

            A process is one worker. It has two connections, and one more for each slot whose stage reads or writes. \
            --metrics-port serves what this process does to Prometheus, at /metrics; ofa serve has what all workers do.

            --offers names capabilities of this machine for stages that require them (requires: in a pipeline).

            Example:
              ofa worker --slots 2 --kinds sample-accuracy,materialise
              ofa worker --slots 4 --threads 8 --memory-mb 16000 --limit train=1
              ofa worker --offers gpu,device:my-board --lease 60
              ofa worker --until-idle
              ofa worker --log-format json --metrics-port 9464
            """)

    /// The number of jobs that run at the same time.
    @Option(
        help: "Concurrent jobs; they share this machine's cores.", transform: Number.whole(1...64))
    var slots = 1
    /// The only kinds of stages to execute, separated by commas; nil for all kinds.
    @Option(
        help: "Only stages of these kinds, separated by commas; by default all.",
        completion: .stageKinds)
    var kinds: String?
    /// The resource limits and settings of this process's worker.
    @OptionGroup var host: HostOptions
    /// How lines on standard error look.
    @OptionGroup var log: LogOptions
    /// Where metrics are served.
    @OptionGroup var metrics: MetricsOptions
    /// Whether to end when idle.
    @Flag(help: "End when no work is left.") var untilIdle = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private var kindList: [String]? {
        kinds.map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// Refuses unknown kinds.
    mutating func validate() throws {
        let known = StageKind.allCases.map(\.rawValue)
        for kind in kindList ?? [] where !known.contains(kind) {
            throw ValidationError(
                "--kinds names '\(kind)'", remedy: NearestName.remedy(kind, known: known))
        }
    }

    /// Runs until the worker is drained, or with `--until-idle` until no work is left.
    mutating func run() throws {
        let room = try host.room(slots: slots)
        let url = try database.url()
        let connection = try database.connect(url)
        let teller = QueueTeller()
        var port: MetricsPort?
        defer { port?.stop() }
        let session = try WorkSession(
            databaseURL: url, connection: connection, room: room, kinds: kindList,
            untilIdle: untilIdle, told: { teller.hear($0) },
            beforeStart: { port = try metrics.serve($0, $1) })
        // The worker has its own connections; `connection` was only for the start.
        connection.close()
        let connect = { [database] in try database.connect(url) }
        try session.withSignals {
            Output.note(
                "working \(kindList?.joined(separator: ", ") ?? "every kind of stage") on \(slots) slots, \(room.threads) processors and \(room.memoryMB) MB; Ctrl-C drains"
            )
            while !session.wait(seconds: 0.5) {
                // If the database is unreachable, the next iteration of the loop tries to report again.
                do { try teller.tell(connect: connect) } catch let error as PostgresError
                    where error.isConnectionLoss
                {}
            }
        }
        session.sendEvents()
        let wasAsked = session.isDraining
        try teller.tell(isLast: true, connect: connect)
        let summary = Summary(
            runs: teller.seen.sorted(), failed: try teller.failed(connect).sorted(),
            drained: wasAsked)
        try Output.answer(summary, output) {
            Output.note(wasAsked ? "drained" : "nothing is left to do")
        }
        if let failure = session.failure {
            throw CommandFailure.failed("a worker stopped: \(failure)")
        }
    }

    /// The JSON answer at the end.
    private struct Summary: Encodable {
        /// The runs of the jobs that the worker started.
        let runs: [RunID]
        /// The failed runs among `runs`.
        let failed: [RunID]
        /// Whether the worker was drained.
        let drained: Bool
    }
}
