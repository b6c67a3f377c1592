// Posting one event: what counts as delivery, and answers that redirect, hang or never end.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

@Suite struct EventPostTests {
    private func post(_ server: EventServer, seconds: Double = 10) throws -> EventPost {
        let target = try OpenLineageTarget(server.url)
        return EventPost(target, try #require(URL(string: server.url)), seconds: seconds)
    }

    @Test(
        "a redirect is not followed: it is an error that names where it leads, without its query",
        arguments: [301, 302, 303, 307, 308])
    func redirect(status: Int) throws {
        let place = "https://u:key@elsewhere.example:8443/api/v1/lineage?token=secret"
        let server = try EventServer(answering: { _, _ in
            .init(status, headers: ["Location: \(place)"])
        })
        let other = try EventServer(answering: { _, _ in
            .init(status, headers: ["Location: /stored"])
        })
        defer {
            server.stop()
            other.stop()
        }
        let error = #expect(throws: PipelineError.self) { try post(server).send("{}") }
        let message = error?.message ?? ""
        #expect(
            error?.code == .unreachable && message.contains("status \(status), a redirect"),
            "\(message)")
        #expect(message.contains("https://elsewhere.example:8443/api/v1/lineage"), "\(message)")
        #expect(!message.contains("secret") && !message.contains("key@"), "\(message)")
        #expect(throws: PipelineError.self) { try post(other).send("{}") }
        #expect(other.bodies == ["{}"], "the redirect was followed")
    }

    @Test("a status is a verdict on the event, or an error of the target")
    func verdicts() throws {
        let server = try EventServer { _, body in Int(body) ?? 0 }
        defer { server.stop() }
        let post = try post(server)
        #expect(try post.send("200") == .accepted && post.send("201") == .accepted)
        #expect(try post.send("422") == .refused(422) && post.send("500") == .failed)
        for status in [401, 403, 404, 408, 429, 502, 503] {
            let error = #expect(throws: PipelineError.self) { try post.send("\(status)") }
            #expect(error?.message.contains("status \(status)") == true)
        }
        #expect(try post.send("200") == .accepted)
    }

    @Test(
        "a target that does not answer in time is an error; the next event is posted all the same")
    func silent() throws {
        // The body decides, not the order: on a loaded machine the first request may not arrive within its time.
        let server = try EventServer(answering: { _, body in body == "{}" ? .init(200) : nil })
        defer { server.stop() }
        let post = try post(server, seconds: 0.5)
        let error = #expect(throws: PipelineError.self) { try post.send("silence") }
        #expect(error?.code == .unreachable)
        #expect(try self.post(server, seconds: 60).send("{}") == .accepted)
    }

    @Test("an answer without an end is cut off: its status counts")
    func endless() throws {
        let server = try EventServer(answering: { _, body in
            .init(200, rest: body == "endless" ? .endless : .open)
        })
        defer { server.stop() }
        #expect(try post(server, seconds: 60).send("endless") == .accepted)
        // The status arrives at once, unless the machine is loaded; the end never does.
        #expect(try post(server).send("open") == .accepted)
    }
}
