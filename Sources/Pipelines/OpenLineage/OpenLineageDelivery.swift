// Sends the events of ended attempts to a file or a URL, in the order of their ends. The database remembers for each
// target up to which time they were sent, so nothing is lost or left out when a worker stops. Sending and recording is
// one transaction under a lock of the target, so one process at a time sends. If it stops between sending and recording,
// the events of one attempt (of one batch, for a file) are sent twice: they have the same run identifiers.

import Artifacts
import Foundation
import Intake
import Jobs
import Postgres
import Schema

/// Sends the events of ended attempts.
public struct OpenLineageDelivery {
    /// What one call sent.
    public struct Sent: Sendable, Equatable, Encodable {
        /// The number of attempts whose events were sent.
        public var attempts = 0
        /// The number of events that the target refused as invalid; they are not sent again.
        public var refused = 0
    }

    /// The number of attempts that are read at once.
    private static let batch = 200
    /// How often an event is posted that makes the target fail, before it is left out.
    private static let tries = 3

    private let connection: Connection
    private let target: OpenLineageTarget
    private let events: OpenLineageEvents
    private let report: (String) -> Void
    private let post: EventPost?

    /// Sends to `target`, which has `answerSeconds` to answer an event; `report` is called with a line for each event
    /// that the target refused, and if another process is sending to it.
    public init(
        _ connection: Connection, to target: OpenLineageTarget, code: CodeVersion,
        answerSeconds: Double = 15, report: @escaping (String) -> Void
    ) {
        self.connection = connection
        self.target = target
        self.report = report
        events = OpenLineageEvents(connection, code: code)
        post =
            switch target {
            case .file: nil
            case .url(let url): EventPost(target, url, seconds: answerSeconds)
            }
    }

    /// The name under which the database remembers what was sent.
    private var cursor: String { "openlineage, sent to \(target.key)" }

    /// The attempts that ended at one time, with their events; for a file, those of a whole batch.
    private struct Group {
        var attempts: [[String]]
        var until: String
    }

    /// The outcome of sending one group.
    private enum Step {
        /// All events are sent; `isRecorded` is false if the target failed with the last attempt.
        case sent(isRecorded: Bool)
        /// The call is to stop.
        case stopped
        /// Another process sends to this target.
        case taken
    }

    /// The state of one call.
    private struct Progress {
        var recorded = Sent()
        /// What was sent since the last record.
        var open = Sent()
        /// The events of the last attempt, with which the target failed. They are left out if it accepts those of the
        /// next attempt; otherwise it accepts none now.
        var suspect: [String]?

        mutating func record() {
            recorded.attempts += open.attempts
            recorded.refused += open.refused
            open = Sent()
        }
    }

    /// Sends the events of all attempts that have ended and were not sent yet, until `isStopping` returns true. Errors:
    /// `unreachable` if the target does not accept events now; a later call then sends them.
    public func send(isStopping: () -> Bool = { false }) throws -> Sent {
        var progress = Progress()
        batches: while !isStopping() {
            var after = try connection.queryOne(.openLineageCursor(name: cursor)).text("cursor")
            let groups = try next(after: after)
            if groups.isEmpty { break }
            for group in groups {
                switch try step(group, after: after, &progress, isStopping) {
                case .sent(let isRecorded):
                    if isRecorded { after = group.until }
                case .stopped: break batches
                case .taken:
                    report("another process sends OpenLineage events to \(target.shown)")
                    break batches
                }
            }
            if progress.suspect != nil { throw failing }
        }
        return progress.recorded
    }

    private var failing: any Error {
        post?.failure("status 500") ?? PipelineError(.unreachable, "\(target.shown) failed")
    }

    /// Returns the events that follow the time `after`.
    private func next(after: String) throws -> [Group] {
        let horizon = try connection.queryOne(Request(.openLineageHorizon)).text("horizon")
        let rows = try connection.query(
            .openLineageEnded(after: after, horizon: horizon, most: Self.batch))
        let made = try events.byAttempt(
            rows.map { row in
                OpenLineageEvents.Given(
                    token: try row.int64("token"), job: try row.int64("job_id"),
                    run: try row.int64("run_id"), stage: try row.text("stage"),
                    made: try row.date("ended_at"))
            })
        var groups: [Group] = []
        for row in rows {
            let until = try row.text("ended")
            let lines = try (made[try row.int64("token")] ?? []).map { try JSONText.encode($0) }
            if let last = groups.last, last.until == until || post == nil {
                groups[groups.count - 1].attempts.append(lines)
                groups[groups.count - 1].until = until
            } else {
                groups.append(Group(attempts: [lines], until: until))
            }
        }
        return groups
    }

    /// Sends one group and records that, in one transaction.
    private func step(
        _ group: Group, after: String, _ progress: inout Progress, _ isStopping: () -> Bool
    ) throws -> Step {
        try connection.transaction { connection in
            // The lock is asked for again before each attempt, so that the transaction is never idle for long.
            func isMine() throws -> Bool {
                try connection.queryOne(.openLineageLock(name: cursor)).bool("held")
            }
            guard try isMine(),
                try connection.queryOne(.openLineageCursor(name: cursor)).text("cursor") == after
            else { return .taken }
            if let post {
                for (index, events) in group.attempts.enumerated() {
                    if index > 0 {
                        if isStopping() { return .stopped }
                        _ = try isMine()
                    }
                    try deliver(events, post, &progress)
                }
            } else if case .file(let path) = target {
                try EventFile(path).append(group.attempts.joined())
                progress.open.attempts += group.attempts.count
            }
            if progress.suspect != nil { return .sent(isRecorded: false) }
            let advance = Request.openLineageAdvance(name: cursor, after: after, until: group.until)
            guard try connection.queryOne(advance).bool("advanced") else { return .taken }
            progress.record()
            return .sent(isRecorded: true)
        }
    }

    /// Posts the events of one attempt.
    private func deliver(_ events: [String], _ post: EventPost, _ progress: inout Progress) throws {
        progress.open.attempts += 1
        for event in events {
            var verdict = EventPost.Verdict.failed
            for _ in 0..<Self.tries where verdict == .failed { verdict = try post.send(event) }
            switch verdict {
            case .accepted: break
            case .failed:
                guard progress.suspect == nil else { throw failing }
                progress.suspect = events
                return
            case .refused(let status):
                progress.open.refused += 1
                report("\(target.shown) refused an OpenLineage event (status \(status)): \(event)")
            }
        }
        for event in progress.suspect ?? [] {
            progress.open.refused += 1
            report(
                "\(target.shown) failed \(Self.tries) times (status 500) with an attempt whose OpenLineage events"
                    + " are left out, since it accepts those of the next one: \(event)")
        }
        progress.suspect = nil
    }
}

extension Duty {
    /// Sends the events of ended attempts every ten seconds.
    public static func openLineage(to target: OpenLineageTarget, code: CodeVersion) -> Duty {
        Duty(name: "openlineage to \(target.key)", everySeconds: 10) { work in
            let delivery = OpenLineageDelivery(
                work.queue.connection, to: target, code: code, report: work.report)
            _ = try delivery.send(isStopping: work.isStopping)
        }
    }
}
