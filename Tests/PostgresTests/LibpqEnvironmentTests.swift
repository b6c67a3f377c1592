// Tests of LibpqEnvironment: what PG* variables could change is known from libpq itself, and the private server's URL
// says all of it.
import Foundation
import TestSupport
import Testing

@testable import Postgres

@Suite("LibpqEnvironment")
struct LibpqEnvironmentTests {
    @Test("the options come from libpq, each with its variable")
    func options() {
        let byKeyword = Dictionary(
            LibpqEnvironment.options.map { ($0.keyword, $0) }, uniquingKeysWith: { $1 })
        #expect(byKeyword["port"]?.variable == "PGPORT")
        #expect(byKeyword["port"]?.fallback == "5432")
        #expect(byKeyword["hostaddr"]?.variable == "PGHOSTADDR")
        #expect(byKeyword["password"]?.isSecret == true)
        #expect(byKeyword["host"]?.isSecret == false)
    }

    @Test("the private server's URL says every option that has a variable and decides something")
    func completeURL() throws {
        let url = PrivateServer.url(socketFolder: "/tmp/a folder")
        let said = Set(try ConnectionTarget(url).settings.map(\.keyword))
        let open = LibpqEnvironment.options.filter {
            $0.variable != nil && !said.contains($0.keyword)
        }
        #expect(
            open.map(\.keyword).sorted() == [
                "application_name", "connect_timeout", "passfile", "password", "service",
            ])
        let settings = try ConnectionTarget(url).settings
        #expect(settings.first { $0.keyword == "host" }?.value == "/tmp/a folder")
        #expect(settings.first { $0.keyword == "hostaddr" }?.value == "")
    }

    @Test("a child gets no PG* variable and no database URL, but what it is given")
    func children() throws {
        let outcome = try ChildProcess(environment: ["PGPASSWORD": "x"]).run(["env"])
        let names = outcome.output.split(separator: "\n").compactMap {
            $0.split(separator: "=").first
        }
        #expect(names.filter { $0.hasPrefix("PG") } == ["PGPASSWORD"])
        #expect(!names.contains("OFA_DATABASE_URL"))
        #expect(names.contains("PATH"))
    }
}
