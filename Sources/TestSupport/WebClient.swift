// WebClient: an HTTP/1.1 client for tests that sees every byte, reads as slowly as it likes and keeps connections open.

import Foundation

/// Requests to a server on a port of 127.0.0.1.
public struct WebClient: Sendable {
    /// An answer.
    public struct Answer: Sendable {
        /// The status; 0 if there was no answer.
        public let status: Int
        /// The header fields, with names in lower case.
        public let headers: [String: String]
        /// The body, joined if it came in chunks.
        public let body: [UInt8]

        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// A connection with an answer that has begun.
    public final class Stream: Sendable {
        private let socket: StreamSocket

        init(_ socket: StreamSocket) { self.socket = socket }

        /// Reads until the bytes so far have `text`; nil if the server closes before, or after a minute of silence.
        public func read(until text: String) -> String? {
            var bytes: [UInt8] = []
            while true {
                let more = socket.read()
                if more.isEmpty { return nil }
                bytes += more
                let all = String(decoding: bytes, as: UTF8.self)
                if all.contains(text) { return all }
            }
        }

        /// Reads until the server closes; returns the bytes.
        public func rest() -> [UInt8] {
            var bytes: [UInt8] = []
            while true {
                let more = socket.read()
                if more.isEmpty { return bytes }
                bytes += more
            }
        }

        /// Closes the connection.
        public func close() { socket.shut() }
    }

    private let port: Int

    /// Makes a client of the server on `port`.
    public init(port: Int) { self.port = port }

    /// Requests `target` and reads the whole answer. A `form` is posted.
    public func get(
        _ target: String, method: String? = nil, headers: [String: String] = [:],
        form: [String: String]? = nil
    ) throws -> Answer {
        let body = form.map {
            $0.map { "\(Self.encoded($0))=\(Self.encoded($1))" }.joined(separator: "&")
        }
        let stream = try open(
            target, method: method ?? (form == nil ? "GET" : "POST"), headers: headers, body: body)
        let answer = Self.parsed(stream.rest())
        stream.close()
        return answer
    }

    /// Sends a request and leaves the answer unread.
    public func open(
        _ target: String, method: String = "GET", headers: [String: String] = [:],
        body: String? = nil
    ) throws -> Stream {
        var lines = ["\(method) \(target) HTTP/1.1"]
        var fields = ["Host": "127.0.0.1:\(port)", "Connection": "close"]
        if let body {
            fields["Content-Length"] = String(body.utf8.count)
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        }
        for (name, value) in fields.merging(headers, uniquingKeysWith: { $1 }) {
            lines.append("\(name): \(value)")
        }
        let text = lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
        let socket = try StreamSocket.connect(port: port)
        _ = socket.write(Array(text.utf8))
        return Stream(socket)
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let letter = Character(Unicode.Scalar(byte))
            return byte < 128 && (letter.isLetter || letter.isNumber)
                ? String(letter) : String(format: "%%%02X", Int(byte))
        }.joined()
    }

    private static func parsed(_ bytes: [UInt8]) -> Answer {
        let end = Array("\r\n\r\n".utf8)
        let place = bytes.indices.first { bytes[$0...].starts(with: end) } ?? bytes.endIndex
        let lines = String(decoding: bytes[..<place], as: UTF8.self).components(
            separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        var body = Array(bytes.dropFirst(place + 4))
        if headers["transfer-encoding"] == "chunked" { body = joined(body) }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return Answer(status: status ?? 0, headers: headers, body: body)
    }

    /// Joins chunks.
    private static func joined(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 13) {
            let size = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16) ?? 0
            guard size > 0 else { break }
            result += rest.dropFirst(end - rest.startIndex + 2).prefix(size)
            rest = rest.dropFirst(end - rest.startIndex + 2 + size + 2)
        }
        return result
    }
}
