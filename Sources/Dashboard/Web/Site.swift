// Site: from a request to an answer: the gate, the pages, the forms, the events and the metrics.

import Foundation
import Intake
import Postgres
import Synchronization

/// The dashboard as a function from requests to answers.
public final class Site: Sendable {
    private let gate: Gate
    private let settings: ServeSettings
    private let readers: ReaderPool
    private let routes: [Route]
    private let actions: [Action]
    private let metrics: @Sendable (Connection) throws -> String
    private let pages = SharedPages()
    private let stopping = Mutex(false)
    /// Connects for a form. The forms need a role that may write; pages do not.
    private let connect: @Sendable () throws -> Connection

    /// Makes the site of the database at `url`. `metrics` gives the text of `/metrics`.
    public init(
        _ settings: ServeSettings, url: String, connections: Int = 3, routes: [Route],
        actions: [Action], metrics: @escaping @Sendable (Connection) throws -> String
    ) {
        self.settings = settings
        self.routes = routes
        self.actions = actions
        self.metrics = metrics
        gate = Gate(settings)
        readers = ReaderPool(url: url, connections: connections)
        connect = { try Connection(url: url, applicationName: "ofa serve form") }
    }

    /// Ends the event streams soon, so that the server can stop.
    public func stop() { stopping.withLock { $0 = true } }

    /// Closes the connections. No request may follow.
    public func close() { readers.close() }

    /// Answers a request.
    public func answer(_ request: WebRequest) async -> WebResponse {
        var response: WebResponse
        if let refusal = gate.refusal(request) {
            response = refusal
        } else {
            do {
                response = try await found(request)
            } catch {
                response = problem(error, request)
            }
        }
        for (name, value) in Gate.headers where response.headers[name] == nil {
            response.headers[name] = value
        }
        return response
    }

    private func found(_ request: WebRequest) async throws -> WebResponse {
        if request.method == "POST" { return try await post(request) }
        switch request.path.first {
        case nil: return .redirect(to: "/runs")
        case "assets":
            guard let file = Assets.file(request.path.last ?? "") else { break }
            return file
        // Browsers ask for it beside files that are no pages.
        case "favicon.ico" where request.path.count == 1:
            return Assets.file("icon.svg") ?? .text("", status: 404)
        case "healthz" where request.path.count == 1: return .text("ok\n")
        case "readyz" where request.path.count == 1:
            try await readers.read { try $0.ping(timeoutSeconds: 5) }
            return .text("ready\n")
        case "metrics" where request.path.count == 1:
            let metrics = metrics
            let text = try await readers.read { try metrics($0) }
            return .text(text, type: "text/plain; version=0.0.4; charset=utf-8")
        case "login" where request.path.count == 1:
            return document(RenderedPage(Layout.signIn), request)
        case "events" where request.path.count == 1: return try events(request)
        default: break
        }
        for route in routes {
            guard let parts = route.match(request.path) else { continue }
            switch route.answer {
            case .page: return document(try await page(route, parts, request), request)
            case .file(let make):
                let question = question(parts, request.query)
                return try await readers.read { try make(question, $0) }
            }
        }
        throw DashboardError(
            .notFound, "there is no page \(Shown.excerpt(request.target))",
            remedy: "the navigation above leads to all pages")
    }

    private func question(_ parts: [String], _ query: [String: String]) -> PageRequest {
        PageRequest(
            parts: parts, query: query, mayAct: gate.mayAct, formToken: gate.formField)
    }

    /// Renders a page, or takes it from those rendered within the last second.
    private func page(
        _ route: Route, _ parts: [String], _ request: WebRequest
    ) async throws -> RenderedPage {
        guard case .page(let make) = route.answer else {
            throw DashboardError(.notFound, "\(Shown.excerpt(request.target)) is not a page")
        }
        var query = request.query
        query["done"] = nil
        let question = question(parts, query)
        let key =
            request.path.joined(separator: "\u{0}") + "?"
            + query.sorted { $0.key < $1.key }.map { "\($0.key)\u{0}\($0.value)" }.joined(
                separator: "\u{0}")
        let readers = readers
        return try await pages.page(key) {
            try await readers.read { RenderedPage(try make(question, $0)) }
        }
    }

    private func document(_ page: RenderedPage, _ request: WebRequest) -> WebResponse {
        let path = "/" + request.path.joined(separator: "/")
        let notice = request.query["done"].flatMap { Notice.texts[$0] }
        let text = Layout.document(
            page, path: path, watched: page.page.isLive ? request.target : nil,
            isReadOnly: settings.isReadOnly, notice: notice)
        return .text(text, status: page.page.status, type: "text/html; charset=utf-8")
    }

    /// The events of the page that a browser watches.
    private func events(_ request: WebRequest) throws -> WebResponse {
        let target = request.query["page"] ?? ""
        let parts = target.split(separator: "?", maxSplits: 1)
        let path = (parts.first ?? "").split(separator: "/").map {
            String($0).removingPercentEncoding ?? ""
        }
        let query = parts.count > 1 ? WebRequest.fields(String(parts[1])) ?? [:] : [:]
        let watched = WebRequest(path: path, target: target, query: query)
        for route in routes {
            guard let parts = route.match(path), case .page = route.answer else { continue }
            let stream = EventStream(
                seen: request.query["seen"] ?? "",
                isStopping: { [self] in stopping.withLock { $0 } },
                page: { [self] in try await page(route, parts, watched) })
            return WebResponse(
                200, headers: ["Content-Type": "text/event-stream"],
                body: .pieces(count: nil, next: { try await stream.next() }))
        }
        throw DashboardError(.notFound, "there is no page \(Shown.excerpt(target)) to watch")
    }

    private func post(_ request: WebRequest) async throws -> WebResponse {
        if request.path == ["login"] {
            let cookie = try gate.signIn(request)
            var response = WebResponse.redirect(to: "/runs")
            response.headers["Set-Cookie"] = cookie
            return response
        }
        try gate.checkForm(request)
        for action in actions {
            guard let parts = Route.match(action.pattern, request.path) else { continue }
            var fields = request.form
            fields[Gate.field] = nil
            let connect = connect
            let question = Action.Request(parts: parts, fields: fields)
            let place = try await Self.onThread {
                let connection = try connect()
                defer { connection.close() }
                return try action.perform(question, connection)
            }
            await pages.forget()
            return .redirect(to: place)
        }
        throw DashboardError(.notFound, "there is no form \(Shown.excerpt(request.target))")
    }

    /// Runs blocking work on a thread of its own. Forms are rare.
    private static func onThread<T: Sendable>(
        _ work: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Result { try work() }) }
            thread.stackSize = 8 << 20
            thread.name = "ofa-form"
            thread.start()
        }
    }

    private func problem(_ error: any Error, _ request: WebRequest) -> WebResponse {
        let status = Problem.status(error)
        let wantsPage =
            request.method == "POST" || (request.headers["accept"] ?? "").contains("text/html")
        let isForPrograms = ["metrics", "readyz", "healthz"].contains(request.path.first ?? "")
        guard wantsPage, !isForPrograms else {
            return .text(Shown.withoutPasswords(Shown.line("\(error)")) + "\n", status: status)
        }
        return document(RenderedPage(Layout.problem(error, status: status)), request)
    }
}
