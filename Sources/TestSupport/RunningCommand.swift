// RunningCommand: the built `ofa` while it runs, so that a test can end it at any moment as a machine would.
import Foundation

/// One `ofa` that was started and not waited for.
public final class RunningCommand {
    private let process = Process()
    private let scratch: URL

    /// Starts `ofa` with these arguments; `environment` is added to that of the tests.
    public init(_ arguments: [String], environment: [String: String] = [:]) throws {
        scratch = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        let files = ["out", "err"].map { scratch.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        process.executableURL = CommandRun.binary
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = scratch
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
    }

    /// A command that a test forgot does not outlive it.
    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        do { try FileManager.default.removeItem(at: scratch) } catch {
            print("\(scratch.path) stays: \(error)")
        }
    }

    /// Whether it has not ended yet.
    public var isRunning: Bool { process.isRunning }

    /// Ends it as a power cut would, without a last word, and waits until it is gone.
    public func killNow() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for its own end and returns its exit code.
    public func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// What it has said on standard error so far.
    public var errors: String { said("err") }
    /// What it has said on standard output so far.
    public var output: String { said("out") }

    private func said(_ name: String) -> String {
        String(
            decoding: FileManager.default.contents(atPath: scratch.appending(path: name).path)
                ?? Data(), as: UTF8.self)
    }
}
