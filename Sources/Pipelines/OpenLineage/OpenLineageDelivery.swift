// Sends the events of ended attempts to a file or a URL; attempts that ended earlier come first. For each target, the
// database records when the last attempt ended whose events were sent, so no event is lost when a worker stops. If a
// worker stops between sending and recording, some events are sent twice, with the same run identifiers.

import Artifacts
import Foundation
import FoundationNetworking
import Intake
import Jobs
import Postgres
import Schema
import Synchronization

/// Where events are sent.
public enum OpenLineageTarget: Sendable, Equatable {
    /// A file to which events are appended, one per line.
    case file(String)
    /// A URL to which each event is posted.
    case url(URL)

    /// The target of a setting: a URL if the text begins with `http://` or `https://`, else a path. Errors:
    /// `invalidValue`.
    public init(_ setting: String) throws {
        guard
            setting.lowercased().hasPrefix("http://") || setting.lowercased().hasPrefix("https://")
        else {
            self = .file(setting)
            return
        }
        guard let url = URL(string: setting), url.host?.isEmpty == false else {
            throw PipelineError(
                .invalidValue, "'\(Shown.withoutPasswords(setting))' is no URL",
                remedy: "write one such as http://marquez:5000/api/v1/lineage")
        }
        self = .url(url)
    }

    /// The target as text for messages, without passwords.
    public var shown: String {
        switch self {
        case .file(let path): Shown.excerpt(path, 400)
        case .url(let url): Shown.excerpt(Shown.withoutPasswords(url.absoluteString), 400)
        }
    }
}

/// Sends the events of ended attempts.
public struct OpenLineageDelivery {
    /// What one call sent.
    public struct Sent: Sendable, Equatable, Encodable {
        /// The number of attempts whose events were sent.
        public var attempts = 0
        /// The number of events that the target refused as invalid; they are not sent again.
        public var refused = 0
    }

    /// The number of attempts per transaction.
    private static let batch = 200

    private let connection: Connection
    private let target: OpenLineageTarget
    private let events: OpenLineageEvents
    private let report: (String) -> Void

    /// Sends to `target`; `report` is called with a line for each event that the target refused.
    public init(
        _ connection: Connection, to target: OpenLineageTarget, code: CodeVersion,
        report: @escaping (String) -> Void
    ) {
        self.connection = connection
        self.target = target
        self.report = report
        events = OpenLineageEvents(connection, code: code)
    }

    /// The name under which the database records when the last attempt ended whose events were sent.
    private var cursor: String { "openlineage, sent to \(target.shown)" }

    /// Sends the events of all attempts that have ended and were not sent yet, until `isStopping` returns true. Errors:
    /// `unreachable` if the target does not accept events now; a later call then sends them.
    public func send(isStopping: () -> Bool = { false }) throws -> Sent {
        var sent = Sent()
        while !isStopping() {
            let after = try connection.queryOne(.openLineageCursor(name: cursor)).text("cursor")
            let horizon = try connection.queryOne(Request(.openLineageHorizon)).text("horizon")
            let rows = try connection.query(
                .openLineageEnded(after: after, horizon: horizon, most: Self.batch))
            guard let last = rows.last else { break }
            let lines = try events.events(
                of: rows.map { row in
                    OpenLineageEvents.Given(
                        token: try row.int64("token"), job: try row.int64("job_id"),
                        run: try row.int64("run_id"), stage: try row.text("stage"),
                        made: try row.date("ended_at"))
                }
            ).map { try JSONText.encode($0) }
            sent.refused += try deliver(lines)
            let advance = Request.openLineageAdvance(
                name: cursor, after: after, until: try last.text("ended"))
            // Another worker has sent the same events, and will send the next ones.
            guard try connection.queryOne(advance).bool("advanced") else { break }
            sent.attempts += rows.count
        }
        return sent
    }

    /// Sends events; returns how many the target refused.
    private func deliver(_ lines: [String]) throws -> Int {
        switch target {
        case .file(let path):
            try append(lines, to: path)
            return 0
        case .url(let url):
            return try lines.filter { try !post($0, to: url) }.count
        }
    }

    private func append(_ lines: [String], to path: String) throws {
        func failure(_ why: String) -> PipelineError {
            PipelineError(
                .unreachable, "cannot append to \(path): \(why)",
                remedy: "correct OFA_OPENLINEAGE; the events are kept until then")
        }
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(FileBytes.reason(errno)) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data((lines.joined(separator: "\n") + "\n").utf8))
            try file.synchronize()
            try file.close()
        } catch { throw failure(FileBytes.reason(error)) }
    }

    /// The answer to a request.
    private final class Answer: Sendable {
        let value = Mutex<(status: Int?, problem: String?)>((nil, nil))
    }

    /// Posts one event; returns false if the target refused it for its content.
    private func post(_ line: String, to url: URL) throws -> Bool {
        var request = URLRequest(url: url, timeoutInterval: 10)
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = Data(line.utf8)
        let answer = Answer()
        let isDone = DispatchSemaphore(value: 0)
        let task = URLSession.shared.dataTask(with: request) { _, response, error in
            answer.value.withLock {
                $0 = ((response as? HTTPURLResponse)?.statusCode, error?.localizedDescription)
            }
            isDone.signal()
        }
        task.resume()
        isDone.wait()
        let (status, problem) = answer.value.withLock { $0 }
        if let status, (200..<300).contains(status) { return true }
        // The other statuses from 400 to 499 reject the content of the event, so sending it again would fail too.
        if let status, (400..<500).contains(status), ![401, 403, 404, 408, 429].contains(status) {
            report("\(target.shown) refused an OpenLineage event (status \(status)): \(line)")
            return false
        }
        throw PipelineError(
            .unreachable,
            "\(target.shown) does not accept OpenLineage events: "
                + (problem ?? "status \(status ?? 0)"),
            remedy: "start it or correct OFA_OPENLINEAGE; the events are kept until then")
    }
}

extension Duty {
    /// Sends the events of ended attempts every ten seconds.
    public static func openLineage(to target: OpenLineageTarget, code: CodeVersion) -> Duty {
        Duty(name: "openlineage to \(target.shown)", everySeconds: 10) { work in
            let delivery = OpenLineageDelivery(
                work.queue.connection, to: target, code: code, report: work.report)
            _ = try delivery.send(isStopping: work.isStopping)
        }
    }
}
