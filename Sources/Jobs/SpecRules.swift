// Checks the texts and numbers of a run and its jobs before anything is written. The database would
// refuse the same values later, with an error that names neither run nor stage.

import Foundation
import Intake

extension RunSpec {
    /// The largest definition, in bytes. A pipeline file has at most 64 KiB, but the definition of
    /// a run for many devices lists all these devices.
    private static let maxDefinitionBytes = 1 << 20

    /// Checks the run, and returns it with its names in Unicode NFC.
    ///
    /// Errors: `invalidRun`, naming the stage and the field.
    func checked() throws -> RunSpec {
        var run = self
        run.name = try Self.checked("the name of the run", name)
        run.definitionHash = try Self.checked("the definition's hash", definitionHash)
        let what = "the definition of run \(run.name)"
        guard definition.utf8.count <= Self.maxDefinitionBytes else {
            throw JobsError(
                .invalidRun,
                "\(what) has \(definition.utf8.count) bytes; at most \(Self.maxDefinitionBytes) are allowed"
            )
        }
        if !definition.isEmpty { run.definition = try Self.checked(what, definition, .result) }
        run.stages = try stages.map { stage in
            var stage = stage
            let place = "run \(run.name), stage \(Shown.excerpt(stage.name))"
            stage.name = try Self.checked("\(place): its name", stage.name, .composed)
            stage.needs = try stage.needs.map {
                try Self.checked("\(place): the name of a stage that it needs", $0, .composed)
            }
            stage.onBad = try Dictionary(
                stage.onBad.map {
                    (try Self.checked("\(place): a name in on_bad", $0.key, .composed), $0.value)
                }, uniquingKeysWith: { first, _ in first })
            stage.jobs = try stage.jobs.map { try $0.checked(place, .arguments) }
            return stage
        }
        return run
    }

    /// Checks `text` by `rule`. The default is the rule for stored names, because the name may come
    /// from a device or a recurring run that an older version of this program stored. A new name
    /// was already checked, by the stricter rule for new names, when the user entered it.
    fileprivate static func checked(
        _ what: String, _ text: String, _ rule: TextRule = .name.stored
    ) throws -> String {
        do {
            return try rule.checked(text)
        } catch {
            throw JobsError(.invalidRun, "\(what) \(error.reason)", remedy: error.remedy)
        }
    }
}

extension JobSpec {
    /// Checks the job, and returns it with its names in Unicode NFC. `argumentsRule` is the rule
    /// for the job's arguments; error messages begin with `place`.
    ///
    /// Errors: `invalidRun`, naming the field.
    func checked(_ place: String, _ argumentsRule: JSONRule) throws -> JobSpec {
        var job = self
        job.kind = try RunSpec.checked("\(place): the kind of a job", kind)
        job.queue = try RunSpec.checked("\(place): the queue of a job", queue)
        job.key = try key.map { try RunSpec.checked("\(place): the key of a job", $0) }
        job.uniqueKey = try uniqueKey.map {
            try RunSpec.checked("\(place): the unique key of a job", $0)
        }
        job.requires = Set(
            try requires.map { try RunSpec.checked("\(place): what a job requires", $0) }
        ).sorted()
        job.device = try device.map { try RunSpec.checked("\(place): the device of a job", $0) }
        do {
            try argumentsRule.check(args)
        } catch {
            throw JobsError(
                .invalidRun, "\(place): the arguments of a job: the text \(error.reason)",
                remedy: error.remedy)
        }
        let most = Int(Int32.max)
        for (what, number, range) in [
            ("priority", priority, -most...most), ("maxAttempts", maxAttempts, 1...most),
            ("maxCrashes", maxCrashes, 0...most), ("threads", threads, 0...most),
            ("memoryMB", memoryMB, 0...most),
        ] where !range.contains(number) {
            throw JobsError(
                .invalidRun,
                "\(place): \(what) of a job is \(number); it must lie in \(range.lowerBound)...\(range.upperBound)"
            )
        }
        // Within these ranges, PostgreSQL's intervals and times do not overflow.
        for (what, seconds, range) in [
            ("timeoutSeconds", timeoutSeconds, 1e-6...3.2e9),
            ("stallSeconds", stallSeconds, 1e-6...3.2e9),
            ("delaySeconds", delaySeconds, 0...3.2e11),
        ] {
            guard let seconds, !range.contains(seconds) else { continue }
            throw JobsError(
                .invalidRun,
                "\(place): \(what) of a job is \(seconds); it must lie in \(range.lowerBound)...\(range.upperBound)"
            )
        }
        return job
    }
}

/// The error for a handler's output that cannot be stored. It is permanent, because a retry would
/// return the same output.
struct UnstorableOutput: PermanentError, CustomStringConvertible {
    let description: String

    /// Throws `UnstorableOutput` if the job's result, or a job of the fan-out, breaks the rules.
    static func check(_ output: JobOutput) throws {
        do {
            try check(result: output.result)
            for job in output.fanOut.map({ $0.children + [$0.then].compactMap(\.self) }) ?? [] {
                _ = try job.checked("a job of its fan-out", .result)
            }
        } catch let error as JobsError {
            throw UnstorableOutput(description: error.message)
        }
    }

    /// Throws `invalidText` if a result is not storable JSON.
    static func check(result: String) throws {
        do {
            try JSONRule.result.check(result)
        } catch {
            throw JobsError(
                .invalidText, "the result of the job: the text \(error.reason)",
                remedy: error.remedy)
        }
    }
}
