// QueueModel: an in-memory model of the queue, written from the queue's rules and not from the queue's SQL: jobs are
// JobLease values; a group counts its jobs and, once its rule is decided, releases or cancels the jobs that wait for
// the group. This file contains the state, enqueuing, sessions and settings.
import Foundation
import Jobs

/// A queue in memory, for one thread.
public final class QueueModel: QueueUnderTest {
    struct Run {
        let name: String
        let hash: String
        var state = RunSummary.State.running
        var isCancelRequested = false
    }

    struct Group {
        let run: Int
        let name: String
        let owner: Int?
        let rule: GroupRule
        let onBad: OnBad
        var dependencies: Int
        var pending = 0
        var ok = 0
        var bad = 0
        var good: Bool?
        var nextOrdinal: Int
        var isReleased: Bool { dependencies == 0 }

        /// The result of the group's rule; nil while undecided.
        var verdict: Bool? {
            switch rule {
            case .allOk: pending == 0 ? bad == 0 : nil
            case .allDone: pending == 0 ? true : nil
            case .quorum(let count): ok >= count ? true : pending == 0 ? false : nil
            }
        }
    }

    struct Edge {
        let parent: Int
        let child: Int
        let onBad: OnBad
        var isTold = false
    }

    struct Job {
        let run: Int
        let group: Int
        let name: String
        let spec: JobSpec
        let waitsFor: Int?
        let notBefore: Int?
        var lease: JobLease
        var place = 0
    }

    struct Term {
        let ttl: Int
        var beatAt: Int
        var isAlive = true
    }

    struct Lane: Hashable {
        let kind: String
        let queue: String
        let priority: Int
        let key: String?
        let threads: Int
        let memoryMB: Int
    }

    var now = 0
    var runs: [Run] = []
    var groups: [Group] = []
    var edges: [Edge] = []
    var jobs: [Job] = []
    var sessions: [Term] = []
    /// The job and the session of every attempt, by token.
    var attempts: [(job: Int, session: Int)] = []
    var slots: [String: Int] = [:]
    var holders: [String: Set<Int>] = [:]
    var uniqueJobs: [String: Int] = [:]
    var paused: Set<String> = []
    private var lastPlace = 0

    /// Makes an empty queue at time 0.
    public init() {}

    /// Returns the names of the jobs, oldest first; with `isBad`, of cancelled and discarded jobs
    /// only.
    public func jobNames(isBad: Bool = false) -> [String] {
        jobs.filter {
            !isBad || $0.lease.state == .cancelled || $0.lease.state == .discarded
        }.map(\.name)
    }

    /// The tokens of running attempts, oldest first.
    public var runningTokens: [Int] { jobs.compactMap { $0.lease.hold?.token }.sorted() }
    /// The sessions that can claim, oldest first.
    public var validSessions: [Int] { Array(1..<sessions.count + 1).filter(isValid) }
    /// How many runs there are.
    public var runCount: Int { runs.count }

    func isValid(_ session: Int) -> Bool {
        let term = sessions[session - 1]
        return term.isAlive && term.beatAt + term.ttl > now
    }

    func number(of job: String) throws -> Int {
        guard let number = jobs.firstIndex(where: { $0.name == job }) else {
            throw JobsError(.notFound, "there is no job \(job)")
        }
        return number
    }

    func checkRun(_ run: Int) throws {
        guard runs.indices.contains(run - 1) else {
            throw JobsError(.notFound, "there is no run \(run)")
        }
    }

    /// Applies an event to a job, and the resulting actions to the job's permit, its unique key and its group's counts.
    /// Does not release jobs that wait for the group, even if the counts decide the group's rule: the caller must call
    /// `fire`.
    @discardableResult
    func apply(_ event: JobLease.Event, to number: Int) -> CompletionAnswer {
        let step = jobs[number].lease.apply(event)
        let (group, spec) = (jobs[number].group, jobs[number].spec)
        for action in step.actions {
            switch action {
            case .takePermit(let token):
                if let key = spec.key { holders[key, default: []].insert(token) }
            case .freePermit(let token):
                if let key = spec.key { holders[key]?.remove(token) }
            case .queue:
                lastPlace += 1
                jobs[number].place = lastPlace
            case .count(let isOk):
                groups[group].pending -= 1
                if isOk { groups[group].ok += 1 } else { groups[group].bad += 1 }
                if let key = spec.uniqueKey, uniqueJobs[key] == number { uniqueJobs[key] = nil }
            case .uncount:
                groups[group].pending += 1
                groups[group].bad -= 1
            case .record, .stop: break
            }
        }
        return step.answer
    }

    /// Makes blocked jobs available, or scheduled if a job may not start yet; returns how many jobs changed.
    func free(_ numbers: [Int]) -> Int {
        numbers.count { number in
            let event = JobLease.Event.free(now: now, notBefore: jobs[number].notBefore)
            return apply(event, to: number) == .done
        }
    }

    // MARK: Enqueue

