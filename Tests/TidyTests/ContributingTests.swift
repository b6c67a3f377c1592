// ops/docs/contributing.md does what it says: its cases and its file make a new type of layers compile and run, and without
// its cases the compiler names every place.
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
        "the page's type of layers compiles; without its cases the compiler names every place"
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
            let places = asked.filter { $0.contains("/\(file):") && $0.contains("exhaustive") }
            let cases = walks.filter { $0.file == file }
            #expect(
                places.count == cases.count, "\(file) asks for \(places.count) cases: \(places)")
        }
        let files = Set(walks.map(\.file))
        let others = asked.filter { error in !files.contains { error.contains("/\($0):") } }
        #expect(others.isEmpty, "the page leaves these out: \(others.joined(separator: "\n"))")
        // Without that object the compiler asks for it first.
        let first = try compiler.errors(
            adding: declared.filter { !isRun($0.file) }, file: Self.block(2))
        #expect(first.contains { $0.contains("/Run/RunningLayer.swift:") })
    }

    @Test(
        "a family with the page's type of layers runs: gradients, costs, names, sorting, extraction"
    )
    func layerRuns() throws {
        let compiler = Compiler(
            modules: try #require(Self.modules, "the build's modules were not found"))
        let found = try compiler.run(
            House.root.appending(path: "Tests/TidyTests/AddedLayer/AddedLayerRun.swift"),
            adding: Self.cases, file: Self.block(2))
        let isWhole = found.last?.hasPrefix("checked ") ?? false
        #expect(isWhole, "\(found.joined(separator: "\n"))")
        #expect(!found.contains { $0.hasPrefix("fails") }, "\(found.joined(separator: "\n"))")
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

/// Compiles the room `Networks` with additions.
private struct Compiler {
    let modules: URL

    typealias Case = (file: String, text: String)

    /// The compiler's errors with `cases` and `file` added.
    func errors(adding cases: [Case], file: [String]) throws -> [String] {
        try withCopy(adding: cases, file: file) { folder in
            let lines = try compile(folder, ["-emit-sil", "-o", "/dev/null"])
            // The excerpts of the sources that follow repeat the text without the place.
            return lines.filter { $0.contains(".swift:") && $0.contains(" error:") }
        }
    }

    /// The lines that the program `main` prints, which is compiled as a part of the room with `cases` and `file` added.
    /// Returns the compiler's errors instead if there are any.
    func run(_ main: URL, adding cases: [Case], file: [String]) throws -> [String] {
        try withCopy(adding: cases, file: file) { folder in
            let program = folder.appending(path: "program")
            let difference = House.root.appending(
                path: "Sources/TestSupport/FiniteDifference.swift")
            let errors = try compile(
                folder, ["-o", program.path, main.path, difference.path] + (try objects()))
            guard FileManager.default.fileExists(atPath: program.path) else { return errors }
            let process = Process()
            process.executableURL = program
            return try Self.lines(process)
        }
    }

    /// The objects of the rooms that `Networks` imports, as the build linked them.
    private func objects() throws -> [String] {
        let list = modules.appending(path: "ofaPackageTests.product/Objects.LinkFileList")
        let rooms = ["Intake", "Tensors", "CKernels"].map { "/\($0).build/" }
        return try String(contentsOf: list, encoding: .utf8).split(separator: "\n").map {
            $0.trimmingCharacters(in: CharacterSet(charactersIn: "'\""))
        }.filter { path in rooms.contains { path.contains($0) } }
    }

    /// Calls `body` with a copy of the room: `cases` are added, each before the line of its file that has the next case
    /// of max pooling, and `file` is a further source.
    private func withCopy<Result>(
        adding cases: [Case], file: [String], _ body: (URL) throws -> Result
    ) throws -> Result {
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
        return try body(copy)
    }

    /// The lines that the compiler prints for the sources in `folder`.
    private func compile(_ folder: URL, _ arguments: [String]) throws -> [String] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap {
            $0 as? String
        }
        let sources = (names ?? []).filter { $0.hasSuffix(".swift") }.map {
            folder.appending(path: $0).path
        }
        let root = House.root
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [
                "swiftc", "-wmo", "-swift-version", "6", "-module-name", "Networks",
                "-I", modules.appending(path: "Modules").path,
                "-Xcc", "-I\(root.appending(path: "Sources/CKernels/include").path)",
                "-Xcc",
                "-fmodule-map-file=\(modules.appending(path: "CKernels.build/module.modulemap").path)",
                "-I", root.appending(path: "Sources/COpenBLAS").path,
            ] + arguments + sources
        return try Self.lines(process)
    }

    /// Runs `process` and returns the lines of its output and errors.
    private static func lines(_ process: Process) throws -> [String] {
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").map(String.init)
    }
}
