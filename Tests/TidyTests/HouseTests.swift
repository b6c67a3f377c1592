// The rules of the house that a compiler does not check, as tests over the sources themselves.
import Foundation
import Testing

/// The files of this package.
enum House {
    static let root: URL = {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder
    }()

    /// A source file: its path from the root, its room, and its lines.
    struct File: CustomTestStringConvertible, Sendable {
        let path: String
        let lines: [String]

        /// `Tensors` for `Sources/Tensors/Storage.swift`.
        var room: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
        var name: String { path.split(separator: "/").last.map(String.init) ?? "" }
        var isGenerated: Bool { path.contains("/Generated/") }
        var testDescription: String { path }
        /// Lines that are not comments.
        var code: [(number: Int, text: String)] {
            lines.enumerated().map { ($0 + 1, $1) }.filter {
                !$0.1.trimmingCharacters(in: .whitespaces).hasPrefix("//")
            }
        }
    }

    static func files(_ folder: String, _ endings: Set<String>) -> [File] {
        let base = root.appending(path: folder)
        let names =
            FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
        return names.filter { endings.contains(($0 as NSString).pathExtension) }.sorted().compactMap
        { name in
            guard let data = FileManager.default.contents(atPath: base.appending(path: name).path)
            else { return nil }
            return File(
                path: "\(folder)/\(name)",
                lines: String(decoding: data, as: UTF8.self).split(
                    separator: "\n", omittingEmptySubsequences: false
                ).map(String.init))
        }
    }

    static let sources = files("Sources", ["swift"])
    static let tests = files("Tests", ["swift"])
    static let foreign = files("Sources", ["c", "h", "modulemap"])
    static let folders: [String] = {
        let names = FileManager.default.enumerator(atPath: root.appending(path: "Sources").path)?
            .compactMap { $0 as? String }
        return Set((names ?? []).map { $0.split(separator: "/").first.map(String.init) ?? "" })
            .sorted()
    }()
}

