// QueueModel: ends groups and runs, cancels and retries jobs on request, and returns the visible state.
import Jobs

extension QueueModel {
    // MARK: Firing

    /// Fires each of the groups whose rule is decided: sets the group's result, and releases, cancels or blocks the jobs
    /// and stages that wait for the group. Skips groups that have fired already.
    func fire(_ numbers: [Int]) {
        var waiting = numbers
        while !waiting.isEmpty {
            let number = waiting.removeFirst()
            guard groups[number].good == nil, let good = groups[number].verdict else { continue }
            groups[number].good = good
            let after = jobs.indices.filter { jobs[$0].waitsFor == number }
            if good || groups[number].onBad == .run {
                _ = free(after)
            } else if groups[number].onBad == .cancel {
                waiting += endWaiting(after)
            }
            for index in edges.indices.sorted(by: { edges[$0].child < edges[$1].child })
            where edges[index].parent == number && !edges[index].isTold
                && (good || edges[index].onBad == .run)
            {
                edges[index].isTold = true
                let child = edges[index].child
                groups[child].dependencies -= 1
                guard groups[child].isReleased else { continue }
                _ = free(
                    jobs.indices.filter { jobs[$0].group == child && jobs[$0].waitsFor == nil })
            }
            if good { continue }
            let children = Set(
                edges.filter { $0.parent == number && $0.onBad == .cancel }.map(\.child))
            waiting += endWaiting(
                jobs.indices.filter {
                    children.contains(jobs[$0].group) && jobs[$0].lease.state == .blocked
                })
        }
    }

    /// Cancels those of the jobs `numbers` that are not running; returns the groups of the cancelled jobs.
    func endWaiting(_ numbers: [Int]) -> [Int] {
        var changed: Set<Int> = []
        for number in numbers where jobs[number].lease.hold == nil {
            if apply(.cancel, to: number) == .done { changed.insert(jobs[number].group) }
        }
        return changed.sorted()
    }

    func cancelWaiting(_ run: Int) {
        fire(endWaiting(jobs.indices.filter { jobs[$0].run == run }))
    }

    /// Ends a running run if all its groups have a result and no pending jobs.
    func settle(run: Int) {
        let own = groups.filter { $0.run == run }
        guard runs[run - 1].state == .running,
            own.allSatisfy({ $0.pending == 0 && $0.good != nil })
        else { return }
        if own.allSatisfy({ $0.owner != nil || $0.good == true }) {
            runs[run - 1].state = .completed
        } else {
            runs[run - 1].state = runs[run - 1].isCancelRequested ? .cancelled : .failed
        }
    }

    // MARK: Cancel and retry

    /// Cancels a job.
    public func cancel(job: String) throws -> CancelAnswer {
        let number = try number(of: job)
        if jobs[number].lease.hasEnded { return .alreadyEnded }
        let isRunning = jobs[number].lease.hold != nil
        apply(.cancel, to: number)
        if isRunning { return .requested }
        fire([jobs[number].group])
        settle(run: jobs[number].run)
        return .cancelled
    }

    /// Cancels a run.
    public func cancel(run: Int) throws {
        try checkRun(run)
        guard runs[run - 1].state == .running, !runs[run - 1].isCancelRequested else { return }
        runs[run - 1].isCancelRequested = true
        cancelWaiting(run)
        settle(run: run)
    }

    /// Makes a cancelled or discarded job available again, and reopens the jobs that were cancelled because of this
    /// job.
    public func retry(job: String) throws {
        let number = try number(of: job)
        let state = jobs[number].lease.state
        guard state == .cancelled || state == .discarded else {
            throw JobsError(.wrongState, "job \(job) is not bad")
        }
        try allOrNothing {
            var reopened = try reopen([number]) ? [jobs[number].group] : []
            guard isReady(number), free([number]) > 0 else {
                throw JobsError(.wrongState, "job \(job) waits for something")
            }
            while let group = reopened.popLast() {
                let back = jobs.indices.filter { isCancelled($0, becauseOf: group) }
                for (next, numbers) in Dictionary(grouping: back, by: { jobs[$0].group })
                    .sorted(by: { $0.key < $1.key })
                where try reopen(numbers) { reopened.append(next) }
            }
            try reopen(run: jobs[number].run)
        }
    }

