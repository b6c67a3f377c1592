// The queue's terms for a stage's jobs: lane, reservations, limits and fan-out rule. The keys are
// the same for all kinds of stages; missing keys take the queue's defaults.

import Foundation
import Intake
import Jobs

/// The terms of one stage and of the jobs it fans out to.
public struct StageTerms: Codable, Sendable, Equatable {
    /// The queue, which can be paused.
    public var queue: String?
    /// Lower runs first.
    public var priority: Int?
    /// The concurrency key, such as a GPU.
    public var key: String?
    /// Processors to reserve and use.
    public var threads: Int?
    /// Megabytes to reserve.
    public var memoryMB: Int?
    /// The longest an attempt may take, in seconds.
    public var timeoutSeconds: Double?
    /// The longest an attempt may go without progress, in seconds.
    public var stallSeconds: Double?
    /// How often a job may fail.
    public var maxAttempts: Int?
    /// How many workers a job may crash without making progress in between.
    public var maxCrashes: Int?
    /// The capabilities a worker must offer, such as `gpu` or `device:my-board`.
    public var requires: [String]?
    /// When a fan-out has ended, and whether successfully.
    public var rule: GroupRule?

    /// Parses the keys of a stage; nil if it has none of them. The caller finishes the mapping.
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

    /// `all_ok`, `all_done`, or `{quorum: N}`.
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

    /// The effect of each failed needed stage on a stage.
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

    /// Throws if a stage should run after the failure of one whose output it reads.
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
    /// A job of a stage with its terms.
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
