// JobSpec, StageSpec, RunSpec: the description of a run, from which it is enqueued.

/// The number of a run.
public typealias RunID = Int64
/// The number of a group of jobs: a stage of a run, or the children of a fan-out.
public typealias GroupID = Int64
/// The number of a job.
public typealias JobID = Int64

/// The description of a job.
public struct JobSpec: Codable, Sendable, Equatable {
    /// The kind of job, which names the handler.
    public var kind: String
    /// The handler's arguments, JSON text.
    public var args: String
    /// The queue, which can be paused.
    public var queue: String
    /// The priority; jobs with a lower number run first.
    public var priority: Int
    /// The largest number of attempts: if the last one fails, the job is discarded.
    public var maxAttempts: Int
    /// How many crashes are tolerated; after one more, the job is discarded.
    public var maxCrashes: Int
    /// The longest time that an attempt may take, in seconds; nil for no limit.
    public var timeoutSeconds: Double?
    /// The longest time that an attempt may go without progress, in seconds; nil for no limit.
    public var stallSeconds: Double?
    /// The shortest time from the addition of the job to its start, in seconds.
    public var delaySeconds: Double?
    /// A concurrency key, such as a device: `JobQueue.setPermits` sets how many jobs with this key
    /// may run at once.
    public var key: String?
    /// A unique key: while a job with this key is unfinished, no other job with this key is added
    /// or reopened.
    public var uniqueKey: String?
    /// The number of processors that the job reserves; 0 for none.
    public var threads: Int
    /// The memory that the job reserves, in megabytes; 0 for none.
    public var memoryMB: Int
    /// The capabilities that a worker must offer to get the job, such as `gpu` or
    /// `device:my-board`; sorted.
    public var requires: [String]
    /// The device target to which the costs of the job are charged, if any. The jobs of its fan-out
    /// inherit the target unless they set their own.
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

/// The rule that says when a group of jobs ends (fires), and whether it ends well.
public enum GroupRule: Codable, Sendable, Equatable {
    /// The group ends when all jobs have ended; it ends well if all of them completed.
    case allOk
    /// The group ends when all jobs have ended, and always well.
    case allDone
    /// The group ends well as soon as this many jobs have completed, and badly if all jobs have
    /// ended before that.
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

/// If a group ends badly: what happens to a job that waits for this group.
public enum OnBad: String, Codable, Sendable, CaseIterable {
    /// The job is cancelled.
    case cancel
    /// The job runs anyway.
    case run
    /// The job keeps waiting until the group ends well after a retry, or until the job is cancelled
    /// manually.
    case block
}

/// A stage of a run. It starts with its own jobs, which may add more when they complete.
public struct StageSpec: Codable, Sendable, Equatable {
    /// The name of the stage, unique in the run.
    public var name: String
    /// The jobs with which the stage starts.
    public var jobs: [JobSpec]
    /// The names of the stages that must end before this stage starts.
    public var needs: [String]
    /// For each stage that this stage needs: what happens to this stage if the needed stage ends
    /// badly; `cancel` if not given.
    public var onBad: [String: OnBad]
    /// When the stage ends, and whether it ends well.
    public var rule: GroupRule

    /// Describes a stage of one job.
    public init(
        name: String, job: JobSpec, needs: [String] = [], onBad: [String: OnBad] = [:],
        rule: GroupRule = .allOk
    ) {
        self.init(name: name, jobs: [job], needs: needs, onBad: onBad, rule: rule)
    }

    /// Describes a stage of several jobs.
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

/// The description of a run of a whole pipeline.
public struct RunSpec: Codable, Sendable, Equatable {
    /// The name of the pipeline.
    public var name: String
    /// The text of the pipeline, stored with the run.
    public var definition: String
    /// A digest of everything that determines what the run does.
    public var definitionHash: String
    /// The stages of the run, in any order.
    public var stages: [StageSpec]

    /// Runs of the same pipeline have the same `name` and `definitionHash`.
    public init(name: String, definition: String, definitionHash: String, stages: [StageSpec]) {
        self.name = name
        self.definition = definition
        self.definitionHash = definitionHash
        self.stages = stages
    }

    /// Returns the stages in topological order. Errors: `invalidRun` if there are no stages, if a
    /// stage is missing, doubled, without jobs or part of a cycle, or if its quorum or `onBad` is
    /// invalid.
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

/// Jobs that a job adds to its stage when it completes, and an optional continuation.
public struct FanOut: Sendable, Equatable {
    /// The jobs to add; they run in any order and concurrently.
    public var children: [JobSpec]
    /// The continuation, or nil for none; it can read the results of the children. It starts when
    /// the children have ended well by `rule`, or have ended badly and `onBad` is `run`.
    public var then: JobSpec?
    /// When the group of children ends, and whether it ends well. Without `then` the rule of the
    /// stage applies instead.
    public var rule: GroupRule
    /// What happens to `then` if the children end badly.
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
