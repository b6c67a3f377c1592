// RunningCommand: a built program while it runs, so that a test can end or stop it at any moment as a machine would.
import Foundation

/// One `ofa`, or another program of this package, that was started and not waited for.
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

    /// A command that a test forgot does not outlive it.
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

    /// Stops it in the middle of what it does, as a debugger or a frozen machine would.
    public func stop() { kill(processID, SIGSTOP) }
    /// Lets it go on after a stop.
    public func goOn() { kill(processID, SIGCONT) }
    /// Asks it to end in good order.
    public func terminate() { kill(processID, SIGTERM) }

    /// Whether it is stopped, by itself or by the test.
    public var isStopped: Bool {
        // `pid (name) state …`; the name may hold anything, the last parenthesis ends it.
        let data = FileManager.default.contents(atPath: "/proc/\(processID)/stat") ?? Data()
        let text = String(decoding: data, as: UTF8.self)
        return text.split(separator: ")").last?.hasPrefix(" T") ?? false
    }

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
