// JobSpec, StageSpec, RunSpec: what is to be done, as it is enqueued.

/// Numbers a run.
public typealias RunID = Int64
/// Numbers a group: a stage of a run, or the children of a fan-out.
public typealias GroupID = Int64
/// Numbers a job.
public typealias JobID = Int64

/// A job to be done.
public struct JobSpec: Codable, Sendable, Equatable {
    /// Names the handler.
    public var kind: String
    /// What the handler gets, JSON text.
    public var args: String
    /// The queue, which can be paused.
    public var queue: String
    /// Lower runs first.
    public var priority: Int
    /// How often it may fail before it is discarded.
    public var maxAttempts: Int
    /// How many workers may die on it before it is discarded.
    public var maxCrashes: Int
    /// The longest an attempt may take, in seconds; nil for no limit.
    public var timeoutSeconds: Double?
    /// The longest an attempt may go without getting further, in seconds; nil for no limit.
    public var stallSeconds: Double?
    /// Starts not before so many seconds from when it is enqueued, once nothing else keeps it waiting.
    public var delaySeconds: Double?
    /// What only so many jobs may use at once, such as a device; see `JobQueue.setPermits`.
    public var key: String?
    /// While a job with this key is unfinished, no other with it is added or brought back by a retry.
    public var uniqueKey: String?
    /// Processors it keeps busy; 0 where it does not matter.
    public var threads: Int
    /// Memory it takes, in megabytes; 0 where it does not matter.
    public var memoryMB: Int
    /// What a worker must offer to get it, such as `gpu` or `device:my-board`; kept sorted.
    public var requires: [String]
    /// The device target it is for, where it is for one: what its costs are booked to. Jobs that it adds are for the
    /// same, unless they say another.
    public var device: String?
    /// The pauses between attempts.
    public var backoff: RetryPolicy

    /// Describes a job.
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

/// When a group of jobs has ended, and whether well.
public enum GroupRule: Codable, Sendable, Equatable {
    /// When all jobs have ended; well when all of them are done.
    case allOk
    /// When all jobs have ended, well whatever became of them.
    case allDone
    /// As soon as so many jobs are done; badly when all have ended before that.
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

/// What the bad end of a group means to a job that waits for it.
public enum OnBad: String, Codable, Sendable, CaseIterable {
    /// It is cancelled.
    case cancel
    /// It runs all the same.
    case run
    /// It goes on waiting, until the group is retried or it is cancelled by hand.
    case block
}

/// A stage of a run: it starts with its own jobs, which may add more when they complete.
public struct StageSpec: Codable, Sendable, Equatable {
    /// Its name, unique in the run.
    public var name: String
    /// Its first jobs.
    public var jobs: [JobSpec]
    /// The stages that must have ended before.
    public var needs: [String]
    /// What the bad end of a needed stage means to this one; `cancel` where nothing is said.
    public var onBad: [String: OnBad]
    /// When the stage has ended, and whether well.
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

/// A whole pipeline to be run.
public struct RunSpec: Codable, Sendable, Equatable {
    /// Its name.
    public var name: String
    /// The text it was made from, kept for the record.
    public var definition: String
    /// A digest of everything that decides what the run does.
    public var definitionHash: String
    /// Its stages in any order.
    public var stages: [StageSpec]

    /// Describes a run.
    public init(name: String, definition: String, definitionHash: String, stages: [StageSpec]) {
        self.name = name
        self.definition = definition
        self.definitionHash = definitionHash
        self.stages = stages
    }

    /// The stages so ordered that each comes after those it needs; throws when that cannot be.
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
                    "stage \(stage.name) of run \(name) says what a bad end of \(stray) means, but does not need it"
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
                    .invalidRun, "stages of run \(name) need each other in a circle: \(circle)")
            }
            ordered += ready
            placed.formUnion(ready.map(\.name))
            rest.removeAll { placed.contains($0.name) }
        }
        return ordered
    }
}

/// Jobs that a completing job adds to its stage, and the one that runs after them.
public struct FanOut: Sendable, Equatable {
    /// The jobs to add; they run in any order, at once where there are workers.
    public var children: [JobSpec]
    /// Runs when the children have ended well by `rule`; it reads their results. Nil when none is
    /// needed.
    public var then: JobSpec?
    /// When the children have ended, and whether well; without `then` the stage's own rule counts.
    public var rule: GroupRule
    /// What their bad end means to `then`.
    public var onBad: OnBad

    /// Describes a fan-out.
    public init(
        children: [JobSpec], then: JobSpec? = nil, rule: GroupRule = .allOk, onBad: OnBad = .cancel
    ) {
        self.children = children
        self.then = then
        self.rule = rule
        self.onBad = onBad
    }
}
