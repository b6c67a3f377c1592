// Tests of `ofa db grant`: commands as a role that does not own the schema.
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("ofa db grant")
struct DatabaseGrantTests {
    /// Makes a role and grants it; the environment with which commands run as it.
    private func granted(_ place: CommandPlace, _ access: String) throws -> [String: String] {
        let role = "\(access)_" + UUID().uuidString.prefix(8).lowercased()
        try place.database.connect().script("create role \(role) login")
        let run = try place.ofa("db", "grant", role, "--\(access)")
        #expect(run.status == 0, "\(run.errors)")
        let url = place.database.url.replacing(#/user=[^&]*/#, with: "user=\(role)")
        return ["OFA_DATABASE_URL": url]
    }

    @Test("a role that works runs a pipeline to its end: artifacts, lineage and costs are there")
    func works() throws {
        let place = try CommandPlace(images: true)
        let role = try granted(place, "work")
        let run = try place.ofa("run", place.pipeline, environment: role)
        #expect(run.status == 0, "\(run.errors)")
        for command in [
            ["status", "1"], ["cost"], ["artifacts", "list"], ["lineage", "up", "1"], ["gc"],
            ["queue", "audit"], ["artifacts", "verify"], ["queue", "pause", "default"],
            ["queue", "resume", "default"], ["queue", "retention", "history", "30"],
        ] {
            let told = try place.ofa(command, environment: role)
            #expect(told.status == 0, "\(command): \(told.errors)")
        }
        #expect(try place.ofa("queue", "audit").status == 0)
    }

    @Test("a role that reads looks at everything, and is told what it lacks where it would write")
    func reads() throws {
        let place = try CommandPlace()
        let role = try granted(place, "read")
        #expect(try place.ofa("enqueue", place.pipeline).status == 0)
        for command in [["status"], ["jobs"], ["cost"], ["artifacts", "list"], ["actions"]] {
            let told = try place.ofa(command, environment: role)
            #expect(told.status == 0, "\(command): \(told.errors)")
        }
        for command in [["queue", "pause", "default"], ["enqueue", place.pipeline]] {
            let told = try place.ofa(command, environment: role)
            #expect(told.status == 1, "\(command)")
            #expect(told.errors.contains("`ofa db grant`"), "\(told.errors)")
        }
    }

    @Test("a backup holds the API; a restored database is the owner's until it is granted again")
    func restored() throws {
        let place = try CommandPlace(), fresh = try TemporaryDatabase(migrated: false)
        let role = try granted(place, "work")
        let dump = place.folder.appending(path: "x.dump").path
        #expect(try place.ofa("db", "backup", dump).status == 0)
        let there = ["OFA_DATABASE_URL": fresh.url]
        let run = try place.ofa("db", "restore", dump, environment: there)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try place.ofa("queue", "pause", "default", environment: there).status == 0)
        let open = Statement(
            name: "Open",
            sql: """
                select count(*) as n from pg_proc where pronamespace = 'ofa'::regnamespace
                  and proname <> 'now' and has_function_privilege('public', oid, 'execute')
                """)
        #expect(try fresh.connect().queryOne(open).int("n") == 0)
        let name = try #require(role["OFA_DATABASE_URL"]?.firstMatch(of: #/user=([^&]*)/#)?.1)
        let url = fresh.url.replacing(#/user=[^&]*/#, with: "user=\(name)")
        let asRole = ["OFA_DATABASE_URL": url]
        #expect(try place.ofa("queue", environment: asRole).status == 1)
        #expect(
            try place.ofa("db", "grant", String(name), "--work", environment: there).status == 0)
        #expect(try place.ofa("queue", "resume", "default", environment: asRole).status == 0)
    }

    @Test("a role that the server does not know, and a grant of nothing, are refused")
    func refused() throws {
        let place = try CommandPlace()
        let unknown = try place.ofa("db", "grant", "nobody_here", "--work")
        #expect(unknown.status == 2)
        #expect(unknown.errors.contains("no role nobody_here"), "\(unknown.errors)")
        #expect(try place.ofa("db", "grant", "nobody_here").status == 64)
        let owner = try place.list("actions")
        #expect(owner.isEmpty)
    }
}
