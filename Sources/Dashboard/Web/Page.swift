// Page, PageRequest, Route and Action: what a page is, and how an address finds it.

import Foundation
import Postgres

/// What a page shows. The frame (`Layout`) adds the head, the navigation and the footer.
public struct Page: Sendable {
    /// The title: of the window, and the first heading.
    public var title: String
    /// The markup below the heading.
    public var body: HTML
    /// Links that lead here, outermost first: `[("Runs", "/runs")]`.
    public var trail: [(name: String, path: String)]
    /// Whether what is shown may still change: then the page updates by itself.
    public var isLive: Bool
    /// The status of the answer.
    public var status: Int

    /// Makes a page.
    public init(
        _ title: String, trail: [(name: String, path: String)] = [], isLive: Bool = false,
        status: Int = 200, body: HTML
    ) {
        self.title = title
        self.trail = trail
        self.isLive = isLive
        self.status = status
        self.body = body
    }
}

/// What a page is asked for.
public struct PageRequest: Sendable {
    /// The parts of the path at the route's placeholders, in order.
    public let parts: [String]
    /// The fields of the query.
    public let query: [String: String]
    /// Whether forms are shown: false on a read-only server.
    public let mayAct: Bool
    /// The hidden field that every form has; empty on a read-only server.
    public let formToken: HTML

    /// Makes a request.
    public init(
        parts: [String] = [], query: [String: String] = [:], mayAct: Bool = false,
        formToken: HTML = .empty
    ) {
        self.parts = parts
        self.query = query
        self.mayAct = mayAct
        self.formToken = formToken
    }

    /// Returns the part of the path at placeholder `place` as a number above 0. Errors: `notFound`.
    public func number(_ place: Int = 0) throws -> Int64 {
        let text = place < parts.count ? parts[place] : ""
        guard let number = Int64(text), number > 0, String(number) == text else {
            throw DashboardError(.notFound, "'\(text.prefix(40))' is not a number of this kind")
        }
        return number
    }
}

/// A page or a file at an address, read with one connection on a thread of the reader pool.
public struct Route: Sendable {
    /// What is found at the address.
    enum Answer: Sendable {
        case page(@Sendable (PageRequest, Connection) throws -> Page)
        case file(@Sendable (PageRequest, Connection) throws -> WebResponse)
    }

    /// The parts of the path; `*` is a placeholder.
    let pattern: [String]
    let answer: Answer

    /// A page at `path`, such as `/runs/*`.
    public static func page(
        _ path: String, _ page: @escaping @Sendable (PageRequest, Connection) throws -> Page
    ) -> Route {
        Route(pattern: path.split(separator: "/").map(String.init), answer: .page(page))
    }

    /// A file at `path`, such as a download or an image.
    public static func file(
        _ path: String,
        _ file: @escaping @Sendable (PageRequest, Connection) throws -> WebResponse
    ) -> Route {
        Route(pattern: path.split(separator: "/").map(String.init), answer: .file(file))
    }

    /// Returns the parts at the placeholders if the path fits; else nil.
    func match(_ path: [String]) -> [String]? { Self.match(pattern, path) }

    static func match(_ pattern: [String], _ path: [String]) -> [String]? {
        guard pattern.count == path.count else { return nil }
        var parts: [String] = []
        for (expected, part) in zip(pattern, path) {
            if expected == "*" { parts.append(part) } else if expected != part { return nil }
        }
        return parts
    }
}

/// A form that changes something. It is posted, and answered by sending the browser to a page.
public struct Action: Sendable {
    /// What a form is posted with.
    public struct Request: Sendable {
        /// The parts of the path at the placeholders.
        public let parts: [String]
        /// The fields.
        public let fields: [String: String]

        /// Makes a request.
        public init(parts: [String], fields: [String: String]) {
            self.parts = parts
            self.fields = fields
        }

        /// The part of the path at placeholder `place` as a number. Errors: `notFound`.
        public func number(_ place: Int = 0) throws -> Int64 {
            try PageRequest(parts: parts).number(place)
        }
    }

    let pattern: [String]
    /// Does what the form asks for; returns the path of the page to show then.
    let perform: @Sendable (Request, Connection) throws -> String

    /// An action at `path`, such as `/jobs/*/cancel`. It runs on a thread of its own with a connection that may write.
    public static func post(
        _ path: String, _ perform: @escaping @Sendable (Request, Connection) throws -> String
    ) -> Action {
        Action(pattern: path.split(separator: "/").map(String.init), perform: perform)
    }
}
