// sql/schema.sql is what the migrations, functions and views make.
import Foundation
import TestSupport
import Testing

@Suite("Schema file")
struct SchemaFileTests {
    private func text(_ file: URL) throws -> String {
        try String(contentsOf: file, encoding: .utf8)
    }

    @Test("sql/schema.sql is what ops/dump-schema.sh makes of a migrated database")
    func schemaIsCurrent() throws {
        let committed = try text(House.root.appending(path: "sql/schema.sql"))
        let database = try TemporaryDatabase()
        try database.connect().script("drop table ofa.test_clock")
        let file = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID()).sql")
        let script = Process()
        script.executableURL = House.root.appending(path: "ops/dump-schema.sh")
        script.arguments = [file.path(), database.url]
        try script.run()
        script.waitUntilExit()
        try #require(script.terminationStatus == 0)
        let fresh = try text(file)
        try FileManager.default.removeItem(at: file)
        func head(_ text: String) -> Substring? { text.split(separator: "\n").first }
        guard head(fresh) == head(committed) else {
            print("sql/schema.sql was not compared: it is of another version of PostgreSQL")
            return
        }
        #expect(fresh == committed, "run ops/dump-schema.sh")
        for day in [#/attempt_2\d{7}/#, #/job_log_2\d{7}/#] {
            #expect(!committed.contains(day), "partitions by day come and go")
        }
    }
}
