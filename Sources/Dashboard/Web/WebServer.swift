// WebServer: HTTP by FlyingFox. The only file that knows this library.

import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// An HTTP server on one address. Its connections are tasks; a client that reads slowly delays only itself.
public final class WebServer: Sendable {
    /// Answers a request. It must not block the thread.
    public typealias Handler = @Sendable (WebRequest) async -> WebResponse

    private let server: HTTPServer
    private let task: Task<Void, Never>
    /// The port on which it listens.
    public let port: Int

    /// Starts a server on an IPv4 or IPv6 address; port 0 takes a free one. Errors: `address`.
    public init(host: String, port: Int, handler: @escaping Handler) async throws {
        guard let number = UInt16(exactly: port) else {
            throw DashboardError(.address, "port \(port) is not between 0 and 65535")
        }
        let configuration: HTTPServer.Configuration
        do {
            configuration =
                host.contains(":")
                ? .init(
                    address: try sockaddr_in6.inet6(ip6: host, port: number), timeout: 60,
                    logger: .disabled)
                : .init(
                    address: try sockaddr_in.inet(ip4: host, port: number), timeout: 60,
                    logger: .disabled)
        } catch {
            throw DashboardError(
                .address, "'\(host)' is not an IP address", remedy: "give one, such as 127.0.0.1")
        }
        let server = HTTPServer(config: configuration)
        self.server = server
        await server.appendRoute("*") { request in
            await Self.answer(request, handler)
        }
        let ending = Ending()
        task = Task {
            do {
                try await server.run()
            } catch {
                ending.reason.withLock { $0 = error.localizedDescription }
            }
        }
        while await !server.isListening {
            if let reason = ending.reason.withLock({ $0 }) {
                throw DashboardError(
                    .address, "cannot listen on \(host), port \(port): \(reason)",
                    remedy: "give another --port, or stop the program that has it")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        switch await server.listeningAddress {
        case .ip4(_, let port), .ip6(_, let port): self.port = Int(port)
        default: self.port = port
        }
    }

    /// Stops listening and ends every connection; answers that are being sent have `seconds` to end.
    public func stop(seconds: Double = 2) async {
        await server.stop(timeout: seconds)
        task.cancel()
        await task.value
    }

    /// Why the server ended.
    private final class Ending: Sendable {
        let reason = Mutex<String?>(nil)
    }

    private static func answer(_ request: HTTPRequest, _ handler: Handler) async -> HTTPResponse {
        let path = request.target.path(percentEncoded: true)
        let parts = path.split(separator: "/").map { String($0).removingPercentEncoding }
        let query = WebRequest.fields(request.target.query(percentEncoded: true))
        guard let query, !parts.contains(nil) else {
            return plain(400, "the address is not percent-encoded UTF-8")
        }
        var message = WebRequest(
            method: request.method.rawValue, path: parts.compactMap(\.self),
            target: request.target.rawValue, query: query)
        for (name, value) in request.headers { message.headers[name.rawValue.lowercased()] = value }
        if request.method == .POST {
            guard let form = await form(request) else {
                return plain(400, "the form is not readable, or longer than 64 KiB")
            }
            message.form = form
        }
        return sent(await handler(message), isHead: request.method == .HEAD)
    }

    private static func form(_ request: HTTPRequest) async -> [String: String]? {
        var data = Data()
        do {
            for try await part in request.bodySequence {
                data += part
                guard data.count <= WebRequest.formLimit else { return nil }
            }
        } catch {
            return nil
        }
        return String(data: data, encoding: .utf8).flatMap(WebRequest.fields)
    }

    private static func plain(_ status: Int, _ text: String) -> HTTPResponse {
        sent(.text(text + "\n", status: status), isHead: false)
    }

    private static func sent(_ response: WebResponse, isHead: Bool) -> HTTPResponse {
        var headers = HTTPHeaders()
        for (name, value) in response.headers { headers[HTTPHeader(name)] = value }
        let status = HTTPStatusCode(response.status, phrase: phrases[response.status] ?? "Status")
        switch response.body {
        case .bytes(let data):
            headers[.contentLength] = String(data.count)
            return HTTPResponse(
                statusCode: status, headers: headers, body: isHead ? Data() : data)
        case .pieces(let count, let next):
            if let count { headers[.contentLength] = String(count) }
            if isHead { return HTTPResponse(statusCode: status, headers: headers) }
            let pieces = Pieces(pull: next)
            let body =
                count.map {
                    HTTPBodySequence(from: pieces, count: $0, suggestedBufferSize: 1 << 16)
                }
                ?? HTTPBodySequence(from: pieces, suggestedBufferSize: 1 << 16)
            return HTTPResponse(statusCode: status, headers: headers, body: body)
        }
    }

    private static let phrases = [
        200: "OK", 204: "No Content", 303: "See Other", 304: "Not Modified", 400: "Bad Request",
        401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        409: "Conflict", 413: "Content Too Large", 421: "Misdirected Request",
        422: "Unprocessable Content", 429: "Too Many Requests", 500: "Internal Server Error",
        503: "Service Unavailable",
    ]

    /// The pieces of a body as the library takes them.
    private struct Pieces: AsyncBufferedSequence {
        typealias Element = UInt8
        let pull: @Sendable () async throws -> Data?

        func makeAsyncIterator() -> Iterator { Iterator(pull: pull) }

        struct Iterator: AsyncBufferedIteratorProtocol {
            let pull: @Sendable () async throws -> Data?

            mutating func next() async throws -> UInt8? {
                throw DashboardError(.setting, "a body is taken in pieces")
            }

            mutating func nextBuffer(suggested count: Int) async throws -> Data? {
                try await pull()
            }
        }
    }
}