@Suite struct HouseTests {
    @Test("the sources were found")
    func found() {
        #expect(
            House.sources.count > 100 && House.tests.count > 20 && House.folders.contains("Tensors")
        )
    }

    @Test("each C library is imported by its one room")
    func foreignImports() {
        let homes = [
            "CLibPQ": "Postgres", "COpenBLAS": "Tensors", "CKernels": "Tensors",
            "CLZ4": "Artifacts", "CCrypto": "Artifacts", "CBlobs": "Artifacts", "CZlib": "Datasets",
            "CJPEG": "Datasets", "CPNG": "Datasets", "CPictures": "Datasets",
            "CAllocationCounter": "TestSupport",
            "CProcessors": "Metering", "CBuild": "ofa",
        ]
        for file in House.sources {
            for (number, line) in file.code where line.contains("import C") {
                let module = line.split(separator: " ").last.map(String.init) ?? ""
                guard let home = homes[module] else { continue }
                #expect(
                    file.room == home,
                    "\(file.path):\(number) imports \(module), which only \(home) may")
            }
        }
        let systemFolders = House.folders.filter {
            $0.hasPrefix("C") && $0.dropFirst().first?.isUppercase == true
        }
        #expect(Set(systemFolders) == Set(homes.keys), "a C module without a home in this table")
    }

    @Test("the wings do not import each other, and none imports upwards")
    func arrows() {
        let floors = [
            ["Intake", "Tensors", "Postgres", "Metering"],
            ["Datasets", "Networks", "Schema", "Charts"],
            [
                "Training", "Devices", "Search", "Interchange", "Jobs", "Artifacts", "Accounting",
            ], ["Pipelines"],
            ["Dashboard"], ["ofa", "ofa-bench"],
        ]
        let floor = Dictionary(
            uniqueKeysWithValues: floors.enumerated().flatMap { index, rooms in
                rooms.map { ($0, index) }
            })
        let learning: Set = [
            "Tensors", "Datasets", "Networks", "Training", "Devices", "Search", "Interchange",
        ]
        let durability: Set = ["Postgres", "Schema", "Jobs", "Artifacts", "Accounting", "Metering"]
        for file in House.sources {
            for (number, line) in file.code where line.hasPrefix("import ") {
                let module = String(line.dropFirst(7))
                guard let from = floor[file.room], let to = floor[module] else { continue }
                #expect(to <= from, "\(file.path):\(number) imports \(module), a floor above")
                let crosses =
                    (learning.contains(file.room) && durability.contains(module))
                    || (durability.contains(file.room) && learning.contains(module))
                #expect(!crosses, "\(file.path):\(number) imports \(module) of the other wing")
            }
        }
    }

    @Test("one file speaks HTTP, and pages carry no style, script or handler in their markup")
    func web() {
        for file in House.sources {
            for (number, line) in file.code {
                if line.hasPrefix("import FlyingFox") || line.hasPrefix("import FlyingSocks") {
                    #expect(file.name == "WebServer.swift", "\(file.path):\(number)")
                }
            }
            guard file.room == "Dashboard" else { continue }
            for (number, line) in file.code {
                for word in [" style=\\\"", " onclick", " onload", " onsubmit", "javascript:"]
                where line.contains(word) {
                    Issue.record(
                        "\(file.path):\(number): \(word) is blocked by the policy of pages")
                }
            }
        }
    }

    @Test("layers of one family are named where families and names are described, and nowhere else")
    func familyParts() {
        let parts = [
            "first_conv", "final_expand_layer", "feature_mix_layer", "input_stem", "max_pooling.",
        ]
        let homes = ["Sources/Networks/Description/", "Sources/Networks/Walks/LayerNames.swift"]
        for file in House.sources where !homes.contains(where: file.path.hasPrefix) {
            for (number, line) in file.code {
                for part in parts where line.contains("\"\(part)") {
                    Issue.record("\(file.path):\(number) names \(part) of one family")
                }
            }
        }
    }

    @Test("host code reads and writes an engine's memory through the engine")
    func engineMemory() {
        // Formats and stores of bytes are host code of their own; the pointer rooms are below the seam.
        let rooms: Set = ["Networks", "Training"]
        for file in House.sources where rooms.contains(file.room) {
            for (number, line) in file.code {
                for word in [
                    "Storage(count:", ".tensor.fill(", ".all.fill(", ".all.copy(", ".tensor.values",
                ]
                where line.contains(word) {
                    Issue.record("\(file.path):\(number) uses \(word): use the engine's memory")
                }
            }
        }
    }

    @Test("Search starts no engine: what is timed is timed in Devices")
    func searchIsArithmetic() {
        for file in House.sources where file.room == "Search" {
            for (number, line) in file.code where line.contains(/\b(?:CPUEngine|Network|Engine)\(/)
            {
                Issue.record("\(file.path):\(number) starts an engine")
            }
        }
    }

    @Test("SVG is written in Charts, so that all charts look alike")
    func drawings() {
        // Assets has the icon of the dashboard.
        let drawn = ["SavingsPlot.swift", "PlotText.swift", "Assets.swift"]
        for file in House.sources
        where file.room != "Charts" && !drawn.contains(file.name) {
            for (number, line) in file.code {
                for word in ["<svg", "<path", "<circle", "<rect"] where line.contains(word) {
                    Issue.record("\(file.path):\(number) writes \(word): use a chart")
                }
            }
        }
    }

    @Test(
        "every file begins with what it is for",
        arguments: House.sources + House.tests + House.foreign)
    func purpose(file: House.File) {
        guard file.name != "module.modulemap", file.name != "shim.h" else { return }
        let first = file.lines.first ?? ""
        #expect(first.hasPrefix("// ") && first.count > 15, "\(file.path) begins with '\(first)'")
    }

    @Test("no line of C is longer than 100 columns", arguments: House.foreign)
    func columns(file: House.File) {
        for (number, line) in file.lines.enumerated() where line.count > 100 {
            Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
        }
    }

    @Test("no error is dropped and no input can stop the program", arguments: House.sources)
    func errors(file: House.File) {
        for (number, line) in file.code {
            #expect(!line.contains(/\btry\?/), "\(file.path):\(number) drops an error")
            #expect(!line.contains(/\btry!/), "\(file.path):\(number) stops at an error")
            #expect(
                !line.contains("fatalError("),
                "\(file.path):\(number): errors for input, preconditions for programmers")
        }
    }

    @Test("the program knows every environment variable of the project, so none is called unknown")
    func variables() throws {
        let gate = try #require(House.sources.first { $0.name == "ArgumentGate.swift" })
        let known = Set(gate.lines.flatMap { $0.matches(of: /"OFA_[A-Z_]+"/).map { String($0.0) } })
        for file in House.sources + House.tests {
            // A misspelling that a test needs.
            for (number, line) in file.lines.enumerated() where !line.contains("OFA_ZNOE") {
                for match in line.matches(of: /"OFA_[A-Z_]+"/) {
                    #expect(
                        known.contains(String(match.0)),
                        "\(file.path):\(number + 1): ArgumentGate does not know \(match.0)")
                }
            }
        }
    }

    @Test("nothing is left for later", arguments: House.sources + House.tests + House.foreign)
    func later(file: House.File) {
        guard file.name != "HouseTests.swift" else { return }
        for (number, line) in file.lines.enumerated() {
            for word in ["TODO", "FIXME", "XXX"]
            where line.contains(word) && !line.contains("-\(word)") {
                Issue.record("\(file.path):\(number + 1) says \(word)")
            }
        }
    }

    @Test("pointers stay on the floors where they are allowed")
    func pointers() {
        let rooms: Set = ["Tensors", "Postgres", "CKernels"]
        let files: Set = [
            "ImageShard.swift", "GzipFile.swift", "LZ4Frame.swift", "PictureDecoder.swift",
            "PictureDecoder+Arrays.swift", "PictureMemory.swift", "PictureEncoder.swift",
            "PicturePreprocessor.swift", "ResamplingPlan.swift", "MappedFile.swift",
            "PictureShard.swift", "PictureReader.swift", "PixelSums.swift",
            "PixelNormalization.swift",
        ]
        for file in House.sources where !rooms.contains(file.room) && !files.contains(file.name) {
            for (number, line) in file.code {
                for word in [
                    "UnsafePointer", "UnsafeMutable", "UnsafeRaw", "UnsafeBuffer", "withUnsafe",
                    "unsafeBitCast", "Unmanaged",
                ]
                where line.contains(word) {
                    Issue.record("\(file.path):\(number) uses \(word)")
                }
            }
        }
    }

    @Test("@unchecked Sendable is followed by the reason why it is safe")
    func unchecked() {
        for file in House.sources {
            for (index, line) in file.lines.enumerated() where line.contains("@unchecked Sendable")
            {
                let next = file.lines[min(index + 1, file.lines.count - 1)]
                #expect(next.contains("// Safe because"), "\(file.path):\(index + 1)")
            }
        }
    }

    @Test(
        "what a seed draws is drawn by RandomStream, not by the standard library, which may change")
    func draws() {
        // Only how long something waits, or in which order workers try again, is drawn there; no result depends on it.
        let waits: Set = [
            "RetryPolicy.swift", "ReconnectPolicy.swift", "QueueLatency.swift", "JobQueue.swift",
        ]
        let words: [Regex<Substring>] = [
            /\.random\(/, /\.shuffled\((?:using:.*)?\)/, /\.shuffle\((?:using:.*)?\)/,
            /\.randomElement\(/, /\.next\(upperBound:/, /\bdrand48\(/, /\bsrand(?:48)?\(/,
            /\barc4random/,
        ]
        for file in House.sources where !waits.contains(file.name) {
            for (number, line) in file.code {
                for word in words where line.contains(word) {
                    Issue.record("\(file.path):\(number) draws by the standard library")
                }
            }
        }
    }

    @Test("no async code but in the web frame: threads are explicit")
    func synchronous() {
        // OwnThread keeps tests off the pool that the web frame runs on.
        for file in House.sources
        where !file.path.hasPrefix("Sources/Dashboard/Web/") && file.name != "OwnThread.swift" {
            for (number, line) in file.code {
                for word in [" async ", "await ", "actor ", "Task {", "Task.detached"]
                where " \(line)".contains(" \(word)") {
                    // SQL texts and messages are not code.
                    guard !file.isGenerated, !line.contains("\"") else { continue }
                    Issue.record("\(file.path):\(number): \(word)")
                }
            }
        }
    }

    @Test("the top of the repository holds these entries and no others")
    func topLevel() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: House.root.path)
        // Package.resolved is SwiftPM's record of the versions that were built.
        let visible = Set(names.filter { !$0.hasPrefix(".") && $0 != "Package.resolved" })
        #expect(
            visible == [
                "Package.swift", "Sources", "Tests", "sql", "pipelines", "ops", "README.md",
            ])
    }

    @Test("the README's map names every room")
    func map() throws {
        let data = try #require(
            FileManager.default.contents(atPath: House.root.appending(path: "README.md").path),
            "there is no README.md")
        let text = String(decoding: data, as: UTF8.self)
        for folder in House.folders {
            #expect(text.contains(folder), "README.md does not name Sources/\(folder)")
        }
    }

    @Test("the tests of a room lie in its folder")
    func mirrors() throws {
        let folders = Set(House.tests.map(\.room))
        for folder in folders where folder.hasSuffix("Tests") {
            let room = String(folder.dropLast(5))
            let known =
                House.folders.contains(room)
                || ["Parity", "Fault", "Tidy", "Command", "Bench"].contains(room)
            #expect(known, "Tests/\(folder) is the tests of no room")
        }
    }
}
