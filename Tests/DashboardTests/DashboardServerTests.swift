// The server over real connections: pages, forms, events, slow and many readers, the end.

import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Dashboard

@Suite struct DashboardServerTests {
    /// A server with pages of this test's own.
    private final class Place {
        let database: TemporaryDatabase
        let server: DashboardServer
        let client: WebClient
        let value = Counter()
        let rendered = Counter()

        /// A number that threads share.
        final class Counter: Sendable {
            private let number = Mutex(0)
            var now: Int { number.withLock { $0 } }
            func add() { number.withLock { $0 += 1 } }
        }

        init(token: String? = nil, isReadOnly: Bool = false) throws {
            database = try TemporaryDatabase()
            let (value, rendered) = (value, rendered)
            let routes: [Route] = [
                .page("/value") { _, connection in
                    _ = try connection.ping(timeoutSeconds: 5)
                    rendered.add()
                    let now = value.now
                    return Page(
                        "Value", isLive: now < 1000,
                        body: Parts.section("Now", id: "now", "<p>value \(now)</p>"))
                },
                .page("/part/*") { request, _ in
                    Page("Part <\(request.parts[0])>", body: "<p>\(request.parts[0])</p>")
                },
                .page("/form") { request, _ in
                    Page("Form", body: Parts.button("Add", "1", path: "/value/add", request))
                },
                .file("/large") { _, _ in
                    let left = Mutex(64)
                    return WebResponse(
                        200,
                        body: .pieces(count: 64 << 20) {
                            left.withLock { left in
                                guard left > 0 else { return nil }
                                left -= 1
                                return Data(repeating: UInt8(left), count: 1 << 20)
                            }
                        })
                },
                .page("/broken") { _, _ in
                    throw DashboardError(.notFound, "no <b>value</b>", remedy: "look elsewhere")
                },
            ]
            server = try DashboardServer(
                ServeSettings(host: "127.0.0.1", port: 0, token: token, isReadOnly: isReadOnly),
                url: database.url, routes: routes,
                actions: [
                    .post("/value/add") { request, _ in
                        guard request.fields["by"] == "1" else {
                            throw DashboardError(.form, "by is not 1")
                        }
                        value.add()
                        return Notice.path("/value", "retried")
                    }
                ], metrics: { _ in "ofa_value 1\n" })
            client = WebClient(port: server.port)
        }

        deinit { server.stop() }

