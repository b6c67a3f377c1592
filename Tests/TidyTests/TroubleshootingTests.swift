// ops/docs/troubleshooting.md lists every code of every module's error type, and no other.
import Foundation
import Testing

@Suite struct TroubleshootingTests {
    private static let page = String(
        decoding: FileManager.default.contents(
            atPath: House.root.appending(path: "ops/docs/troubleshooting.md").path) ?? Data(),
        as: UTF8.self)

    /// The first cells of the tables below a heading, without their marks.
    private static func listed(_ heading: String) -> [String] {
        let parts = ("\n" + page).components(separatedBy: "\n### \(heading)\n")
        guard parts.count == 2 else { return [] }
        let section = parts[1].components(separatedBy: "\n## ")[0]
            .components(separatedBy: "\n### ")[0]
        return section.split(separator: "\n").compactMap { line in
            line.firstMatch(of: /^\| `([A-Za-z0-9_]+)` \|/).map { String($0.1) }
        }
    }

    /// Snake case, as ErrorDocument prints codes.
    private static func word(_ name: Substring) -> String {
        name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    /// The codes of the error types, by type.
    private static let found: [String: [String]] = {
        var codes: [String: [String]] = [:]
        for file in House.sources where file.name.hasSuffix("Error.swift") {
            let text = file.lines.joined(separator: "\n")
            guard let type = text.firstMatch(of: #/public struct (\w+Error):/#)?.1,
                let body = text.firstMatch(of: #/(?s)public enum Code: .*? \{\n(.*?)\n    \}/#)?.1
            else { continue }
            codes[String(type)] = body.matches(of: #/(?m)^ +case (\w+)$/#).map { word($0.1) }
        }
        return codes
    }()

    @Test("every code of every error type is listed, each once, and no other")
    func codes() {
        #expect(Self.found.count >= 14, "\(Self.found.keys.sorted())")
        for (type, codes) in Self.found {
            let listed = Self.listed(type)
            #expect(!codes.isEmpty && listed.sorted() == codes.sorted(), "\(type)")
        }
    }

    @Test("no section is of a type that does not exist")
    func sections() {
        let known = Set(Self.found.keys).union(["Commands", "PostgresError"])
        let headings = Self.page.matches(of: /(?m)^### (.+)$/).map { String($0.1) }
        #expect(Set(headings) == known)
    }

    @Test("every code that a command gives, and every SQLSTATE with a remedy, is listed")
    func commands() throws {
        var given: Set<String> = ["bad_input", "stage_failed", "failed", "not_true"]
        for file in House.sources where file.room == "ofa" {
            for (_, line) in file.code {
                given.formUnion(line.matches(of: /code: "([a-z_]+)"/).map { String($0.1) })
            }
        }
        #expect(Set(Self.listed("Commands")) == given)
        let source = try #require(
            House.sources.first { $0.path == "Sources/Postgres/PostgresError.swift" })
        let states = source.code.filter { $0.text.contains("        case \"") }.flatMap {
            $0.text.matches(of: /"([0-9A-Z]{5})"/).map { String($0.1) }
        }
        let listed = Set(Self.listed("PostgresError"))
        #expect(
            listed == Set(states).union(["database", "database_full", "database_unreachable"]))
    }

    @Test("links within the page lead to its sections")
    func links() {
        let anchors = Self.page.matches(of: /(?m)^##+ (.+)$/).map {
            $0.1.lowercased().replacing(" ", with: "-")
        }
        for link in Self.page.matches(of: /\]\(#([^)]+)\)/) {
            #expect(anchors.contains(String(link.1)), "#\(link.1)")
        }
    }
}
