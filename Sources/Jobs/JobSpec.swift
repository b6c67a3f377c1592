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
    /// The pauses between attempts.
    public var backoff: RetryPolicy

    /// Describes a job.
    public init(
        kind: String, args: String = "{}", queue: String = "default", priority: Int = 0,
        maxAttempts: Int = 3, maxCrashes: Int = 5, timeoutSeconds: Double? = nil,
        backoff: RetryPolicy = RetryPolicy()
    ) {
        self.kind = kind
        self.args = args
        self.queue = queue
        self.priority = priority
        self.maxAttempts = maxAttempts
        self.maxCrashes = maxCrashes
        self.timeoutSeconds = timeoutSeconds
        self.backoff = backoff
    }
}

/// A stage of a run: it starts as one job, which may add more when it completes.
public struct StageSpec: Sendable, Equatable {
    /// Its name, unique in the run.
    public var name: String
    /// Its first job.
    public var job: JobSpec
    /// The stages that must have ended well before.
    public var needs: [String]

    /// Describes a stage.
    public init(name: String, job: JobSpec, needs: [String] = []) {
        self.name = name
        self.job = job
        self.needs = needs
    }
}

/// A whole pipeline to be run.
public struct RunSpec: Sendable, Equatable {
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
    /// Runs when all children have ended well; it reads their results. Nil when none is needed.
    public var then: JobSpec?

    /// Describes a fan-out.
    public init(children: [JobSpec], then: JobSpec? = nil) {
        self.children = children
        self.then = then
    }
}