        /// The token of the forms, from the gate of the running server.
        func formToken() throws -> String {
            let page = try client.get("/form")
            return try #require(
                page.text.firstMatch(of: /value="([0-9a-f]{64})"/).map { String($0.1) })
        }
    }

    @Test("a page has its frame, its policy and nothing from elsewhere; its address is decoded")
    func page() async throws {
        try await onOwnThread {
            let place = try Place()
            let answer = try place.client.get("/part/a%3Cb%2F%C3%BC")
            #expect(answer.status == 200)
            #expect(answer.text.contains("<h1>Part &lt;a&lt;b/ü&gt;</h1>"), "\(answer.text)")
            #expect(
                answer.headers["content-security-policy"]?.contains("default-src 'none'") == true)
            #expect(answer.headers["cache-control"] == "no-store")
            for match in answer.text.matches(of: /(?:href|src|action)="([^"]*)"/) {
                #expect(match.1.hasPrefix("/") || match.1.hasPrefix("#"), "\(match.1)")
            }
            for file in answer.text.matches(of: /"(\/assets\/[^"]*)"/) {
                let asset = try place.client.get(String(file.1))
                #expect(asset.status == 200 && !asset.body.isEmpty, "\(file.1)")
                #expect(asset.headers["cache-control"]?.contains("immutable") == true)
            }
            #expect(try place.client.get("/").headers["location"] == "/runs")
            #expect(try place.client.get("/part/%ff").status == 400)
            let head = try place.client.get("/part/x", method: "HEAD")
            #expect(
                head.status == 200 && head.body.isEmpty && head.headers["content-length"] != "0")
        }
    }

    @Test(
        "an error is a page with its reason and remedy, escaped, for browsers; a line for programs")
    func errors() async throws {
        try await onOwnThread {
            let place = try Place()
            let page = try place.client.get("/broken", headers: ["Accept": "text/html"])
            #expect(page.status == 404 && page.text.contains("no &lt;b&gt;value&lt;/b&gt;"))
            #expect(page.text.contains("look elsewhere"))
            let line = try place.client.get("/broken")
            #expect(line.status == 404 && line.text == "no <b>value</b>: look elsewhere\n")
            #expect(try place.client.get("/nowhere").status == 404)
            #expect(try place.client.get("/value", method: "DELETE").status == 405)
        }
    }

    @Test("health and metrics are for programs; readiness fails without a database")
    func programs() async throws {
        try await onOwnThread {
            let place = try Place()
            #expect(try place.client.get("/healthz").text == "ok\n")
            #expect(try place.client.get("/readyz").text == "ready\n")
            let metrics = try place.client.get("/metrics")
            #expect(metrics.text == "ofa_value 1\n")
            #expect(metrics.headers["content-type"]?.contains("version=0.0.4") == true)
            let alone = try DashboardServer(
                ServeSettings(host: "127.0.0.1", port: 0, token: nil, isReadOnly: true),
                url: "postgresql://127.0.0.1:1/none", metrics: { _ in "" })
            defer { alone.stop() }
            let client = WebClient(port: alone.port)
            #expect(try client.get("/healthz").status == 200)
            #expect(try client.get("/readyz").status == 503)
            #expect(try client.get("/metrics").status == 503)
        }
    }

    @Test("a watched page sends its sections when they change, and the end when nothing can change")
    func events() async throws {
        try await onOwnThread {
            let place = try Place()
            let page = try place.client.get("/value")
            let seen = try #require(page.text.firstMatch(of: /data-version="([0-9a-f]+)"/)?.1)
            let stream = try place.client.open("/events?page=%2Fvalue&seen=\(seen)")
            place.value.add()
            let first = try #require(stream.read(until: "value 1<"))
            #expect(first.contains("event: page") && !first.contains("value 0<"))
            #expect(first.contains("text/event-stream"))
            for _ in 0..<999 { place.value.add() }
            let last = String(decoding: stream.rest(), as: UTF8.self)
            #expect(last.contains("value 1000<") && last.contains("event: end"), "\(last)")
        }
    }

    @Test(
        "two hundred streams hold, one rendering a second serves all, and one that does not read holds up nobody"
    )
    func manyStreams() async throws {
        try await onOwnThread {
            let place = try Place()
            let slow = try (0..<8).map { _ in try place.client.open("/large") }
            let streams = try (0..<200).map { _ in
                try place.client.open("/events?page=%2Fvalue&seen=0")
            }
            for stream in streams { #expect(stream.read(until: "value 0<") != nil) }
            let before = place.rendered.now
            place.value.add()
            for stream in streams { #expect(stream.read(until: "value 1<") != nil) }
            // Far fewer than one for each of the 200 streams.
            #expect(place.rendered.now - before < 100, "\(place.rendered.now - before) renderings")
            #expect(try place.client.get("/value").text.contains("value 1<"))
            let large = slow[0].rest()
            #expect(large.count > 64 << 20)
            for stream in slow + streams { stream.close() }
        }
    }

    @Test("a server ends although browsers watch")
    func ends() async throws {
        try await onOwnThread {
            let place = try Place()
            let streams = try (0..<20).map { _ in
                try place.client.open("/events?page=%2Fvalue&seen=0")
            }
            for stream in streams { #expect(stream.read(until: "value 0<") != nil) }
            place.server.stop()
            for stream in streams { _ = stream.rest() }
            #expect(throws: (any Error).self) { try place.client.get("/value") }
        }
    }

    @Test("a port that is taken is an error that says so")
    func taken() async throws {
        try await onOwnThread {
            let place = try Place()
            let error = #expect(throws: DashboardError.self) {
                try DashboardServer(
                    ServeSettings(
                        host: "127.0.0.1", port: place.server.port, token: nil, isReadOnly: true),
                    url: place.database.url, metrics: { _ in "" })
            }
            #expect(
                error?.code == .address && error?.reason.contains("\(place.server.port)") == true)
        }
    }

    @Test("with a token nothing is shown before signing in")
    func signIn() async throws {
        try await onOwnThread {
            let token = "0123456789abcdef"
            let place = try Place(token: token)
            let browser = ["Accept": "text/html"]
            #expect(try place.client.get("/value").status == 401)
            #expect(
                try place.client.get("/value", headers: browser).headers["location"] == "/login")
            #expect(
                try place.client.get("/login", headers: browser).text.contains("type=\"password\""))
            #expect(try place.client.get("/login", form: ["token": "wrong"]).status == 403)
            let answer = try place.client.get("/login", form: ["token": token])
            let cookie = try #require(answer.headers["set-cookie"]?.prefix { $0 != ";" })
            let page = try place.client.get("/value", headers: ["Cookie": String(cookie)])
            #expect(page.status == 200 && page.text.contains("value 0"))
            let program = try place.client.get(
                "/metrics", headers: ["Authorization": "Bearer \(token)"])
            #expect(program.status == 200)
            #expect(try place.client.get("/healthz").status == 200)
        }
    }

    @Test("a form of this server's page acts; any other, a wrong or too large one changes nothing")
    func forms() async throws {
        try await onOwnThread {
            let place = try Place()
            let token = try place.formToken()
            let done = try place.client.get("/value/add", form: ["by": "1", "form_token": token])
            #expect(done.status == 303 && done.headers["location"] == "/value?done=retried")
            #expect(
                try place.client.get("/value?done=retried").text.contains("role=\"status\">It can"))
            #expect(place.value.now == 1)
            let wrong = try place.client.get("/value/add", form: ["by": "2", "form_token": token])
            #expect(wrong.status == 422 && wrong.text.contains("by is not 1"))
            #expect(try place.client.get("/value/add", form: ["by": "1"]).status == 403)
            #expect(
                try place.client.get("/value/add", form: ["by": "1", "form_token": "0"]).status
                    == 403)
            let large = String(repeating: "x", count: 70_000)
            #expect(try place.client.get("/value/add", form: ["by": large]).status == 400)
            #expect(place.value.now == 1)
            let reader = try Place(isReadOnly: true)
            #expect(!(try reader.client.get("/form").text.contains("<form")))
            #expect(try reader.client.get("/value/add", form: ["by": "1"]).status == 403)
        }
    }
}
