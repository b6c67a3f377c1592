// `ofa doctor`: checks that this machine can run pipelines, and prints remedies. It changes and starts nothing.

import ArgumentParser
import Foundation

/// Checks this machine.
struct DoctorCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this machine: database, engine, data sets, disk, clock, energy counters.",
        discussion: """
            Every check is ok, warn or fail; the last two have a remedy. The exit code is 1 if a check fails.

            Example:
              ofa doctor
              ofa doctor --json
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Runs all checks and prints their results; exit code 1 if a check fails.
    mutating func run() throws {
        let checks = DoctorChecks(database: database).all()
        let worst = checks.map(\.state).max() ?? .ok
        try Output.answer(Answer(state: worst, checks: checks), output) {
            var table = Table(.text("CHECK"), .text("STATE"), .wrapping("FOUND"))
            table.rows = checks.map { [$0.name, $0.state.rawValue, $0.detail] }
            try Output.table(table)
            for check in checks where check.state != .ok {
                if let remedy = check.remedy { try Output.line("\(check.name): \(remedy)") }
            }
        }
        if worst == .fail {
            throw CommandFailure.failed(
                "\(checks.filter { $0.state == .fail }.map(\.name).joined(separator: ", ")) failed")
        }
    }

    /// The JSON answer.
    private struct Answer: Encodable {
        let state: DoctorCheck.State
        let checks: [DoctorCheck]
    }
}

/// The result of one check.
struct DoctorCheck: Encodable {
    /// How serious the finding of a check is.
    enum State: String, Encodable, Comparable {
        /// The check found no problem.
        case ok
        /// Commands work, but not as well as they could.
        case warn
        /// Some commands will fail.
        case fail

        /// Compares states; worse states are larger.
        static func < (left: State, right: State) -> Bool {
            func rank(_ state: State) -> Int { state == .ok ? 0 : state == .warn ? 1 : 2 }
            return rank(left) < rank(right)
        }
    }

    /// The check's name.
    let name: String
    /// How serious the finding is.
    let state: State
    /// The finding as text.
    let detail: String
    /// How to fix the problem; nil without a problem, or if no fix is known.
    var remedy: String?

    /// Returns the result of a check that found no problem.
    static func ok(_ name: String, _ detail: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .ok, detail: detail)
    }

    /// Returns the result of a check with state `warn`.
    static func warn(_ name: String, _ detail: String, remedy: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .warn, detail: detail, remedy: remedy)
    }

    /// Returns the result of a check with state `fail`.
    static func fail(_ name: String, _ detail: String, remedy: String?) -> DoctorCheck {
        DoctorCheck(name: name, state: .fail, detail: detail, remedy: remedy)
    }
}
