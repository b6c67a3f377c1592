// A pipeline file as `ofa run` and `ofa enqueue` take it: read and checked as a whole, then
// enqueued with its devices.

import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// The file, what replaces its values, and what its run is called.
struct PipelineOptions: ParsableArguments {
    /// The pipeline file.
    @Argument(help: "The pipeline file.", completion: .file()) var file: String
    /// Values that replace those of the file.
    @Option(
        help: ArgumentHelp(
            "Replace a value of the file, by path; may be repeated.", valueName: "key=value"))
    var set: [String] = []
    /// What the run is called.
    @Option(help: "What the run is called; the file's name for it otherwise.") var name: String?

    /// Reads and checks the file, before any database is touched.
    func checked() throws -> CheckedPipeline {
        let name = try name.map { try ArgumentGate.name($0, "--name") }
        let definition = try PipelineDefinition(path: file, overrides: set)
        var spec = try definition.runSpec()
        if let name { spec.name = name }
        return CheckedPipeline(definition: definition, spec: spec)
    }
}

/// A pipeline that can be enqueued.
struct CheckedPipeline {
    /// What the file says.
    let definition: PipelineDefinition
    /// The run it becomes.
    let spec: RunSpec

    /// Enqueues all of it, and saves its devices where the run is new; an unfinished run of the same file is found
    /// instead of doubled.
    ///
    /// `isHere` says that the run is worked on this machine: data that it lacks is then an error of a new run.
    func enqueue(_ connection: Connection, isHere: Bool) throws -> EnqueuedRun {
        let known = try JobQueue(connection).unfinishedRun(
            name: spec.name, definitionHash: spec.definitionHash)
        if known == nil { try tell(isHere: isHere) }
        // A run that only goes on must not put back limits that were changed since it began.
        return try EnqueuedRun(spec, JobQueue(connection), alongside: saveDevices)
    }

    /// Says what the file may not mean, and what of its data this machine lacks: another may have it. Data that are here
    /// and contradict the file are an error.
    func tell(isHere: Bool) throws {
        for note in definition.notes { Output.note("note: \(note)") }
        for line in definition.missingData() {
            if isHere { throw CommandFailure.failed(line) }
            Output.note("note: \(line); the worker that takes the stage must have it")
        }
        for warning in try definition.checkData() { Output.note(warning) }
    }

    /// Saves the devices of the file.
    func saveDevices(_ connection: Connection) throws {
        let devices = DeviceStore(connection)
        // In order of their names: two runs enqueued at the same time would otherwise wait for each other's rows.
        for device in definition.devices.values.sorted(by: { $0.name < $1.name }) {
            try devices.save(device)
        }
    }

    /// The same with the stages that need no other not starting before a time.
    func starting(at date: Date, now: Date) -> CheckedPipeline {
        var later = spec
        let delay = max(0, date.timeIntervalSince(now))
        for stage in later.stages.indices where later.stages[stage].needs.isEmpty {
            for job in later.stages[stage].jobs.indices {
                later.stages[stage].jobs[job].delaySeconds = delay
            }
        }
        return CheckedPipeline(definition: definition, spec: later)
    }
}

/// A run that is in the queue.
struct EnqueuedRun: Encodable {
    /// Its number.
    let run: RunID
    /// Its name.
    let name: String
    /// How many stages it has.
    let stages: Int
    /// Whether it was not in the queue before.
    let isNew: Bool

    private enum CodingKeys: String, CodingKey {
        case run, name, stages
        case isNew = "new"
    }

    /// Enqueues a run, with `body` in the same transaction, or finds the unfinished one of the same definition.
    init(
        _ spec: RunSpec, _ queue: JobQueue, alongside body: (Connection) throws -> Void = { _ in }
    ) throws {
        let enqueued = try queue.enqueue(spec, alongside: body)
        (run, isNew) = (enqueued.run, enqueued.isNew)
        name = spec.name
        stages = spec.stages.count
    }

    /// Says on standard error which run it is.
    func note() {
        Output.note(
            isNew
                ? "run \(run): \(name), \(stages) stages"
                : "run \(run): \(name), going on where it stopped")
    }
}
