// EventServer: a small HTTP server on the loopback interface that records what is posted to it.
import Foundation
import Synchronization

/// An HTTP server for one test. Each request gets its own connection.
public final class EventServer: Sendable {
    /// The address to post to.
    public let url: String
    private let socket: StreamSocket
    private let received = Mutex<[String]>([])
    private let answer: @Sendable (Int, String) -> Int
    private let isOver = DispatchGroup()

    /// Starts the server. `answer` gets the number of the request, from 0, and its body, and returns
    /// the status.
    public init(answer: @escaping @Sendable (Int, String) -> Int = { _, _ in 200 }) throws {
        let (socket, port) = try StreamSocket.listenOnLoopback()
        self.socket = socket
        self.answer = answer
        url = "http://127.0.0.1:\(port)/api/v1/lineage"
        isOver.enter()
        Thread.detachNewThread { [self] in
            while let client = socket.accept() { serve(client) }
            isOver.leave()
        }
    }

    /// The bodies of the requests so far.
    public var bodies: [String] { received.withLock { $0 } }

    /// Stops the server.
    public func stop() {
        socket.shut()
        isOver.wait()
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
                all.append(body)
                return all.count - 1
            }
            let status = answer(number, body)
            _ = client.write(
                Array(
                    "HTTP/1.1 \(status) X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8))
            client.shut()
            return
        }
    }

    private static func place(of part: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= part.count else { return nil }
        return (0...(bytes.count - part.count)).first {
            Array(bytes[$0..<($0 + part.count)]) == part
        }
    }
}
