// JobSpec, StageSpec, RunSpec: the description of a run as it is enqueued.

/// Numbers a run.
public typealias RunID = Int64
/// Numbers a group: a stage of a run, or the children of a fan-out.
public typealias GroupID = Int64
/// Numbers a job.
public typealias JobID = Int64

/// A job.
public struct JobSpec: Codable, Sendable, Equatable {
    /// Names the handler.
    public var kind: String
    /// The handler's arguments, JSON text.
    public var args: String
    /// The queue, which can be paused.
    public var queue: String
    /// Lower runs first.
    public var priority: Int
    /// How often it may fail before it is discarded.
    public var maxAttempts: Int
    /// How many workers may crash on it before it is discarded.
    public var maxCrashes: Int
    /// The longest an attempt may take, in seconds; nil for no limit.
    public var timeoutSeconds: Double?
    /// The longest an attempt may go without progress, in seconds; nil for no limit.
    public var stallSeconds: Double?
    /// The minimum delay from enqueuing to start, in seconds, once all its dependencies have ended.
    public var delaySeconds: Double?
    /// A concurrency key, such as a device, which limited numbers of jobs hold at once; see
    /// `JobQueue.setPermits`.
    public var key: String?
    /// While a job with this key is unfinished, no other one with it is added or reopened.
    public var uniqueKey: String?
    /// Processors it reserves; 0 for none.
    public var threads: Int
    /// Memory it reserves in megabytes; 0 for none.
    public var memoryMB: Int
    /// The capabilities a worker must offer to get it, such as `gpu` or `device:my-board`; sorted.
    public var requires: [String]
    /// The device target to which its costs are charged, if any. Jobs that it adds inherit it
    /// unless they set their own.
    public var device: String?
    /// The pauses between attempts.
    public var backoff: RetryPolicy

    /// `args` must be JSON text.
    public init(
        kind: String, args: String = "{}", queue: String = "default", priority: Int = 0,
        maxAttempts: Int = 3, maxCrashes: Int = 5, timeoutSeconds: Double? = nil,
        stallSeconds: Double? = nil, delaySeconds: Double? = nil, key: String? = nil,
        uniqueKey: String? = nil, threads: Int = 0, memoryMB: Int = 0,
        requires: [String] = [], device: String? = nil, backoff: RetryPolicy = RetryPolicy()
    ) {
        self.kind = kind
        self.args = args
        self.queue = queue
        self.priority = priority
        self.maxAttempts = maxAttempts
        self.maxCrashes = maxCrashes
        self.timeoutSeconds = timeoutSeconds
        self.stallSeconds = stallSeconds
        self.delaySeconds = delaySeconds
        self.key = key
        self.uniqueKey = uniqueKey
        self.threads = threads
        self.memoryMB = memoryMB
        self.requires = Set(requires).sorted()
        self.device = device
        self.backoff = backoff
    }
}

/// When a group of jobs has ended, and whether successfully.
public enum GroupRule: Codable, Sendable, Equatable {
    /// When all jobs have ended; successful if all are completed.
    case allOk
    /// When all jobs have ended; always successful.
    case allDone
    /// As soon as this many jobs are completed; failed if all have ended before that.
    case quorum(Int)

    var name: String {
        switch self {
        case .allOk: "all_ok"
        case .allDone: "all_done"
        case .quorum: "quorum"
        }
    }

    var count: Int? {
        if case .quorum(let count) = self { count } else { nil }
    }
}

/// The effect of a failed group on a job that waits for it.
public enum OnBad: String, Codable, Sendable, CaseIterable {
    /// It is cancelled.
    case cancel
    /// It runs anyway.
    case run
    /// It keeps waiting until the group is retried or the job is cancelled manually.
    case block
}

/// A stage of a run: it starts with its own jobs, which may add more when they complete.
public struct StageSpec: Codable, Sendable, Equatable {
    /// Its name, unique in the run.
    public var name: String
    /// Its first jobs.
    public var jobs: [JobSpec]
    /// The stages that must end before this one starts.
    public var needs: [String]
    /// The effect of a failed needed stage on this one; default `cancel`.
    public var onBad: [String: OnBad]
    /// When the stage has ended, and whether successfully.
    public var rule: GroupRule

