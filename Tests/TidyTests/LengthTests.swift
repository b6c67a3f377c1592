// How long a file and a function may be: at most what fits into one look and one review.
import Foundation
import Testing

extension House {
    static let sql = files("sql", ["sql"])

    /// A function of a file: the text of its first line, the line's number from 1, and its lines with
    /// signature and closing brace.
    struct Function {
        let name: String
        let line, length: Int
    }
}

extension House.File {
    /// The functions of a file as the formatters lay them out: a closing brace stands below the first
    /// letter of its declaration.
    var functions: [House.Function] {
        if path.hasSuffix(".swift") {
            return functions(
                opening:
                    /^ *(?:@[\w.]+(?:\(.*?\))? )*(?:[a-z]+(?:\([a-z]+\))? )*(?:func |init[?<(]|deinit|subscript[<(]|var [^=]*\{$)/,
                closing: "}")
        }
        if path.hasSuffix(".sql") {
            return functions(opening: /^create (?:or replace )?function\s/, closing: "$$;")
        }
        return functions(opening: /^[A-Za-z_][^;]*\(/, closing: "}")
    }

    private func functions(opening: Regex<Substring>, closing: String) -> [House.Function] {
        lines.indices.compactMap { first in
            guard lines[first].prefixMatch(of: opening) != nil else { return nil }
            let margin = String(lines[first].prefix { $0 == " " })
            // The signature goes on while lines are indented or close a bracket; one without a body has no brace.
            var head = first
            while !opensBody(lines[head]) {
                head += 1
                guard head < lines.count, continues(lines[head], margin) else { return nil }
            }
            guard
                let last = lines.indices.dropFirst(head + 1).first(where: {
                    lines[$0].hasPrefix(margin + closing)
                })
            else { return nil }
            return House.Function(
                name: lines[first].trimmingCharacters(in: .whitespaces), line: first + 1,
                length: last - first + 1)
        }
    }

    private func opensBody(_ line: String) -> Bool { line.hasSuffix("{") || line.hasSuffix("$$") }

    private func continues(_ line: String, _ margin: String) -> Bool {
        guard line.hasPrefix(margin) else { return false }
        let rest = line.dropFirst(margin.count)
        return [" ", ")", "{", "set ", "returns ", "language ", "security "].contains {
            rest.hasPrefix($0)
        }
    }
}

@Suite("Length")
struct LengthTests {
    static let most = (file: 400, function: 70)

    /// What is longer and why.
    static let longFiles = [
        // A migration is never changed, and the first one makes all tables.
        "sql/migrations/0001_baseline.sql",
        // Written by ops/dump-schema.sh.
        "sql/schema.sql",
    ]
    static let longFunctions = [
        // One statement whose parts share the rows that it deletes.
        "sql/functions/end_attempts.sql"
    ]
    static let all = (House.sources + House.tests + House.foreign + House.sql).filter {
        !$0.isGenerated
    }

    @Test("no file is longer than 400 lines", arguments: all)
    func files(file: House.File) {
        let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
        guard !Self.longFiles.contains(file.path) else { return }
        #expect(count <= Self.most.file, "\(file.path) has \(count) lines: split it")
    }

    @Test("no function is longer than 70 lines", arguments: all)
    func functions(file: House.File) {
        guard file.path != "sql/schema.sql", !Self.longFunctions.contains(file.path) else { return }
        for function in file.functions where function.length > Self.most.function {
            Issue.record(
                "\(file.path):\(function.line) has \(function.length) lines: split '\(function.name)'"
            )
        }
    }

    @Test("what is excepted exists and is longer")
    func exceptions() {
        let files = Dictionary(uniqueKeysWithValues: Self.all.map { ($0.path, $0) })
        for path in Self.longFiles {
            #expect((files[path]?.lines.count ?? 0) > Self.most.file, "\(path) is no exception")
        }
        for path in Self.longFunctions {
            let longest = files[path]?.functions.map(\.length).max() ?? 0
            #expect(longest > Self.most.function, "\(path) is no exception")
        }
    }

    @Test("functions are found in Swift, C and SQL")
    func found() throws {
        let swift = House.File(
            path: "a.swift",
            lines: [
                "struct A {", "    @discardableResult static func one(", "        _ a: Int",
                "    ) -> Int {", "        a", "    }", "    var two: Int { 2 }",
                "    private(set) var three: Int {", "        3", "    }", "    func four()",
                "    init() {", "    }", "}",
            ])
        #expect(swift.functions.map(\.length) == [5, 3, 2])
        let c = House.File(
            path: "a.c",
            lines: ["MACRO(1)", "static int one(int a,", "        int b) {", "    return a;", "}"])
        #expect(c.functions.map(\.line) == [2] && c.functions.map(\.length) == [4])
        let sql = House.File(
            path: "a.sql",
            lines: [
                "create or replace function a()", "returns int language sql", "set x = 1 as $$",
                "select 1;", "$$;",
            ])
        #expect(sql.functions.map(\.length) == [5])
        let counts = ["Sources/Jobs/", "Sources/CKernels/", "sql/functions/"].map { folder in
            Self.all.filter { $0.path.hasPrefix(folder) }.flatMap(\.functions).count
        }
        #expect(counts[0] > 100 && counts[1] > 50 && counts[2] > 80, "\(counts)")
    }
}
