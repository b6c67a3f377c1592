// Runs the built `ofa` as a user would, so that exit codes and output streams are tested too.
import Foundation

/// Exit code and output of one run of the command line.
public struct CommandRun: Sendable {
    /// The exit code.
    public let status: Int32
    /// Standard output; empty if written to the file `outputTo`.
    public let output: String
    /// Standard error.
    public let errors: String

    /// Runs `ofa` with `arguments` and waits until `ofa` has ended.
    ///
    /// `environment` is added to the environment of the tests. If `path` is given, standard output goes to that file.
    /// Throws if the binary cannot be started.
    public init(
        _ arguments: [String], input: String = "", environment: [String: String] = [:],
        folder: URL? = nil, outputTo path: String? = nil
    ) throws {
        let scratch = FileManager.default.temporaryDirectory.appending(
            path: "ofa-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        let files = ["in", "out", "err"].map { scratch.appending(path: $0) }
        try Data(input.utf8).write(to: files[0])
        for file in files.dropFirst() { try Data().write(to: file) }

        let process = Process()
        process.executableURL = Self.binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = folder ?? scratch
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(
            forWritingTo: path.map { URL(filePath: $0) } ?? files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()

        status = process.terminationStatus
        output = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
        errors = String(decoding: try Data(contentsOf: files[2]), as: UTF8.self)
        try FileManager.default.removeItem(at: scratch)
    }

    /// The `ofa` in the build folder of the tests.
    public static var binary: URL { binary(named: "ofa") }

    /// Returns the path of a program of this package in the build folder of the tests.
    public static func binary(named name: String) -> URL {
        let tests = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appending(path: name)
    }

    /// The lines of standard output that are not empty.
    public var lines: [String] { output.split(separator: "\n").map(String.init) }
}