    /// A stage of one job.
    public init(
        name: String, job: JobSpec, needs: [String] = [], onBad: [String: OnBad] = [:],
        rule: GroupRule = .allOk
    ) {
        self.init(name: name, jobs: [job], needs: needs, onBad: onBad, rule: rule)
    }

    /// A stage of several jobs.
    public init(
        name: String, jobs: [JobSpec], needs: [String] = [], onBad: [String: OnBad] = [:],
        rule: GroupRule = .allOk
    ) {
        self.name = name
        self.jobs = jobs
        self.needs = needs
        self.onBad = onBad
        self.rule = rule
    }
}

/// A whole pipeline.
public struct RunSpec: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// The text it was made from, stored with the run.
    public var definition: String
    /// A digest of everything that determines what the run does.
    public var definitionHash: String
    /// Its stages in any order.
    public var stages: [StageSpec]

    /// `definitionHash` identifies equal runs.
    public init(name: String, definition: String, definitionHash: String, stages: [StageSpec]) {
        self.name = name
        self.definition = definition
        self.definitionHash = definitionHash
        self.stages = stages
    }

    /// The stages in topological order; throws if a need is unknown or cyclic.
    public func stagesInOrder() throws -> [StageSpec] {
        guard !stages.isEmpty else { throw JobsError(.invalidRun, "run \(name) has no stages") }
        var names: Set<String> = []
        for stage in stages where !names.insert(stage.name).inserted {
            throw JobsError(.invalidRun, "run \(name) has two stages called \(stage.name)")
        }
        for stage in stages {
            guard !stage.jobs.isEmpty else {
                throw JobsError(.invalidRun, "stage \(stage.name) of run \(name) has no job")
            }
            if case .quorum(let count) = stage.rule, count < 1 {
                throw JobsError(
                    .invalidRun, "stage \(stage.name) of run \(name): a quorum is at least 1")
            }
            if let stray = stage.onBad.keys.first(where: { !stage.needs.contains($0) }) {
                throw JobsError(
                    .invalidRun,
                    "stage \(stage.name) of run \(name) sets on_bad for \(stray), but does not need it"
                )
            }
            if let missing = stage.needs.first(where: { !names.contains($0) }) {
                throw JobsError(
                    .invalidRun,
                    "stage \(stage.name) of run \(name) needs \(missing), which does not exist")
            }
        }
        var ordered: [StageSpec] = []
        var placed: Set<String> = []
        var rest = stages
        while !rest.isEmpty {
            let ready = rest.filter { $0.needs.allSatisfy(placed.contains) }
            guard !ready.isEmpty else {
                let circle = rest.map(\.name).joined(separator: ", ")
                throw JobsError(
                    .invalidRun, "stages of run \(name) form a cycle: \(circle)")
            }
            ordered += ready
            placed.formUnion(ready.map(\.name))
            rest.removeAll { placed.contains($0.name) }
        }
        return ordered
    }
}

/// Jobs that a completing job adds to its stage, and an optional continuation.
public struct FanOut: Sendable, Equatable {
    /// The jobs to add; they run in any order and concurrently.
    public var children: [JobSpec]
    /// The continuation: runs when the children have succeeded by `rule`, and reads their results.
    /// Nil for none.
    public var then: JobSpec?
    /// When the children have ended, and whether successfully; without `then` the stage's own rule
    /// applies.
    public var rule: GroupRule
    /// The effect of failed children on `then`.
    public var onBad: OnBad

    /// `rule` and `onBad` matter only with `then`.
    public init(
        children: [JobSpec], then: JobSpec? = nil, rule: GroupRule = .allOk, onBad: OnBad = .cancel
    ) {
        self.children = children
        self.then = then
        self.rule = rule
        self.onBad = onBad
    }
}
