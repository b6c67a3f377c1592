// RunningCommand: a running program, which a test can stop, terminate or kill at any time.
import Foundation

/// A started `ofa` or other program of this package.
public final class RunningCommand {
    private let process = Process()
    private let scratch: URL

    /// Starts a program with `arguments`; `environment` is added to the environment of the tests.
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

    /// Whether the program has not ended yet.
    public var isRunning: Bool { process.isRunning }

    /// The program's process number.
    public var processID: Int32 { process.processIdentifier }

    /// Freezes the program (SIGSTOP), as a debugger or a paused machine would.
    public func stop() { kill(processID, SIGSTOP) }
    /// Continues the program after `stop`.
    public func goOn() { kill(processID, SIGCONT) }
    /// Asks the program to end (SIGTERM).
    public func terminate() { kill(processID, SIGTERM) }

    /// Whether the program is stopped (SIGSTOP).
    public var isStopped: Bool {
        // `pid (name) state …`; the name may contain anything and ends at the last parenthesis.
        let data = FileManager.default.contents(atPath: "/proc/\(processID)/stat") ?? Data()
        let text = String(decoding: data, as: UTF8.self)
        return text.split(separator: ")").last?.hasPrefix(" T") ?? false
    }

    /// Kills the program (SIGKILL), as a power cut would, and waits for its end.
    public func killNow() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for the program's end and returns its exit code.
    public func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The program's standard error so far.
    public var errors: String { said("err") }
    /// The program's standard output so far.
    public var output: String { said("out") }

    private func said(_ name: String) -> String {
        String(
            decoding: FileManager.default.contents(atPath: scratch.appending(path: name).path)
                ?? Data(), as: UTF8.self)
    }
}
