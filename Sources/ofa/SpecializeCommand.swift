// `ofa specialize`: networks for new devices from a supernet that is there already. Nothing is
// trained.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// Cuts networks for devices.
struct SpecializeCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "specialize",
        abstract: "Cut networks for new devices from a trained supernet; nothing is trained.",
        discussion: """
            Searches the supernet for the best network within each device's limits, gives it its own weights and \
            measures it on the test images. Limits given here hold for this time only, for every device named.

            Example:
              ofa device add watch --kind phone --max-macs 3000000
              ofa specialize --device watch --wait
            """)

    /// The devices.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("The devices, by name; more may follow.", valueName: "name"))
    var device: [String]
    /// The run whose supernet is cut.
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "The run whose supernet is cut; the newest that has one otherwise.", valueName: "run"))
    var runID: Int64?
    /// Another supernet than the run's.
    @Option(help: ArgumentHelp("Cut this supernet instead, by artifact.", valueName: "artifact"))
    var supernet: String?
    /// Another predictor than the run's.
    @Option(
        help: ArgumentHelp(
            "Search with this predictor instead, by artifact.", valueName: "artifact"))
    var predictor: String?
    /// Limits that replace those of the devices.
    @OptionGroup var limits: LimitOptions
    /// Whether to work it here.
    @Flag(help: "Work it here, and print the networks when they are there.") var wait = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a device named twice.
    mutating func validate() throws {
        guard Set(device).count == device.count else {
            throw ValidationError("--device names a device twice")
        }
    }

    /// Enqueues the search; with `--wait` works it and prints its networks. Exit code 2 for limits
    /// no network meets.
    mutating func run() throws {
        let url = try database.url()
        let connection = try database.connect(url)
        let devices = try device.map { name in
            let stored = try DeviceCommand.find(name, connection)
            return stored.limited(to: limits.replacing(stored.target.limits))
        }
        var sources = try Specialization.sources(connection, run: runID)
        for (role, reference) in [(ArtifactRole.supernet, supernet), (.predictor, predictor)] {
            if let reference { sources = try sources.replacing(role, with: reference, connection) }
        }
        let queue = JobQueue(connection)
        let run = try EnqueuedRun(try Specialization.runSpec(devices, from: sources), queue)
        run.note()
        guard wait else {
            return try Output.answer(run, output) { try Output.line(String(run.run)) }
        }
        try RunWatch(url: url, connection: connection, run: run.run).untilEnded()
        let report = try RunReport(
            connection, run: run.run, factors: try FactorSet.load(connection))
        try Output.answer(report, output) { try ReportPrinter.show(report) }
        if report.run.state != .completed { throw try failure(queue.runStatus(run.run)) }
    }

    /// What went wrong: that no network meets a device's limits comes before everything else.
    private func failure(_ status: RunStatus) -> CommandFailure {
        let problems = status.stages.filter { $0.state == .failed }.compactMap(\.problem)
        let infeasible = problems.filter(StageFailure.isInfeasible)
        guard infeasible.isEmpty else { return .notFound(infeasible.joined(separator: "\n")) }
        return .failed(
            "run \(status.run.id) \(status.run.state.rawValue): \(problems.first ?? "see ofa status \(status.run.id)")"
        )
    }
}
