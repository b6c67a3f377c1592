// The pipeline file of `ofa run` and `ofa enqueue`: parsed and validated as a whole, then enqueued
// with its devices.

import Accounting
import ArgumentParser
import Foundation
import Jobs
import Pipelines
import Postgres

/// The file, overrides of its values, and the run's name.
struct PipelineOptions: ParsableArguments {
    /// The pipeline file.
    @Argument(help: "The pipeline file.", completion: .file()) var file: String
    /// Overrides of the file's values.
    @Option(
        help: ArgumentHelp(
            "Replace a value of the file, by path; may be repeated.", valueName: "key=value"))
    var set: [String] = []
    /// The run's name.
    @Option(help: "The run's name; by default the file's.") var name: String?
    /// Whether the start may wait.
    @OptionGroup var deferral: DeferralOptions

    /// Parses and validates the file without using a database.
    func checked() throws -> CheckedPipeline {
        let name = try name.map { try ArgumentGate.name($0, "--name") }
        let definition = try PipelineDefinition(path: file, overrides: set)
        return try CheckedPipeline(
            definition, name: name, deferral: deferral.merged(definition.deferral))
    }
}

/// A validated pipeline.
struct CheckedPipeline {
    /// The file's content.
    let definition: PipelineDefinition
    /// The run that is enqueued.
    private(set) var spec: RunSpec
    /// What is asked for if the start may wait; nil if it may not.
    let deferral: Deferral?
    /// How long the first stages wait before they start, in seconds.
    private var delaySeconds = 0.0

    /// Takes a file; `name` replaces the name of its runs, and `deferral` says within which times their start may wait.
    init(_ definition: PipelineDefinition, name: String? = nil, deferral: Deferral? = nil) throws {
        self.definition = definition
        self.deferral = deferral
        spec = try definition.runSpec()
        if let name { spec.name = name }
    }

    /// Returns the pipeline with the artifacts that the file names looked up; unchanged if an unfinished run of the file
    /// goes on, which has looked them up. Errors: those of `PipelineDefinition.withArtifacts`.
    func withArtifacts(_ connection: Connection) throws -> CheckedPipeline {
        guard definition.namesArtifacts, try hashOfUnfinished(connection) == nil else {
            return self
        }
        return try CheckedPipeline(
            definition.withArtifacts(connection), name: spec.name, deferral: deferral
        ).delayed(by: delaySeconds)
    }

    /// The run that was to go on ended before the new one was enqueued.
    private struct RunEnded: Error {}

    /// Returns the hash under which an unfinished run of the same name and file is stored, which is `formerHash` if an earlier
    /// version enqueued it; nil if there is none.
    private func hashOfUnfinished(_ connection: Connection) throws -> String? {
        let queue = JobQueue(connection)
        return try [definition.hash, definition.formerHash].compactMap(\.self).first {
            try queue.unfinishedRun(name: spec.name, definitionHash: $0) != nil
        }
    }

    /// Enqueues the run and saves the file's devices, or returns an unfinished run of the same name and file. With
    /// `isHere`, the run is executed on this machine, so missing data are an error for a new run. `workers` is the number of jobs
    /// that will run at once; nil for the slots of the living workers.
    func enqueue(_ connection: Connection, isHere: Bool, workers: Int? = nil) throws -> EnqueuedRun
    {
        let known = try hashOfUnfinished(connection)
        if known == nil, definition.needsArtifacts {
            // The run that was to go on has ended since then.
            return try withArtifacts(connection).enqueue(
                connection, isHere: isHere, workers: workers)
        }
        if known == nil { try tell(isHere: isHere) }
        let zone = try deferral.map { _ in try StartText.zone(connection) }
        var spec = spec
        if let known { spec.definitionHash = known }
        do {
            // This is called only for a new run: a resumed run must not reset limits that were changed after the run
            // began.
            var enqueued = try EnqueuedRun(spec, JobQueue(connection)) { connection in
                guard !definition.needsArtifacts, spec.definitionHash == definition.hash else {
                    throw RunEnded()
                }
                try definition.holdArtifacts(connection)
                try saveDevices(connection)
                guard let deferral, let zone else { return }
                _ = try DeferralLedger(connection).begin(
                    name: spec.name, definitionHash: spec.definitionHash, deferral, zone: zone,
                    workers: workers)
            }
            enqueued.deferred = try DeferralLedger(connection).deferred(enqueued.run)
            if !enqueued.isNew, let waiting = enqueued.deferred { try check(waiting) }
            return enqueued
        } catch is RunEnded {
            return try enqueue(connection, isHere: isHere, workers: workers)
        }
    }

