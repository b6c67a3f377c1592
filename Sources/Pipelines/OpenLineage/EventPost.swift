// Posts OpenLineage events to a URL, one at a time. Redirects are not followed: a client that follows one may turn the
// POST into a GET, whose answer says nothing about the event, and the event may reach a host that is not configured.

import Foundation
import FoundationNetworking
import Synchronization

/// Posts events to one URL.
final class EventPost {
    /// The answer to an event.
    enum Verdict: Equatable {
        /// The target has the event.
        case accepted
        /// The target refuses the event for its content, with this status.
        case refused(Int)
        /// The target failed (status 500), perhaps because of the event's content.
        case failed
    }

    /// The most bytes of an answer that are read; the status is enough.
    private static let mostBytes = 64 << 10

    private let target: OpenLineageTarget
    private let url: URL
    private let seconds: Double
    private let observer = Observer()
    private let session: URLSession

    /// Posts to `url`, the URL of `target`. An answer may take `seconds`.
    init(_ target: OpenLineageTarget, _ url: URL, seconds: Double) {
        self.target = target
        self.url = url
        self.seconds = seconds
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = seconds
        session = URLSession(
            configuration: configuration, delegate: observer, delegateQueue: nil)
    }

    deinit { session.invalidateAndCancel() }

    /// Posts one event. Errors: `unreachable` if there is no answer in time, for a redirect, and for a status that does
    /// not depend on the event.
    func send(_ event: String) throws -> Verdict {
        var request = URLRequest(url: url, timeoutInterval: seconds)
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = Data(event.utf8)
        let task = session.dataTask(with: request)
        let exchange = observer.begin(task)
        task.resume()
        // The time limit of a request is one of silence, which a trickle of bytes never reaches.
        let isOver = exchange.isOver.wait(timeout: .now() + seconds) == .success
        if !isOver { task.cancel() }
        let answer = exchange.answer.withLock { $0 }
        guard let status = answer.status else {
            throw failure(answer.problem ?? "no answer within \(Int(seconds)) s")
        }
        switch status {
        case 200..<300: return .accepted
        case 300..<400:
            throw failure(
                "status \(status), a redirect, which is not followed",
                remedy: answer.location.map { "if it is right, make it the target: \($0)" })
        case 401, 403, 404, 408, 429: throw failure("status \(status)")
        // Other client errors are about the content, and would be the same next time.
        case 400..<500: return .refused(status)
        case 500: return .failed
        default: throw failure("status \(status)")
        }
    }

    /// The error of a target that does not accept events now.
    func failure(_ why: String, remedy: String? = nil) -> PipelineError {
        PipelineError(
            .unreachable, "\(target.shown) does not accept OpenLineage events: \(why)",
            remedy: (remedy ?? "start it, or correct the target (OFA_OPENLINEAGE or --to)")
                + "; the events are kept until then")
    }

    /// The answer to one request, as far as it has arrived.
    private struct Answer {
        var status: Int?
        /// Where a redirect leads, without the query.
        var location: String?
        var problem: String?
        var bytes = 0
    }

    /// One request and its answer.
    private final class Exchange: Sendable {
        let answer = Mutex(Answer())
        let isOver = DispatchSemaphore(value: 0)
    }

    /// Records answers, and refuses redirects.
    private final class Observer: NSObject, URLSessionDataDelegate, Sendable {
        /// The current request; answers to earlier ones, which took too long, are ignored.
        private let current = Mutex<(task: Int, exchange: Exchange)?>(nil)

        func begin(_ task: URLSessionTask) -> Exchange {
            let exchange = Exchange()
            current.withLock { $0 = (task.taskIdentifier, exchange) }
            return exchange
        }

        private func exchange(_ task: URLSessionTask) -> Exchange? {
            current.withLock { $0?.task == task.taskIdentifier ? $0?.exchange : nil }
        }

        private func note(_ response: URLResponse?, _ exchange: Exchange) {
            guard let response = response as? HTTPURLResponse else { return }
            let location = response.value(forHTTPHeaderField: "Location").flatMap {
                URL(string: $0, relativeTo: response.url)?.absoluteURL
            }
            exchange.answer.withLock {
                $0.status = response.statusCode
                $0.location = location.map { OpenLineageTarget.url($0).shown }
            }
        }

        func urlSession(
            _ session: URLSession, task: URLSessionTask,
            willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
            completionHandler: @escaping @Sendable (URLRequest?) -> Void
        ) {
            if let exchange = exchange(task) { note(response, exchange) }
            // The task completes with this response. Foundation ends the process if a task is cancelled before it has
            // taken notice of this answer, so the exchange is over only in `didCompleteWithError`.
            completionHandler(nil)
        }

        func urlSession(
            _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
            completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
        ) {
            if let exchange = exchange(dataTask) { note(response, exchange) }
            completionHandler(.allow)
        }

        func urlSession(
            _ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data
        ) {
            guard let exchange = exchange(dataTask) else { return dataTask.cancel() }
            let total = exchange.answer.withLock {
                $0.bytes += data.count
                return $0.bytes
            }
            if total > EventPost.mostBytes {
                dataTask.cancel()
                exchange.isOver.signal()
            }
        }

        func urlSession(
            _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
        ) {
            guard let exchange = exchange(task) else { return }
            if let response = task.response { note(response, exchange) }
            exchange.answer.withLock { $0.problem = error?.localizedDescription }
            exchange.isOver.signal()
        }
    }
}
