// RunningCommand: a running program, which a test can stop, terminate or kill at any time.
import Foundation

/// A started `ofa` or other program of this package.
public final class RunningCommand {
    private let process = Process()
    private let scratch: URL

    /// Starts a program with these arguments; `environment` is added to that of the tests.
    public init(
        program: String = "ofa", _ arguments: [String], environment: [String: String] = [:]
    ) throws {
        scratch = FileManager.default.temporaryDirectory.appending(path: "ofa-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        let files = ["out", "err"].map { scratch.appending(path: $0) }
        for file in files { try Data().write(to: file) }
        process.executableURL = CommandRun.binary(named: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = scratch
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
    }

    /// Ends a command that a test left running.
    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        do { try FileManager.default.removeItem(at: scratch) } catch {
            print("\(scratch.path) stays: \(error)")
        }
    }

    /// Whether it has not ended yet.
    public var isRunning: Bool { process.isRunning }

    /// Its process number.
    public var processID: Int32 { process.processIdentifier }

    /// Freezes it (SIGSTOP), as a debugger or a paused machine would.
    public func stop() { kill(processID, SIGSTOP) }
    /// Continues it after a stop.
    public func goOn() { kill(processID, SIGCONT) }
    /// Asks it to end (SIGTERM).
    public func terminate() { kill(processID, SIGTERM) }

    /// Whether it is stopped (SIGSTOP).
    public var isStopped: Bool {
        // `pid (name) state …`; the name may contain anything and ends at the last parenthesis.
        let data = FileManager.default.contents(atPath: "/proc/\(processID)/stat") ?? Data()
        let text = String(decoding: data, as: UTF8.self)
        return text.split(separator: ")").last?.hasPrefix(" T") ?? false
    }

    /// Kills it (SIGKILL), as a power cut would, and waits for its end.
    public func killNow() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for its end and returns its exit code.
    public func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Its standard error so far.
    public var errors: String { said("err") }
    /// Its standard output so far.
    public var output: String { said("out") }

    private func said(_ name: String) -> String {
        String(
            decoding: FileManager.default.contents(atPath: scratch.appending(path: name).path)
                ?? Data(), as: UTF8.self)
    }
}
