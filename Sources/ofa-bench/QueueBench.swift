// ofa-bench queue: measures throughput and latency of the queue, and with --peer the throughput of
// published queues on the same server.
import ArgumentParser
import Foundation
import Jobs
import Postgres

/// Times enqueuing, draining, job start and fan-in.
struct QueueBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract:
            "Times the queue: drain, latency, fan-in, WAL; with --peer also published queues.",
        discussion: """
            Starts its own PostgreSQL (commits are synchronous), with a new database for each round. \
            The drain runs real workers with handlers that do nothing; every attempt and result is kept. --peer runs \
            queue_drain.py of OFA_PEERS on the same server in turn; it needs pgqueuer, procrastinate, asyncpg and psycopg.

            Example: ofa-bench queue --jobs 20000 --workers 3 --batch 1000 --peer
            ofa-bench queue --stages --jobs 20000 --workers 4; ofa-bench queue --idle 200
            """)

    /// The number of jobs of a drain, in which workers execute all jobs of a filled queue.
    @Option(help: "Jobs of a drain.") var jobs = 20_000
    /// The number of workers of a drain.
    @Option(help: "Workers that drain, each with a connection of its own.") var workers = 3
    /// The maximum number of jobs per claim.
    @Option(help: "Jobs that a worker claims and ends at once, at most.") var batch = 1000
    /// Bytes of a job's arguments.
    @Option(help: "Bytes of a job's arguments.") var payload = 2
    /// The number of rounds of our queue, and of each peer.
    @Option(help: "Rounds, ours and the peer's in turn.") var rounds = 3
    /// The number of child jobs of the fan-in, after which one continuation runs.
    @Option(help: "Children of the fan-in.") var children = 10_000
    /// The number of jobs of the latency measurement.
    @Option(help: "Jobs of the latency measurement, one at a time.") var samples = 200
    /// Seconds of a drain while another connection holds an old snapshot open; 0 skips this measurement.
    @Option(help: "Seconds of a drain with and without an old snapshot held open; 0 leaves it out.")
    var heldSeconds = 0.0

    /// The number of jobs whose dead rows already exist when the drain with an old snapshot starts.
    @Option(help: "Jobs whose dead rows exist when that drain starts.")
    var heldDead = 0
    /// Seconds of training while heartbeats are timed; 0 skips this measurement.
    @Option(
        help:
            "Seconds for which a job trains on every core while heartbeats are timed; 0 leaves it out."
    )
    var heartbeatSeconds = 0.0
    /// The number of workers to kill.
    @Option(help: "Workers that are killed while they hold a job; 0 leaves it out.") var crashes = 0
    /// Whether to measure only the drain of pipeline stages.
    @Flag(
        help:
            "Drain stages with the production handler instead: --jobs without an artifact, then as many with one each."
    ) var stages = false
    /// The number of idle processes to observe; if it is not 0, nothing else is measured.
    @Option(help: "Observe this many idle processes with 8 slots each instead; 0 leaves it out.")
    var idle = 0
    /// The observation time of idle processes.
    @Option(help: "Seconds for which idle processes are observed.") var idleSeconds = 60.0
    /// Whether to run the peers.
    @Flag(help: "Run the published queues in turn, on the same server.") var peer = false
    /// The names of the published queues to run.
    @Option(help: "pgqueuer, procrastinate or all.") var peers = "pgqueuer"
    /// The number of attempts in a database that is filled to time commands; if it is not 0, nothing else is measured.
    @Option(
        help:
            "Only fill a database with this many metered attempts, such as 1000000, and time commands that read it."
    )
    var age = 0
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.") var json =
        false

    /// Refuses invalid options.
    func validate() throws {
        for (name, value, range) in [
            ("jobs", jobs, 1...10_000_000), ("workers", workers, 1...64),
            ("batch", batch, 1...10_000), ("payload", payload, 2...1_000_000),
            ("rounds", rounds, 1...100), ("children", children, 1...1_000_000),
            ("samples", samples, 1...100_000), ("crashes", crashes, 0...1000),
            ("age", age, 0...100_000_000), ("idle", idle, 0...2000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in \(range)")
        }
        for (name, value) in [
            ("held-seconds", heldSeconds), ("heartbeat-seconds", heartbeatSeconds),
            ("idle-seconds", idleSeconds),
        ] where !(0...3600).contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in 0...3600")
        }
        guard ["pgqueuer", "procrastinate", "all"].contains(peers) else {
            throw ValidationError("--peers is \(peers); it is pgqueuer, procrastinate or all")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        if stages { return try drainStages() }
        if idle > 0 { return try watchIdle() }
        let script = peer ? try Peer.find("queue_drain.py") : nil
        let server = try QueueServer()
        defer { server.stop() }
        if age > 0 {
            return try QueueAge(attempts: age, url: try server.database()).run().print(json: json)
        }
        var report = QueueReport(jobs: jobs, workers: workers, batch: batch, payload: payload)
        for round in 1...rounds {
            Output.note("round \(round) of \(rounds): ours")
            let database = try server.database()
            report.ours.append(
                try QueueDrain(
                    url: database, jobs: jobs, workers: workers, batch: batch, payload: payload
                ).run())
            if let script {
                Output.note("round \(round) of \(rounds): \(peers)")
                for line in try QueuePeer(script: script, peers: peers).drain(server, jobs: jobs) {
                    report.peers[line.peer, default: []].append(line)
                }
            }
        }
        Output.note("latency and fan-in")
        report.latency = try QueueLatency(url: try server.database(), samples: samples).run()
        report.fanIn = try QueueFanIn(
            url: try server.database(), children: children, workers: workers, batch: batch
        ).run()
        if heldSeconds > 0 {
            Output.note("an old snapshot, \(decimal(heldSeconds, 0)) s with and without")
            report.held = try QueueHeldSnapshot(
                server: server, seconds: heldSeconds, workers: workers, batch: batch,
                dead: heldDead
            ).run()
        }
        if heartbeatSeconds > 0 {
            Output.note("beats while training, \(decimal(heartbeatSeconds, 0)) s")
            report.heartbeat = try QueueHeartbeat(
                url: try server.database(), seconds: heartbeatSeconds
            ).run()
        }
        if crashes > 0 {
            report.crash = try QueueCrash(url: try server.database(), crashes: crashes).run()
        }
        try report.print(json: json)
    }

    private func drainStages() throws {
        let server = try QueueServer()
        defer { server.stop() }
        for round in 1...rounds {
            Output.note("round \(round) of \(rounds)")
            let found = try QueueStages(
                server: server, jobs: jobs, slots: workers, batch: batch
            ).run()
            if json {
                try Output.json(Headline(unit: "stages/s", rate: found.nothing.perS), found)
            } else {
                try Output.line(
                    "\(jobs) stages on \(workers) slots of a process: \(told(found.nothing)) that make nothing, "
                        + "\(told(found.oneArtifact)) with an artifact each")
            }
        }
    }

    private func told(_ rate: QueueStages.Rate) -> String {
        "\(decimal(rate.perS, 0))/s (\(decimal(rate.processMicroseconds, 0)) µs of a processor)"
    }

    private func watchIdle() throws {
        let server = try QueueServer(maxConnections: 3 * idle + 20)
        defer { server.stop() }
        let found = try QueueIdle(server: server, processes: idle, seconds: idleSeconds).run()
        if json {
            return try Output.json(
                Headline(unit: "round trips/s", rate: found.roundTripsPerS), found)
        }
        try Output.line(
            "\(idle) processes of \(found.slots) idle slots: each \(decimal(found.connectionsEach, 2)) connections, "
                + "\(decimal(found.roundTripsPerS, 2)) round trips/s, \(decimal(found.transactionIDsPerS, 2)) transaction ids/s; "
                + "a job waits \(decimal(found.waitMsMedian, 1)) ms (median), at most \(decimal(found.waitMsMax, 1))"
        )
    }
}
