// EventServer: a small HTTP server on the loopback interface that records what is posted to it.
import Foundation
import Synchronization

/// An HTTP server for one test. Each request gets its own connection.
public final class EventServer: Sendable {
    /// An answer to a request.
    public struct Answer: Sendable {
        /// The status.
        public var status: Int
        /// Further header lines.
        public var headers: [String]
        /// What follows the header.
        public var rest: Rest

        /// What follows the header.
        public enum Rest: Sendable {
            /// Nothing.
            case none
            /// Bytes without an end, until the client closes the connection.
            case endless
            /// Nothing, and the connection stays open until the server stops.
            case open
        }

        /// An answer without a body, unless `rest` says otherwise.
        public init(_ status: Int, headers: [String] = [], rest: Rest = .none) {
            (self.status, self.headers, self.rest) = (status, headers, rest)
        }
    }

    /// The address to post to.
    public let url: String
    private let socket: StreamSocket
    private let received = Mutex<[(body: String, status: Int?)]>([])
    private let answer: @Sendable (Int, String) -> Answer?
    private let isOver = DispatchGroup()
    private let arrived = NSCondition()
    /// The connections, which `stop` ends: a client may open one and never send or close.
    private let clients = Mutex<[StreamSocket]>([])

    /// Starts a server that answers with a status only.
    public convenience init(
        answer: @escaping @Sendable (Int, String) -> Int = { _, _ in 200 }
    ) throws { try self.init(answering: { Answer(answer($0, $1)) }) }

    /// Starts the server. `answer` gets the number of the request, from 0, and its body; nil leaves the request without
    /// an answer until the server stops.
    public init(answering answer: @escaping @Sendable (Int, String) -> Answer?) throws {
        let (socket, port) = try StreamSocket.listenOnLoopback()
        self.socket = socket
        self.answer = answer
        url = "http://127.0.0.1:\(port)/api/v1/lineage"
        isOver.enter()
        Thread.detachNewThread { [self] in
            while let client = socket.accept() {
                clients.withLock { $0.append(client) }
                isOver.enter()
                Thread.detachNewThread { [self] in
                    serve(client)
                    isOver.leave()
                }
            }
            isOver.leave()
        }
    }

    /// The bodies of the requests so far.
    public var bodies: [String] { received.withLock { $0.map(\.body) } }

    /// The bodies of the requests that were answered with a status of success.
    public var accepted: [String] {
        received.withLock { $0.filter { (200..<300).contains($0.status ?? 0) }.map(\.body) }
    }

    /// Waits until `count` requests have arrived, at most a minute; returns whether they have.
    public func waitForBodies(_ count: Int) -> Bool {
        arrived.lock()
        defer { arrived.unlock() }
        let end = Date(timeIntervalSinceNow: 60)
        while bodies.count < count { if !arrived.wait(until: end) { return false } }
        return true
    }

    /// Stops the server.
    public func stop() {
        socket.shut()
        // A connection may be accepted until the accepting thread has ended.
        while isOver.wait(timeout: .now() + 0.05) == .timedOut {
            clients.withLock { $0.forEach { $0.shut() } }
        }
        clients.withLock { $0.forEach { $0.shut() } }
    }

    private func serve(_ client: StreamSocket) {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        while true {
            let more = client.read()
            if more.isEmpty { return }
            bytes += more
            guard let head = Self.place(of: end, in: bytes) else { continue }
            let text = String(decoding: bytes[..<head], as: UTF8.self)
            let length =
                text.firstMatch(of: /(?i)content-length: *([0-9]+)/).flatMap { Int($0.1) } ?? 0
            guard bytes.count >= head + 4 + length else { continue }
            let body = String(decoding: bytes[(head + 4)...], as: UTF8.self)
            let number = received.withLock { all in
                all.append((body, nil))
                return all.count - 1
            }
            arrived.lock()
            arrived.broadcast()
            arrived.unlock()
            give(answer(number, body), to: client, number)
            return
        }
    }

    private func give(_ answer: Answer?, to client: StreamSocket, _ number: Int) {
        guard let answer else { return }
        received.withLock { $0[number].status = answer.status }
        let length = answer.rest == .none ? ["Content-Length: 0", "Connection: close"] : []
        let lines = ["HTTP/1.1 \(answer.status) X"] + answer.headers + length + ["", ""]
        var isOpen = client.write(Array(lines.joined(separator: "\r\n").utf8))
        switch answer.rest {
        case .none: client.shut()
        case .endless:
            let bytes = [UInt8](repeating: 32, count: 4096)
            while isOpen { isOpen = client.write(bytes) }
        case .open: break
        }
    }

    private static func place(of part: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= part.count else { return nil }
        return (0...(bytes.count - part.count)).first {
            Array(bytes[$0..<($0 + part.count)]) == part
        }
    }
}