    /// Refuses to go on with a run that waits for its start and asks for another start than this.
    private func check(_ waiting: DeferredRun) throws {
        guard waiting.waits else { return }
        func text(_ asked: Deferral) -> String {
            let parts = [
                asked.earliest.map { "the earliest start \($0.formatted(.iso8601))" },
                "the deadline \(asked.deadline.formatted(.iso8601))",
                asked.seconds.map { "the duration \(Format.duration($0))" },
            ]
            return parts.compactMap(\.self).joined(separator: ", ")
        }
        if let deferral, deferral.isSame(as: waiting.deferral) { return }
        let run = waiting.run
        throw CommandFailure.failed(
            "run \(run) of this file waits until \(waiting.startsAt.formatted(.iso8601)), as it was enqueued with"
                + " \(text(waiting.deferral)): \(deferral.map(text) ?? "a start at once") has no effect",
            remedy:
                "ask for the same as before to go on with it, or end it with ofa cancel \(run) and enqueue again",
            code: "wrong_state")
    }

    /// Prints notes about the file, and which of the file's data this machine lacks. Throws if data on this machine
    /// contradict the file or, with `isHere`, if data are missing.
    func tell(isHere: Bool) throws {
        for note in definition.notes { Output.note("note: \(note)") }
        for line in definition.missingData() {
            if isHere {
                // A line of `missingData` begins with the key whose value is the folder of the missing data.
                throw CommandFailure.failed(
                    line, remedy: "say where the data are: --set \(line.prefix { $0 != ":" })=PATH")
            }
            Output.note("note: \(line); the worker that takes the stage must have it")
        }
        for warning in try definition.checkData() { Output.note(warning) }
    }

    /// Saves the devices of the file.
    func saveDevices(_ connection: Connection) throws {
        let devices = DeviceStore(connection)
        // Devices are saved in the order of their names, so that two concurrent enqueues cannot
        // deadlock on device rows.
        for device in definition.devices.values.sorted(by: { $0.name < $1.name }) {
            try devices.save(device)
        }
    }

    /// Returns a copy whose first stages start no earlier than `date`.
    func starting(at date: Date, now: Date) -> CheckedPipeline {
        delayed(by: max(0, date.timeIntervalSince(now)))
    }

    private func delayed(by seconds: Double) -> CheckedPipeline {
        guard seconds > 0 else { return self }
        var later = self
        later.delaySeconds = seconds
        for stage in spec.stages.indices where spec.stages[stage].needs.isEmpty {
            for job in spec.stages[stage].jobs.indices {
                later.spec.stages[stage].jobs[job].delaySeconds = seconds
            }
        }
        return later
    }
}

/// An enqueued run.
struct EnqueuedRun: Encodable {
    /// The run's number.
    let run: RunID
    /// The run's name.
    let name: String
    /// The run's number of stages.
    let stages: Int
    /// Whether the run was created now; false if an unfinished run was found.
    let isNew: Bool
    /// When the run starts and why, if its start may wait; nil for other runs.
    var deferred: DeferredRun?

    private enum CodingKeys: String, CodingKey {
        case run, name, stages, start
        case isNew = "new"
    }

    /// Encodes the run, with its planned start as `start`: null for a run whose start may not wait.
    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(run, forKey: .run)
        try fields.encode(name, forKey: .name)
        try fields.encode(stages, forKey: .stages)
        try fields.encode(isNew, forKey: .isNew)
        try fields.encode(deferred?.plan, forKey: .start)
    }

    /// Enqueues a run and calls `body` in the same transaction, or finds an unfinished run of the same name and
    /// definition.
    init(
        _ spec: RunSpec, _ queue: JobQueue, alongside body: (Connection) throws -> Void = { _ in }
    ) throws {
        let enqueued = try queue.enqueue(spec, alongside: body)
        (run, isNew) = (enqueued.run, enqueued.isNew)
        name = spec.name
        stages = spec.stages.count
    }

    /// Prints the run's number on standard error.
    func note() {
        Output.note(
            isNew
                ? "run \(run): \(name), \(stages) stages"
                : "run \(run): \(name), resuming")
    }

    /// Prints on standard error when the run starts, if it waits; `isAsked` says whether the command asked for that.
    func noteStart(isAsked: Bool) {
        guard let deferred, let plan = deferred.plan, isNew || deferred.waits else {
            if isAsked { Output.note("run \(run) is unfinished and does not wait for its start") }
            return
        }
        Output.note("run \(run) \(StartText.line(plan, now: deferred.asOf))")
    }
}
