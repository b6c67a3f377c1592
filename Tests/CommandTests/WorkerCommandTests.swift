// `ofa worker` and the signals it gets.
import Foundation
import TestSupport
import Testing

@Suite struct WorkerCommandTests {
    @Test("SIGTERM drains a worker: it ends with exit code 0 and says so")
    func drain() throws {
        let place = try CommandPlace()
        let process = Process()
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = CommandRun.binary
        process.arguments = ["worker", "--json"]
        process.environment = ProcessInfo.processInfo.environment.merging(place.environment) { $1 }
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // It says that it works when it is ready for signals.
        var said = ""
        while !said.contains("Ctrl-C drains") {
            let more = errors.fileHandleForReading.availableData
            if more.isEmpty { break }
            said += String(decoding: more, as: UTF8.self)
        }
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 0)
        let answer = try output.fileHandleForReading.readToEnd()
        #expect(
            String(decoding: answer ?? Data(), as: UTF8.self) == #"{"drained":true,"runs":[]}"#
                + "\n")
    }
}
