// PageFixture: a database of its own with a queue on it, and its pages as a reader gets them.

import Foundation
import Jobs
import Postgres
import Schema
import TestSupport
import Testing

@testable import Dashboard

/// A fresh database whose pages and forms are asked for without a server.
final class PageFixture {
    let database: TemporaryDatabase
    let connection: Connection
    let queue: JobQueue

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        queue = JobQueue(connection)
    }

    /// Enqueues a run of these stages.
    func enqueue(_ stages: [StageSpec], name: String = "run") throws -> RunID {
        try queue.enqueue(
            RunSpec(
                name: name, definition: "name: \(name)", definitionHash: name, stages: stages))
    }

    /// Leases exactly one job of kind `work`, or fails the test.
    func claim(_ session: Session) throws -> Lease {
        try #require(try queue.claim(session, kinds: ["work"]).first)
    }

    /// Returns the page at an address, such as `/runs/1/jobs?stage=a`.
    func page(_ target: String, mayAct: Bool = true, over other: Connection? = nil) throws -> Page {
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        let path = parts[0].split(separator: "/").compactMap { String($0).removingPercentEncoding }
        let query = parts.count > 1 ? try #require(WebRequest.fields(parts[1])) : [:]
        for route in Pages.routes {
            guard let found = route.match(path), case .page(let make) = route.answer else {
                continue
            }
            let request = PageRequest(
                parts: found, query: query, mayAct: mayAct,
                formToken: mayAct ? "<input type=\"hidden\">" : .empty)
            return try make(request, other ?? connection)
        }
        throw DashboardError(.notFound, "no page \(target)")
    }

    /// Returns the markup of a page.
    func markup(_ target: String, mayAct: Bool = true, over other: Connection? = nil) throws
        -> String
    {
        try page(target, mayAct: mayAct, over: other).body.text
    }

    /// Posts a form; returns the page to which it leads.
    func post(_ target: String) throws -> String {
        let path = target.split(separator: "/").map(String.init)
        for action in Pages.actions {
            guard let parts = Route.match(action.pattern, path) else { continue }
            return try action.perform(Action.Request(parts: parts, fields: [:]), connection)
        }
        throw DashboardError(.notFound, "no form \(target)")
    }

    /// Connects as a role that may only read.
    func reader() throws -> Connection {
        let name = "read_" + UUID().uuidString.prefix(8).lowercased()
        try connection.script("create role \(name) login")
        try RoleAccess.read.grant(to: name, connection)
        let url = database.url.replacing(#/user=[^&]*/#, with: "user=\(name)")
        return try Connection(url: url, applicationName: "test")
    }

    /// The code of the error that `body` throws; nil without any.
    func refusal(_ body: () throws -> Void) throws -> DashboardError.Code? {
        do { try body() } catch let error as DashboardError { return error.code }
        return nil
    }
}

/// Text that a page must show as text, and how it does.
enum Hostile {
    static let text = "<script>alert(1)</script>\u{1B}[2J\u{202E}\"'&"
    static let shown = "&lt;script&gt;alert(1)&lt;/script&gt;\\u{1B}[2J\\u{202E}&quot;&#39;&amp;"

    /// Whether markup has none of the characters and elements that a page must not get from data.
    static func isAbsent(from markup: String) -> Bool {
        !markup.contains("<script") && !markup.contains("\u{1B}") && !markup.contains("\u{202E}")
    }
}
