// promtool, which checks metrics and alerts as Prometheus reads them.

import Foundation

/// The program, if it is there.
enum Promtool {
    /// Its path: in PATH, or where `ofa_setup tests` puts it (ops/setup.sh).
    static let path: String? = {
        let environment = ProcessInfo.processInfo.environment
        let folders =
            (environment["PATH"] ?? "").split(separator: ":").map(String.init)
            + [(environment["HOME"] ?? "/root") + "/.cache/ofa"]
        return folders.map { $0 + "/promtool" }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }()

    /// Whether it is there; prints why its tests are skipped if not.
    static var isThere: Bool {
        if path == nil { print("skipped: there is no promtool (ops/test.sh installs it)") }
        return path != nil
    }

    /// Runs it with `arguments` and a text on standard input; returns its exit code and all that it said.
    static func run(_ arguments: [String], input: String = "") throws -> (Int32, String) {
        let process = Process()
        let (given, said) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: path ?? "promtool")
        process.arguments = arguments
        process.standardInput = given
        process.standardOutput = said
        process.standardError = said
        try process.run()
        try given.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try given.fileHandleForWriting.close()
        let output = try said.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
