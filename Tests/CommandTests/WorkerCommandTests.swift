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
            String(decoding: answer ?? Data(), as: UTF8.self)
                == #"{"drained":true,"failed":[],"runs":[]}"#
                + "\n")
    }

    @Test("a worker tells which run failed, by which job and why, though it failed in an instant")
    func failures() throws {
        // The folder of the images does not exist.
        let place = try CommandPlace()
        let before = try place.ofa("enqueue", "tiny.yaml")
        #expect(before.status == 0)
        let run = try place.ofa("worker", "--until-idle", "--json")
        #expect(run.status == 0)
        #expect(run.output == #"{"drained":false,"failed":[1],"runs":[1]}"# + "\n")
        let told = run.errors.split(separator: "\n").filter { $0.hasPrefix("run 1 failed: job ") }
        #expect(told.count == 1 && told[0].contains("stage data: "), "\(run.errors)")
        #expect(told.first?.hasSuffix("see ofa job show 1") == true)
        // What was over before is not told again.
        let later = try place.ofa("worker", "--until-idle")
        #expect(!later.errors.contains("failed"))
    }

    @Test(
        "a second signal ends a worker that waits for the database, whichever of the two it is",
        arguments: [SIGTERM, SIGINT])
    func secondSignal(second: Int32) throws {
        let place = try CommandPlace()
        let holder = try place.database.connect()
        try holder.transaction { holder in
            // Its session cannot be opened: the first signal finds it where nothing is asked.
            try holder.script("lock table ofa.session in access exclusive mode")
            let worker = try RunningCommand(["worker"], environment: place.environment)
            wait(for: "Ctrl-C drains", worker)
            worker.terminate()
            wait(for: "again to stop at once", worker)
            kill(worker.processID, second)
            #expect(worker.wait() == second)
        }
    }

    private func wait(for text: String, _ worker: RunningCommand) {
        let deadline = ContinuousClock.now + .seconds(60)
        while !worker.errors.contains(text), worker.isRunning, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(worker.errors.contains(text), "\(worker.errors)")
    }
}
