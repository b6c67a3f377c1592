// The options of `ofa run`, `ofa enqueue` and `ofa cost when` for a start that waits for hours of low carbon intensity.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Postgres

/// Whether, and within which times, the start of a run may wait. Options replace the keys of a pipeline file, and are not part of
/// the pipeline's definition: a run with another deadline is a like run.
struct DeferralOptions: ParsableArguments {
    /// Whether the start may wait.
    @Flag(
        help:
            "Start in the hours of the lowest carbon intensity by which the deadline is met (ofa cost when)."
    )
    var deferrable = false
    /// The earliest start; nil for at once.
    @Option(
        help: ArgumentHelp(
            "With --deferrable: not before this time, such as 2026-12-01T18:00+01:00.",
            valueName: "time"), transform: DeferralOptions.moment)
    var earliest: Date?
    /// When the run shall have ended.
    @Option(
        help: ArgumentHelp(
            "With --deferrable: when the run shall have ended, such as 2026-12-02T08:00+01:00.",
            valueName: "time"), transform: DeferralOptions.moment)
    var deadline: Date?
    /// How long the run takes.
    @Option(
        help: ArgumentHelp(
            "With --deferrable: how long the run takes, such as 90m; by default as long as like runs.",
            valueName: "span"), transform: Span.read)
    var duration: Span?

    /// Returns what the options and the file ask for together; nil if the start may not wait. Errors: usage errors if an option
    /// is given for a start that may not wait, and if the deadline is missing or not after the earliest start.
    func merged(_ file: Deferral?) throws -> Deferral? {
        guard deferrable || file != nil else {
            let given = [
                ("--earliest", earliest != nil), ("--deadline", deadline != nil),
                ("--duration", duration != nil),
            ].first { $0.1 }
            guard let given else { return nil }
            throw ValidationError(
                "\(given.0) is for a run whose start may wait", remedy: "add --deferrable")
        }
        guard let deadline = deadline ?? file?.deadline else {
            throw ValidationError(
                "--deferrable needs the time by which the run shall have ended",
                remedy: "add --deadline 2026-12-02T08:00+01:00")
        }
        let earliest = earliest ?? file?.earliest
        guard earliest ?? .distantPast < deadline else {
            throw ValidationError(
                "the deadline is not after the earliest start", remedy: "write a later deadline")
        }
        return Deferral(
            earliest: earliest, deadline: deadline, seconds: duration?.seconds ?? file?.seconds)
    }

    /// Parses a time for `@Option(transform:)`.
    @Sendable private static func moment(_ text: String) throws -> Date {
        do throws(InputFault) { return try MomentText.zoned(text) } catch {
            throw ValueFault(error)
        }
    }
}

/// Describes the start of deferred runs.
enum StartText {
    /// Returns the zone in which this machine's workers meter: OFA_ZONE, or what is stated of the machine, or `world`.
    static func zone(_ connection: Connection) throws -> String {
        let stated = try HostLedger(connection).this().stated?.setting
        return try FactorSet.load(connection).zone(
            environment: ProcessInfo.processInfo.environment, stated: stated?.zone)
    }

    /// Returns why a run starts when it does: `, because its window has …`, or `, as early as it may: there is no forecast …`.
    static func why(_ plan: StartPlan) -> String {
        plan.rule == .cheapest
            ? ", because \(plan.reason)" : ", as early as it may: \(plan.reason)"
    }

    /// Returns when a run starts and why: `starts at 2026-12-02T01:20:00Z (in 3 h 10 min), because …`.
    static func line(_ plan: StartPlan, now: Date) -> String {
        let left = plan.starts_at.timeIntervalSince(now)
        let time = left > 0 ? " (in \(Format.duration(left)))" : ""
        return "starts at \(plan.starts_at.formatted(.iso8601))\(time)\(why(plan))"
    }

    /// Returns the line of a run that waits for its start; nil for other runs.
    static func line(_ deferred: DeferredRun?) -> String? {
        guard let deferred, deferred.waits else { return nil }
        guard let plan = deferred.plan else {
            return "starts at \(deferred.startsAt.formatted(.iso8601))"
        }
        return line(plan, now: deferred.asOf)
    }
}

/// Reports on standard error when a run starts that waits: a line for each planned start, and on a terminal the time left.
struct StartTeller {
    private var told: Date?

    /// Reports the start of `deferred`, if it waits.
    mutating func tell(_ deferred: DeferredRun?) {
        guard let deferred, let line = StartText.line(deferred) else { return }
        if told != deferred.startsAt {
            told = deferred.startsAt
            Output.note("run \(deferred.run) \(line)")
        }
        if Screen.rewritesProgress { Output.progress(line) }
    }
}
