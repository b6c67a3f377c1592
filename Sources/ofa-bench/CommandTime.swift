// CommandTime: times a command of the `ofa` beside this program.
import Foundation
import Postgres

/// The time that a command takes.
struct CommandTime: Encodable {
    /// The command.
    let command: String
    /// Fastest and median seconds of a few runs, from the start of the process to its end.
    let seconds, medianSeconds: Double

    /// Runs and times a command of the `ofa` in this program's folder, which uses the database `url`. Exit code 2,
    /// which means that a checked condition is not true, is allowed.
    init(_ arguments: [String], url: String, runs: Int = 3) throws {
        let ofa = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appending(path: "ofa").path
        let child = ChildProcess(environment: ["OFA_DATABASE_URL": url])
        var seconds: [Double] = []
        for _ in 0..<runs {
            let begun = ContinuousClock.now
            let outcome = try child.run([ofa] + arguments)
            seconds.append((ContinuousClock.now - begun) / .seconds(1))
            guard [0, 2].contains(outcome.exitCode) else {
                throw BenchError("ofa \(arguments.joined(separator: " ")): \(outcome.output)")
            }
        }
        command = arguments.filter { $0 != "--json" }.joined(separator: " ")
        self.seconds = seconds.min() ?? 0
        medianSeconds = Statistics(seconds).median
    }
}
