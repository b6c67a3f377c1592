// The queue settings of a stage's jobs: queue name, priority, reservations, limits and fan-out rule. The keys are the
// same for all kinds of stages; missing keys take the queue's defaults.

import Foundation
import Intake
import Jobs

/// The queue settings of one stage's jobs, including the jobs that the stage fans out to.
public struct StageTerms: Codable, Sendable, Equatable {
    /// The name of the queue; a queue can be paused.
    public var queue: String?
    /// The priority; jobs with lower numbers run first.
    public var priority: Int?
    /// The concurrency key, such as a GPU; the queue can limit how many jobs with one key run at the same time.
    public var key: String?
    /// The number of processors that a job reserves and uses.
    public var threads: Int?
    /// The megabytes of memory that a job reserves.
    public var memoryMB: Int?
    /// The longest time that an attempt may take, in seconds.
    public var timeoutSeconds: Double?
    /// The longest time that an attempt may go without progress, in seconds.
    public var stallSeconds: Double?
    /// The number of failed attempts after which a job is discarded.
    public var maxAttempts: Int?
    /// A job is discarded if more workers than this crash while running it, without progress in between.
    public var maxCrashes: Int?
    /// The capabilities a worker must offer, such as `gpu` or `device:my-board`.
    public var requires: [String]?
    /// The rule that decides when a fan-out has ended and whether the fan-out succeeded.
    public var rule: GroupRule?

    /// Parses the terms of a stage from `entry`; nil if the stage sets none. The caller calls `entry.finish`.
    static func read(_ kind: StageKind, from entry: YAMLReader) throws -> StageTerms? {
        let seconds = 0.1...3.2e8
        let terms = StageTerms(
            queue: try entry.text("queue"),
            priority: try entry.integer("priority", in: -1000...1000),
            key: try entry.text("key"), threads: try entry.integer("threads", in: 1...4096),
            memoryMB: try entry.integer("memory_mb", in: 1...1 << 30),
            timeoutSeconds: try entry.number("timeout_seconds", in: seconds),
            stallSeconds: try entry.number("stall_seconds", in: seconds),
            maxAttempts: try entry.integer("max_attempts", in: 1...1000),
            maxCrashes: try entry.integer("max_crashes", in: 0...1000),
            requires: try entry.texts("requires")?.sorted(),
            rule: try readRule(kind, from: entry))
        return terms == StageTerms() ? nil : terms
    }

    /// Parses a rule: `all_ok`, `all_done`, or `{quorum: N}`.
    private static func readRule(_ kind: StageKind, from entry: YAMLReader) throws -> GroupRule? {
        guard entry.keys.contains("rule") else { return nil }
        guard kind.fansOut else {
            let kinds = StageKind.allCases.filter(\.fansOut).map(\.rawValue)
            throw entry.error(
                "rule", "is for stages that fan out: \(kinds.joined(separator: ", "))")
        }
        if entry.isMapping("rule"), let rule = try entry.mapping("rule") {
            let count = try rule.required(try rule.integer("quorum", in: 1...10_000), "quorum")
            try rule.finish()
            return .quorum(count)
        }
        switch try entry.text("rule") {
        case "all_ok": return .allOk
        case "all_done": return .allDone
        case let other:
            throw entry.error(
                "rule", "is '\(Shown.excerpt(other ?? ""))'",
                remedy: NearestName.remedy(
                    other ?? "", known: ["all_ok", "all_done", "{quorum: N}"]))
        }
    }

    /// Parses `on_bad`: what happens to a stage if one of the stages `needs` fails, keyed by the needed stage's name.
    static func readOnBad(_ needs: [String], from entry: YAMLReader) throws -> [String: OnBad] {
        guard let list = try entry.mapping("on_bad") else { return [:] }
        var onBad: [String: OnBad] = [:]
        for need in list.keys {
            guard needs.contains(need) else {
                throw list.error(
                    need, "is no stage that this one needs",
                    remedy: NearestName.remedy(need, among: needs) ?? "add it to needs")
            }
            onBad[need] = try list.choice(need, OnBad.self)
        }
        try list.finish()
        return onBad
    }

    /// Throws `missingInput` if a stage is to run after the failure of a stage whose output it reads.
    static func check(
        _ onBad: [String: OnBad], _ inputs: [ArtifactRole: InputReference], _ entry: YAMLReader
    ) throws {
        for (role, input) in inputs.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard case .stage(let stage) = input, onBad[stage] == .run else { continue }
            let place = try entry.mapping("on_bad") ?? entry
            throw place.error(
                stage,
                "is run, but this stage reads its \(role.made.rawValue), which a failed stage does not produce",
                remedy: "cancel or block",
                code: .missingInput)
        }
    }
}

extension JobSpec {
    /// Makes a job of a stage of `kind` with `terms`; terms that are nil keep the queue's defaults.
    init(kind: StageKind, args: String, terms: StageTerms?) {
        self.init(kind: kind.rawValue, args: args)
        guard let terms else { return }
        queue = terms.queue ?? queue
        priority = terms.priority ?? priority
        key = terms.key
        threads = terms.threads ?? threads
        memoryMB = terms.memoryMB ?? memoryMB
        timeoutSeconds = terms.timeoutSeconds
        stallSeconds = terms.stallSeconds
        maxAttempts = terms.maxAttempts ?? maxAttempts
        maxCrashes = terms.maxCrashes ?? maxCrashes
        requires = terms.requires ?? requires
    }
}
