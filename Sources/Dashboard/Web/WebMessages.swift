// WebRequest and WebResponse: what the pages know of HTTP. Only WebServer knows the library that speaks it.

import Foundation

/// A request, with its path and fields decoded.
public struct WebRequest: Sendable {
    /// The method: GET, HEAD or POST; anything else is refused.
    public var method: String
    /// The parts of the path, decoded: `/runs/3` is `["runs", "3"]`.
    public var path: [String]
    /// The path and query as they were sent.
    public var target: String
    /// The fields of the query; of a repeated field the last.
    public var query: [String: String]
    /// The header fields, with names in lower case.
    public var headers: [String: String]
    /// The fields of a form, at most 64 KiB in all; empty without a form.
    public var form: [String: String]

    /// Makes a request.
    public init(
        method: String = "GET", path: [String], target: String, query: [String: String] = [:],
        headers: [String: String] = [:], form: [String: String] = [:]
    ) {
        self.method = method
        self.path = path
        self.target = target
        self.query = query
        self.headers = headers
        self.form = form
    }

    /// The most bytes of a form.
    static let formLimit = 64 << 10

    /// Parses `a=1&b=two+words`. Returns nil if the text is not such a form.
    static func fields(_ text: String) -> [String: String]? {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map {
                $0.replacingOccurrences(of: "+", with: " ").removingPercentEncoding
            }
            guard let name = decoded.first ?? nil else { return nil }
            guard let value = decoded.count > 1 ? decoded[1] : "" else { return nil }
            result[name] = value
        }
        return result
    }

    /// Returns a cookie's value.
    func cookie(_ name: String) -> String? {
        (headers["cookie"] ?? "").split(separator: ";").lazy
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .first { $0.hasPrefix(name + "=") }
            .map { String($0.dropFirst(name.count + 1)) }
    }
}

/// An answer.
public struct WebResponse: Sendable {
    /// What follows the header.
    public enum Body: Sendable {
        /// Bytes.
        case bytes(Data)
        /// Pieces, asked for one after the other as the client takes them; nil ends them. `count` is their sum, if known.
        case pieces(count: Int?, next: @Sendable () async throws -> Data?)
    }

    /// The status.
    public var status: Int
    /// The header fields.
    public var headers: [String: String]
    /// What follows the header.
    public var body: Body

    /// Makes an answer.
    public init(_ status: Int, headers: [String: String] = [:], body: Body = .bytes(Data())) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Makes an answer of text.
    public static func text(
        _ text: String, status: Int = 200, type: String = "text/plain; charset=utf-8"
    ) -> WebResponse {
        WebResponse(status, headers: ["Content-Type": type], body: .bytes(Data(text.utf8)))
    }

    /// Sends the browser elsewhere with GET.
    public static func redirect(to path: String) -> WebResponse {
        WebResponse(303, headers: ["Location": path])
    }
}
