// ops/docs/contributing.md does what it says: its cases and its file make a new type of layers compile, and without one of
// them the compiler names the file.
import Foundation
import Testing

@Suite struct ContributingTests {
    private static let page = String(
        decoding: FileManager.default.contents(
            atPath: House.root.appending(path: "ops/docs/contributing.md").path) ?? Data(),
        as: UTF8.self)

    /// The lines of the page's code block number `index`.
    private static func block(_ index: Int) -> [String] {
        let parts = page.components(separatedBy: "\n```")
        return parts[2 * index + 1].split(separator: "\n").dropFirst().map(String.init)
    }

    /// Cases to add, by file, in the order of their places.
    private static var cases: [(file: String, text: String)] {
        block(3).compactMap { line in
            line.firstRange(of: ": ").map {
                (String(line[..<$0.lowerBound]), String(line[$0.upperBound...]))
            }
        }
    }

    @Test("a family is at most 30 lines, a type of layers too, besides the file's name")
    func lengths() {
        #expect(Self.block(1).count <= 30 && Self.block(1).count > 10)
        #expect(Self.block(2).count <= 30 && Self.cases.count <= 30)
    }

    @Test(
        "the page's type of layers compiles; without any one of its cases the compiler names the file"
    )
    func layerType() throws {
        let modules = try #require(Self.modules, "the build's modules were not found")
        let compiler = Compiler(modules: modules)
        let whole = try compiler.errors(adding: Self.cases, file: Self.block(2))
        #expect(whole.isEmpty, "\(whole.joined(separator: "\n"))")
        // The declarations and the object that runs it, and nothing else: every other walk asks for its case.
        let isRun = { (file: String) in file == "Run/RunningLayer.swift" }
        let declared = Self.cases.filter { !$0.text.hasPrefix("case .") || isRun($0.file) }
        let asked = try compiler.errors(adding: declared, file: Self.block(2))
        let walks = Self.cases.filter { $0.text.hasPrefix("case .") && !isRun($0.file) }
        for file in Set(walks.map(\.file)) {
            #expect(
                asked.contains { $0.contains("/\(file):") }, "\(file) compiles without its case")
        }
        // Without that object the compiler asks for it first.
        let first = try compiler.errors(
            adding: declared.filter { !isRun($0.file) }, file: Self.block(2))
        #expect(first.contains { $0.contains("/Run/RunningLayer.swift:") })
    }

    /// The folder of the modules that this test was built with.
    private static var modules: URL? {
        let build = House.root.appending(path: ".build")
        let kinds = ["release", "debug"]
        #if DEBUG
            let kind = kinds[1]
        #else
            let kind = kinds[0]
        #endif
        let folder = build.appending(path: kind)
        return FileManager.default.fileExists(atPath: folder.appending(path: "Modules").path)
            ? folder : nil
    }
}

/// Checks the room `Networks` with additions.
private struct Compiler {
    let modules: URL

    /// The compiler's errors with `cases` added, each before the line of its file that has the next case of max
    /// pooling, and with `file` as a further source.
    func errors(adding cases: [(file: String, text: String)], file: [String]) throws -> [String] {
        let copy = FileManager.default.temporaryDirectory.appending(
            path: "networks-\(UUID().uuidString)")
        try FileManager.default.copyItem(
            at: House.root.appending(path: "Sources/Networks"), to: copy)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: copy) } }
        for name in Set(cases.map(\.file)) {
            let path = copy.appending(path: name)
            var lines = try String(contentsOf: path, encoding: .utf8).components(separatedBy: "\n")
            var from = 0
            for one in cases where one.file == name {
                let isCase: (String) -> Bool = {
                    let text = $0.drop { $0 == " " }
                    return text.hasPrefix("case .maxPooling") || text.hasPrefix("case maxPooling")
                }
                // A declaration goes where declarations are, and so on: the kind of line decides.
                let wanted = one.text.hasPrefix("case .")
                let place = try #require(
                    lines[from...].firstIndex {
                        isCase($0) && $0.drop { $0 == " " }.hasPrefix("case .") == wanted
                    }, "\(name) has no further place for '\(one.text)'")
                lines.insert(one.text, at: place)
                from = place + 2
            }
            try lines.joined(separator: "\n").write(to: path, atomically: true, encoding: .utf8)
        }
        if !file.isEmpty {
            try file.joined(separator: "\n").write(
                to: copy.appending(path: "Run/Added.swift"), atomically: true, encoding: .utf8)
        }
        return try check(copy)
    }

    private func check(_ folder: URL) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap {
            $0 as? String
        }
        let sources = (names ?? []).filter { $0.hasSuffix(".swift") }.map {
            folder.appending(path: $0).path
        }
        let root = House.root
        let process = Process(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [
                "swiftc", "-emit-sil", "-wmo", "-o", "/dev/null", "-swift-version", "6",
                "-module-name", "Networks",
                "-I", modules.appending(path: "Modules").path,
                "-Xcc", "-I\(root.appending(path: "Sources/CKernels/include").path)",
                "-Xcc",
                "-fmodule-map-file=\(modules.appending(path: "CKernels.build/module.modulemap").path)",
                "-I", root.appending(path: "Sources/COpenBLAS").path,
            ] + sources
        process.standardError = output
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").map(String.init).filter { $0.contains("error:") }
    }
}
