// QueueReport: the report of ofa-bench queue, as a table or JSON.
import Foundation

/// The figures of one benchmark, ours and the peers'.
struct QueueReport {
    /// The number of jobs per drain, of workers, of jobs per claim, and of bytes of a job's arguments.
    let jobs, workers, batch, payload: Int
    /// Our drains.
    var ours: [QueueDrain.Result] = []
    /// The peers' drains by name.
    var peers: [String: [QueuePeer.Line]] = [:]
    /// The latency of a job start.
    var latency: QueueLatency.Result?
    /// The latency of the continuation of a fan-out.
    var fanIn: QueueFanIn.Result?
    /// Throughput while an old snapshot is held open.
    var held: QueueHeldSnapshot.Result?

    /// The delay of heartbeats during training.
    var heartbeat: QueueHeartbeat.Result?
    /// The time from a worker's kill until its job runs again.
    var crash: QueueCrash.Result?

    init(jobs: Int, workers: Int, batch: Int, payload: Int) {
        (self.jobs, self.workers, self.batch, self.payload) = (jobs, workers, batch, payload)
    }

    private struct PeerFigures: Encodable {
        let jobsPerS, walBytesPerJob, ratio, ratioMin, ratioMax: Double
    }

    private struct Document: Encodable {
        let walBytesPerJob: Double
        let peerWalBytesPerJob: Double?
        let jobs, workers, batch, payload: Int
        let enqueuedPerS, commitsPerJob: Double
        let rounds: [QueueDrain.Result]
        let peers: [String: PeerFigures]
        let latency: QueueLatency.Result?
        let fanIn: QueueFanIn.Result?
        let held: QueueHeldSnapshot.Result?
        let heartbeat: QueueHeartbeat.Result?
        let crash: QueueCrash.Result?
    }

    private func median(_ value: (QueueDrain.Result) -> Double) -> Double {
        Statistics(ours.map(value)).median
    }

    private func figures(_ lines: [QueuePeer.Line]) -> PeerFigures {
        let theirs = Statistics(lines.map(\.jobsPerS)).median
        // Rounds alternate: round i of the peer is compared with our round i, which ran before it.
        let ratios = zip(ours, lines).map { $0.jobsPerS / $1.jobsPerS }
        return PeerFigures(
            jobsPerS: theirs, walBytesPerJob: Statistics(lines.map(\.walBytesPerJob)).median,
            ratio: median(\.jobsPerS) / theirs, ratioMin: ratios.min() ?? 0,
            ratioMax: ratios.max() ?? 0)
    }

    /// Prints a table, or one JSON document.
    func print(json: Bool) throws {
        let peers = peers.mapValues(figures)
        let first = peers["pgqueuer"] ?? peers.first?.value
        if json {
            let document = Document(
                walBytesPerJob: median(\.walBytesPerJob),
                peerWalBytesPerJob: first?.walBytesPerJob, jobs: jobs, workers: workers,
                batch: batch, payload: payload, enqueuedPerS: median(\.enqueuedPerS),
                commitsPerJob: median(\.commitsPerJob), rounds: ours, peers: peers,
                latency: latency, fanIn: fanIn, held: held, heartbeat: heartbeat, crash: crash)
            let headline = Headline(
                unit: "jobs/s", rate: median(\.jobsPerS), peer: first?.jobsPerS)
            return try Output.json(headline, document)
        }
        var table = Table(text: ["QUEUE"], numbers: ["JOBS/S", "WAL BYTES/JOB", "RATIO", "ROUNDS"])
        table.rows.append([
            "ofa", decimal(median(\.jobsPerS), 0), decimal(median(\.walBytesPerJob), 0),
        ])
        for (name, peer) in peers.sorted(by: { $0.key < $1.key }) {
            table.rows.append([
                name, decimal(peer.jobsPerS, 0), decimal(peer.walBytesPerJob, 0),
                decimal(peer.ratio, 2),
                "\(decimal(peer.ratioMin, 2))…\(decimal(peer.ratioMax, 2))",
            ])
        }
        try table.print()
        try Output.line(
            "\(jobs) jobs, \(workers) workers, batches of \(batch), \(payload) bytes; enqueued "
                + "\(decimal(median(\.enqueuedPerS), 0))/s; "
                + "\(decimal(median(\.commitsPerJob), 3)) commits a job")
        if let latency {
            try Output.line(
                "enqueue to start: p50 \(decimal(latency.p50Ms, 2)) ms, p95 "
                    + "\(decimal(latency.p95Ms, 2)), p99 \(decimal(latency.p99Ms, 2))")
        }
        if let fanIn {
            try Output.line(
                "fan-in of \(fanIn.children): \(decimal(fanIn.lastToNextMs, 1)) ms from the last child to"
                    + " the next job; \(decimal(fanIn.seconds, 2)) s in all")
        }
        if let heartbeat {
            try Output.line(
                "training on \(heartbeat.threads) threads for \(decimal(heartbeat.seconds, 0)) s: beats at"
                    + " most \(decimal(heartbeat.latestSeconds, 2)) s late, "
                    + "\(decimal(heartbeat.allowedSeconds, 2)) allowed")
        }
        if let crash {
            try Output.line(
                "\(crash.crashes) workers killed, lease \(decimal(crash.ttlSeconds, 0)) s: the job runs again after"
                    + " \(decimal(crash.medianSeconds, 2)) s (median), at most "
                    + "\(decimal(crash.longestSeconds, 2))")
        }
        if let held {
            try Output.line(
                "old snapshot, \(decimal(held.seconds, 0)) s: \(decimal(held.heldPerS, 0)) of "
                    + "\(decimal(held.freePerS, 0)) jobs/s (\(decimal(held.share * 100, 0)) %), last "
                    + "quarter \(decimal(held.heldLastQuarterPerS, 0))")
        }
    }
}