    /// Enqueues a run and returns its number; if a run of the same name and definition is
    /// unfinished, returns that run's number.
    public func enqueue(_ run: RunSpec) throws -> Int {
        let stages = try run.stagesInOrder()
        let twin = runs.firstIndex {
            $0.state == .running && $0.name == run.name && $0.hash == run.definitionHash
        }
        if let twin { return twin + 1 }
        try allOrNothing {
            runs.append(Run(name: run.name, hash: run.definitionHash))
            var places: [String: Int] = [:]
            for stage in stages {
                let needs = Set(stage.needs).sorted()
                let group = addGroup(
                    "\(runs.count)/\(stage.name)", run: runs.count, owner: nil, rule: stage.rule,
                    onBad: .cancel, dependencies: needs.count, firstOrdinal: 0)
                places[stage.name] = group
                for need in needs {
                    guard let parent = places[need] else { continue }
                    let onBad = stage.onBad[need] ?? .cancel
                    edges.append(Edge(parent: parent, child: group, onBad: onBad))
                }
                let added = add(stage.jobs, to: group, waitsFor: nil, isFree: needs.isEmpty)
                if added == 0 { throw JobsError(.notUnique, "stage \(stage.name)") }
            }
        }
        return runs.count
    }

    /// Runs `body`; rolls the queue's state back if `body` throws.
    func allOrNothing(_ body: () throws -> Void) throws {
        let before = (runs, groups, edges, jobs, holders, uniqueJobs, slots)
        do { try body() } catch {
            (runs, groups, edges, jobs, holders, uniqueJobs, slots) = before
            throw error
        }
    }

    func addGroup(
        _ name: String, run: Int, owner: Int?, rule: GroupRule, onBad: OnBad, dependencies: Int,
        firstOrdinal: Int
    ) -> Int {
        groups.append(
            Group(
                run: run, name: name, owner: owner, rule: rule, onBad: onBad,
                dependencies: dependencies, nextOrdinal: firstOrdinal))
        return groups.count - 1
    }

    /// Adds jobs to a group, except jobs whose unique key is taken; returns how many jobs were added.
    func add(_ specs: [JobSpec], to group: Int, waitsFor: Int?, isFree: Bool) -> Int {
        var added: [Int] = []
        var highest = groups[group].nextOrdinal - 1
        for (offset, spec) in specs.enumerated() {
            if let key = spec.key { slots[key] = slots[key] ?? 1 }
            if let key = spec.uniqueKey {
                if uniqueJobs[key] != nil { continue }
                uniqueJobs[key] = jobs.count
            }
            added.append(jobs.count)
            highest = groups[group].nextOrdinal + offset
            jobs.append(
                Job(
                    run: groups[group].run, group: group, name: "\(groups[group].name)#\(highest)",
                    spec: spec, waitsFor: waitsFor,
                    notBefore: spec.delaySeconds.map { now + Int($0) },
                    lease: JobLease(
                        .init(
                            maxAttempts: spec.maxAttempts, maxCrashes: spec.maxCrashes,
                            timeout: spec.timeoutSeconds.map { Int($0) },
                            stall: spec.stallSeconds.map { Int($0) }))))
        }
        groups[group].nextOrdinal = highest + 1
        groups[group].pending += added.count
        if isFree { _ = free(added) }
        return added.count
    }

    // MARK: Sessions, queues, permits, time

    /// Opens a session and returns its number.
    public func openSession(ttlSeconds: Int) -> Int {
        sessions.append(Term(ttl: ttlSeconds, beatAt: now))
        return sessions.count
    }

    /// Closes a session.
    public func close(session: Int) { sessions[session - 1].isAlive = false }

    /// Records a heartbeat and returns which of `tokens` are held, cancelled, overdue or stalled;
    /// nil if the session is over.
    public func beat(session: Int, holding tokens: [Int]) -> BeatAnswer? {
        guard sessions[session - 1].isAlive else { return nil }
        sessions[session - 1].beatAt = now
        var answer = BeatAnswer()
        for token in tokens {
            let job = jobs[attempts[token - 1].job]
            guard let hold = job.lease.hold, hold.token == token else { continue }
            answer.held.insert(token)
            if hold.isCancelled || runs[job.run - 1].isCancelRequested {
                answer.cancelled.insert(token)
            }
            if let deadline = hold.deadline, deadline <= now { answer.overdue.insert(token) }
            if let stallAt = hold.stallAt, stallAt <= now { answer.stalled.insert(token) }
        }
        return answer
    }

    /// Stops claims from a queue.
    public func pause(queue: String) { paused.insert(queue) }

    /// Allows claims from a queue.
    public func resume(queue: String) { paused.remove(queue) }

    /// Sets how many jobs may use a concurrency key at once.
    public func setPermits(key: String, slots count: Int) { slots[key] = count }

    /// Advances the clock.
    public func pass(seconds: Int) { now += seconds }

    /// Promotes due jobs, in the order of their start times.
    public func promote() { _ = promoteDue() }

    func promoteDue() -> Int {
        let due = jobs.indices.compactMap { number -> (at: Int, number: Int)? in
            switch jobs[number].lease.state {
            case .scheduled(let at), .retryable(let at): at <= now ? (at, number) : nil
            default: nil
            }
        }
        for (_, number) in due.sorted(by: { $0 < $1 }) { apply(.promote(now: now), to: number) }
        return due.count
    }

    /// Returns no violations: the tests compare the model's counters with the database's counters.
    public func audit() -> [String] { [] }
}