    /// Reopens all cancelled and discarded jobs of a run; returns how many can start now.
    public func retry(run: Int) throws -> Int {
        try checkRun(run)
        let bad = jobs.indices.filter {
            jobs[$0].run == run
                && (jobs[$0].lease.state == .cancelled || jobs[$0].lease.state == .discarded)
        }
        if bad.isEmpty { return 0 }
        var ready = 0
        try allOrNothing {
            for numbers in Dictionary(grouping: bad, by: { jobs[$0].group }).values {
                _ = try reopen(numbers)
            }
            // A group that failed without a failed job is evaluated again too.
            for index in groups.indices
            where groups[index].run == run && groups[index].good == false {
                groups[index].good = nil
            }
            ready = free(bad.filter(isReady))
            try reopen(run: run)
            fire(groups.indices.filter { groups[$0].run == run && groups[$0].pending == 0 })
            settle(run: run)
        }
        return ready
    }

    /// Reopens cancelled or discarded jobs of one group; returns whether the group had failed and is now unfinished
    /// again.
    private func reopen(_ numbers: [Int]) throws -> Bool {
        guard let first = numbers.first else { return false }
        for number in numbers {
            if let key = jobs[number].spec.uniqueKey {
                guard uniqueJobs[key] == nil else {
                    throw JobsError(.notUnique, "job \(jobs[number].name)")
                }
                uniqueJobs[key] = number
            }
            apply(.retry, to: number)
        }
        let group = jobs[first].group
        guard groups[group].good == false else { return false }
        groups[group].good = nil
        return true
    }

    private func isReady(_ number: Int) -> Bool {
        guard groups[jobs[number].group].isReleased else { return false }
        guard let awaited = jobs[number].waitsFor else { return true }
        return groups[awaited].good.map { $0 || groups[awaited].onBad == .run } ?? false
    }

    private func isCancelled(_ number: Int, becauseOf group: Int) -> Bool {
        guard jobs[number].lease.state == .cancelled else { return false }
        let needs = edges.filter { $0.child == jobs[number].group && $0.onBad == .cancel }
        if needs.contains(where: { groups[$0.parent].good == false }) { return false }
        if let awaited = jobs[number].waitsFor {
            return awaited == group && groups[group].onBad == .cancel
        }
        return needs.contains { $0.parent == group }
    }

    private func reopen(run: Int) throws {
        let hasTwin = runs.indices.contains { index in
            index != run - 1 && runs[index].state == .running
                && runs[index].name == runs[run - 1].name
                && runs[index].hash == runs[run - 1].hash
        }
        if hasTwin { throw JobsError(.wrongState, "run \(run) has an unfinished twin") }
        runs[run - 1].state = .running
        runs[run - 1].isCancelRequested = false
    }

    // MARK: The visible state

    /// Returns the whole visible state.
    public func state() -> QueueState {
        var state = QueueState()
        for (index, run) in runs.enumerated() {
            state.lines["run \(index + 1)"] = QueueState.run(
                state: run.state.rawValue, cancelRequested: run.isCancelRequested)
        }
        for group in groups {
            state.lines["group \(group.name)"] = QueueState.group(
                pending: group.pending, ok: group.ok, bad: group.bad,
                dependencies: group.dependencies, isReleased: group.isReleased, good: group.good)
        }
        for (number, job) in jobs.enumerated() {
            let key = job.spec.uniqueKey
            state.lines["job \(job.name)"] = QueueState.job(
                state: job.lease.state.name, attempt: job.lease.attempt,
                crashes: job.lease.crashes, due: job.lease.state.due, token: job.lease.hold?.token,
                isCancelled: job.lease.hold?.isCancelled ?? false,
                tried: job.lease.ended.map(\.outcome.rawValue),
                hasKey: key.map { uniqueJobs[$0] == number } ?? false)
        }
        for (key, count) in slots {
            state.lines["permits \(key)"] = "\(holders[key]?.count ?? 0) of \(count)"
        }
        let ready = jobs.filter { $0.lease.state == .available }.sorted { $0.place < $1.place }
        state.lines["ready"] = ready.map(\.name).joined(separator: " ")
        return state
    }
}

extension JobLease.State {
    /// The state's public name.
    var name: String {
        switch self {
        case .blocked: "blocked"
        case .available: "available"
        case .scheduled: "scheduled"
        case .retryable: "retryable"
        case .running: "running"
        case .completed: "completed"
        case .cancelled: "cancelled"
        case .discarded: "discarded"
        }
    }

    /// When the job is due; nil in a state without a due time.
    var due: Int? {
        switch self {
        case .scheduled(let due), .retryable(let due): due
        default: nil
        }
    }
}
