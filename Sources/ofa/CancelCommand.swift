// `ofa cancel`: cancels a run.

import ArgumentParser
import Jobs

/// Cancels a run.
struct CancelCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel a run: waiting jobs end at once, running ones are asked to stop.",
        discussion: "Example:\n  ofa cancel 3")

    /// The run.
    @Argument(
        help: ArgumentHelp("The run's number.", valueName: "run"), completion: .runs,
        transform: Number.id)
    var runID: Int64
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Cancels the run; exit code 2 if there is no such run.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting(takesLong: true))
        let state = try queue.run(runID).state
        guard state == .running else {
            throw CommandFailure.failed("run \(runID) has ended already: it is \(state.rawValue)")
        }
        try queue.cancel(run: runID)
        let after = try queue.run(runID).state
        try Output.answer(["state": after.rawValue], output) {
            try Output.line(
                after == .running
                    ? "run \(runID): its running jobs were asked to stop"
                    : "run \(runID) is \(after.rawValue)")
        }
    }
}
