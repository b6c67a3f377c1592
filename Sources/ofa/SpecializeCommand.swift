// `ofa specialize`: makes networks for new devices from an existing supernet, without training or with a short one of
// each network.

import Accounting
import ArgumentParser
import Devices
import Foundation
import Jobs
import Pipelines
import Postgres

/// Specialises networks for devices.
struct SpecializeCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "specialize",
        abstract: "Specialise networks for new devices from a trained supernet, without training.",
        discussion: """
            Searches the supernet for the best network within each device's limits, extracts its weights, measures its \
            accuracy and, for this computer, its latency, and ends with a report of predicted and measured figures, \
            limits, the front, and costs. Several devices are parallel branches of one run. Limits given here apply to \
            this run only, and to every device named; with --budget every device gets a network for each budget.

            With --fine-tune each network is also trained alone, as the last phase of its supernet was. Of the networks \
            before and after, the report has both, and the better one on held-out images is kept.

            Example:
              ofa device add watch --kind phone --max-macs 3000000
              ofa specialize --device watch --wait --html watch.html
              ofa specialize --device watch my-board --wait
              ofa specialize --device watch --budget max-macs=2000000 --budget max-macs=4000000,max-flash-kb=900
              ofa specialize --device watch --fine-tune 2 --wait
            """)

    /// The devices.
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The devices, by name; more may follow, and the option may be repeated.",
            valueName: "name"), completion: .devices)
    var device: [String]
    /// Sets of limits; each device gets one network for each set.
    @Option(
        help: ArgumentHelp(
            "Make a network for these limits, such as max-macs=3000000,max-flash-kb=200, which override the device's; may be repeated, one network each.",
            valueName: "limits"))
    var budget: [String] = []
    /// The run whose supernet is used; nil for the newest run that has one.
    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "The run whose supernet to use; by default the newest with one.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The artifact of the supernet to use instead of the run's.
    @Option(
        help: ArgumentHelp("Use this supernet instead, by artifact.", valueName: "artifact"),
        completion: .artifacts)
    var supernet: String?
    /// The artifact of the predictor to use instead of the run's.
    @Option(
        help: ArgumentHelp(
            "Search with this predictor instead, by artifact.", valueName: "artifact"),
        completion: .artifacts)
    var predictor: String?
    /// Limits that replace the devices' limits.
    @OptionGroup var limits: LimitOptions
    /// Whether to execute the run in this process.
    @Flag(help: "Execute it here and print the networks.") var wait = false
    /// The maximum number of devices that are processed at the same time.
    @Option(
        help: ArgumentHelp(
            "With --wait: the number of concurrent devices; by default this machine's processors.",
            valueName: "n"), transform: Number.whole(1...64))
    var workers: Int?
    /// The HTML file of the report; nil for none.
    @Option(
        help: ArgumentHelp(
            "With --wait: write the report to this file as a self-contained page; - is standard output.",
            valueName: "file"), completion: .file())
    var html: String?
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// Whether to measure on held-out images even if the mean difference between held-out and test accuracy is known.
    @Flag(
        help:
            "Measure on held-out images too, even if the run's test offset is known; costs half as much again."
    )
    var measureHeldOut = false
    /// The epochs of training each network; nil for no training.
    @Option(
        help: ArgumentHelp(
            "Train each network further for so many epochs; the better one on held-out images is kept.",
            valueName: "epochs"),
        transform: Number.real(0.001...10_000))
    var fineTune: Double?
    /// The peak learning rate of that training.
    @Option(
        help: ArgumentHelp(
            "With --fine-tune: the peak learning rate; by default a tenth of that of the supernet's last phase.",
            valueName: "rate"),
        transform: Number.real(1e-6...100))
    var fineTuneRate: Double?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses repeated devices, invalid budgets, and options that need `--wait`.
    mutating func validate() throws {
        guard Set(device).count == device.count else {
            throw ValidationError("--device names a device twice")
        }
        guard Set(budget).count == budget.count else {
            throw ValidationError("--budget names the same limits twice")
        }
        _ = try budget.map(Budget.init)
        if fineTuneRate != nil, fineTune == nil {
            throw ValidationError("--fine-tune-rate is for --fine-tune", remedy: "give it too")
        }
        if !wait, html != nil || workers != nil {
            throw ValidationError(
                "--html and --workers are for --wait",
                remedy: "give it too, or write the page later with ofa report RUN --html FILE"
            )
        }
    }

    /// Enqueues the run; with `--wait` executes the run and prints the report. Exit code 2 if no network meets a
    /// device's limits, or if a network of the run exceeds a limit.
    mutating func run() throws {
        let page = try html.map { try OutputFile($0, files, output) }
        let url = try database.url()
        let connection = try database.connect(url)
        let targets = try targets(connection)
        var sources = try Specialization.sources(
            connection, run: runID, supernet: supernet, predictor: predictor,
            withEightBits: targets.contains { $0.target.bits == 8 }, note: Output.note)
        if measureHeldOut { sources = sources.measuringHeldOut }
        let room = room(for: targets.count)
        let queue = JobQueue(connection)
        let plan = try PlannedSpecialization(
            targets, from: sources, connection, timingThreads: wait ? room.threads : nil,
            fineTuning: try fineTune.map {
                try Specialization.fineTuning(
                    epochs: $0, learningRate: fineTuneRate, of: sources, connection,
                    note: Output.note)
            }, note: Output.note)
        let devices = plan.devices
        let run = try EnqueuedRun(plan.spec, queue) { try plan.save($0) }
        run.note()
        guard wait else {
            return try Output.answer(run, output) { try Output.line(String(run.run)) }
        }
        let factors = try FactorSet.load(connection)
        let forecast = try RunForecast(
            run: run.run, queue: queue,
            usual: try CostLedger(connection).secondsByKind(),
            workers: room.slots)
        try RunWatch(url: url, connection: connection, run: run.run, room: room).untilEnded(
            telling: SpecializeProgress(devices: devices.map(\.target.name), forecast: forecast) {
                device in
                try Specialization.figures(ofDevice: device, run: run.run, queue)?.limitRows
                    .contains { $0.isMet == false } ?? false
            })
        let report = try RunReport(connection, run: run.run, factors: factors)
        if let page { try ReportPrinter.write(report, to: page) }
        if page?.isStandardOutput != true {
            try Output.answer(report, output) { try ReportPrinter.show(report) }
        }
        if report.run.state != .completed { throw failure(report) }
        if let unmet = ReportPrinter.unmet(report) { throw CommandFailure.notTrue(unmet) }
    }

    /// Returns the devices with the limits of this run. With budgets, each device is returned once per budget.
    private func targets(_ connection: Connection) throws -> [StoredDevice] {
        let budgets = try budget.map(Budget.init)
        return try device.flatMap { name in
            let stored = try DeviceCommand.find(name, connection)
            let device = stored.limited(to: limits.replacing(stored.target.limits))
            return budgets.isEmpty ? [device] : budgets.map { $0.applied(to: device) }
        }
    }

    /// Returns the resources of this process with `workers` slots. The default is one slot per branch (device), but not
    /// more slots than processors.
    private func room(for branches: Int) -> HostRoom {
        HostRoom(slots: workers ?? max(1, min(branches, HostRoom.machineThreads)))
    }

    /// Returns the error for a run that did not complete: exit code 2 if no network meets a device's limits, else 1.
    private func failure(_ report: RunReport) -> CommandFailure {
        let problems = report.problems.filter { $0.state == .failed }.map(\.reason)
        let infeasible = problems.filter(StageFailure.isInfeasible)
        guard infeasible.isEmpty else { return .notFound(infeasible.joined(separator: "\n")) }
        return .failed(
            "run \(report.run.id) \(report.run.state.rawValue)"
                + (problems.first.map { ": \($0)" } ?? ""),
            remedy: "see ofa status \(report.run.id)"
        )
    }
}
