// Rules of sql/: what is generated from it is up to date, and statements are written as agreed.
import Foundation
import Testing

@Suite("SQL")
struct SQLTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func files(_ folder: String, _ suffix: String) throws -> [String: String] {
        let url = Self.root.appending(path: folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: url.path())
            .filter { $0.hasSuffix(suffix) }
        return try Dictionary(
            uniqueKeysWithValues: names.map {
                ($0, try String(contentsOf: url.appending(path: $0), encoding: .utf8))
            })
    }

    @Test("the generated Swift is what ops/embed-sql.sh makes of sql/")
    func generatedIsCurrent() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID())")
        defer {
            do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
        }
        let script = Process()
        script.executableURL = Self.root.appending(path: "ops/embed-sql.sh")
        script.arguments = [folder.path()]
        try script.run()
        script.waitUntilExit()
        #expect(script.terminationStatus == 0)
        let fresh = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        let committed = try files("Sources/Schema/Generated", ".swift")
        #expect(fresh.sorted() == committed.keys.sorted(), "run ops/embed-sql.sh")
        for name in fresh {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            #expect(committed[name] == text, "run ops/embed-sql.sh: \(name) differs")
        }
    }

    @Test("migrations are numbered from 1, none twice")
    func migrationNumbers() throws {
        let numbers = try files("sql/migrations", ".sql").keys.sorted().compactMap {
            Int($0.prefix(4))
        }
        #expect(numbers.first == 1 && numbers == Set(numbers).sorted())
    }

    @Test("every statement has a name of its own, a kind and a sentence")
    func statementsAreDescribed() throws {
        var names: Set<String> = []
        for (file, text) in try files("sql/queries", ".sql") {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() where line.hasPrefix("-- name: ") {
                let words = line.split(separator: " ")
                try #require(words.count == 4, "\(file): \(line)")
                #expect([":one", ":many", ":exec"].contains(words[3]), "\(file): \(line)")
                #expect(names.insert(String(words[2])).inserted, "\(words[2]) is there twice")
                let next = lines[index + 1]
                #expect(next.hasPrefix("-- "), "\(file): \(words[2]) needs a sentence")
            }
        }
        #expect(names.count > 50)
    }

    @Test("a function or view is a file of its name, said in a sentence and replaceable")
    func routinesAreReplaceable() throws {
        for (folder, what) in [
            ("functions", "function ofa."), ("functions/api_1", "function ofa_api_1."),
            ("views", "view ofa."),
        ] {
            let routines = try files("sql/\(folder)", ".sql")
            #expect(!routines.isEmpty)
            for (file, text) in routines {
                let name = file.dropLast(".sql".count)
                #expect(text.hasPrefix("-- "), "\(file) needs a sentence")
                let makes = text.split(separator: "\n").filter {
                    $0.hasPrefix("create ")
                }
                #expect(makes.count == 1, "\(file)")
                #expect(
                    makes.first?.hasPrefix("create or replace \(what)\(name)") == true,
                    "\(file)")
            }
        }
    }

    /// The statements of the programs by name: their text without comments. Migrations and the adoption are the owner's.
    private func statements() throws -> [String: String] {
        var all: [String: String] = [:]
        for (file, text) in try files("sql/queries", ".sql")
        where !["adoption.sql", "migrations.sql"].contains(file) {
            var name = ""
            for line in text.split(separator: "\n") {
                if line.hasPrefix("-- name: ") { name = String(line.split(separator: " ")[2]) }
                if !line.hasPrefix("--") { all[name, default: ""] += line + "\n" }
            }
        }
        return all
    }

    @Test("programs write through the API alone: no statement of theirs changes or locks a row")
    func statementsOnlyRead() throws {
        let writes =
            #/\b(insert|update|delete|truncate|merge|copy|share|nextval|setval|vacuum|call|do)\b/#
        // But for those that read, which ofa.grant_reading grants.
        let calls =
            #/\bofa\.(?!(now|attempts_of|priced_lines|cost_(since|sums|totals)|factor_periods|has_begun|host_spans)\()[a-z_]+ ?\(/#
        // A vacuum runs in no function; by a role that does not own the table it does nothing.
        let excepted: Set = ["CheckpointSpace"]
        let statements = try statements()
        #expect(excepted.isSubset(of: statements.keys))
        for (name, sql) in statements where !excepted.contains(name) {
            // What stands in quotes is data.
            let bare = sql.replacing(#/'[^']*'/#, with: "''")
            #expect(
                !bare.contains(writes), "\(name) writes or locks: put it in sql/functions/api_1")
            #expect(!bare.contains(calls), "\(name) calls a function of the owner's")
        }
    }

    @Test("no statement has a bind without a name and a type")
    func bindsAreNamed() throws {
        for (file, text) in try files("sql/queries", ".sql") {
            #expect(!text.contains(#/\$\d/#), "\(file)")
        }
    }
}
