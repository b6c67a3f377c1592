// QueueModel: claims, and how attempts end.
import Jobs

extension QueueModel {
    // MARK: Claim

    /// Leases available jobs, by priority, then by place in the queue. If no job can be leased, promotes due jobs and
    /// tries again.
    public func claim(session: Int, _ request: ClaimRequest) -> [Grant] {
        guard isValid(session) else { return [] }
        let grants = grant(session, request)
        if !grants.isEmpty || promoteDue() == 0 { return grants }
        return grant(session, request)
    }

    private func lane(_ job: Job) -> Lane {
        Lane(
            kind: job.spec.kind, queue: job.spec.queue, priority: job.spec.priority,
            key: job.spec.key, threads: job.spec.threads, memoryMB: job.spec.memoryMB)
    }

    private func freePermits(_ key: String) -> Int {
        // A held permit counts until its attempt ends, even if the limit has been lowered
        // meanwhile.
        max(0, (slots[key] ?? 1) - (holders[key]?.count ?? 0))
    }

    private func isOpen(_ lane: Lane, _ request: ClaimRequest) -> Bool {
        request.kinds.contains(lane.kind) && !paused.contains(lane.queue)
            && lane.threads <= request.threads ?? .max
            && lane.memoryMB <= request.memoryMB ?? .max
            && lane.key.map { freePermits($0) > 0 } ?? true
    }

    private func grant(_ session: Int, _ request: ClaimRequest) -> [Grant] {
        let open = jobs.indices.filter { number in
            let job = jobs[number]
            return job.lease.state == .available && isOpen(lane(job), request)
                && request.run.map { $0 == Int64(job.run) } ?? true
        }.sorted {
            (jobs[$0].spec.priority, jobs[$0].place) < (jobs[$1].spec.priority, jobs[$1].place)
        }
        if request.alone, let suspect = open.first(where: { jobs[$0].lease.crashes > 0 }) {
            return [lease(suspect, session)]
        }
        var picked: [Int] = []
        var (threads, memoryMB) = (0, 0)
        for number in open where jobs[number].lease.crashes == 0 {
            let lane = lane(jobs[number])
            threads += lane.threads
            memoryMB += lane.memoryMB
            picked.append(number)
            if picked.count > request.limit || threads > request.threads ?? .max
                || memoryMB > request.memoryMB ?? .max
            {
                picked.removeLast()
                break
            }
        }
        var free = slots.keys.reduce(into: [:]) { $0[$1] = freePermits($1) }
        let granted = picked.filter { number in
            guard let key = jobs[number].spec.key else { return true }
            free[key, default: 0] -= 1
            return free[key, default: 0] >= 0
        }
        return granted.map { lease($0, session) }
    }

    private func lease(_ number: Int, _ session: Int) -> Grant {
        attempts.append((number, session))
        let token = attempts.count
        apply(.claim(token: token, session: session, now: now), to: number)
        let job = jobs[number]
        return Grant(
            job: job.name, token: token, attempt: job.lease.attempt, crashes: job.lease.crashes)
    }

    // MARK: End

    /// Ends the attempt `token` and returns the answer.
    public func end(token: Int, _ end: AttemptEnd) -> CompletionAnswer {
        let (number, session) = attempts[token - 1]
        let fence = JobLease.Fence(token: token, session: session, isValid: isValid(session))
        let job = jobs[number]
        let attempt = job.lease.attempt
        let event: JobLease.Event
        switch end {
        case .completed(let fanOut):
            event = .complete(fence)
            let holds = job.lease.hold?.token == token && fence.isValid
            if let fanOut, holds { add(fanOut, of: number) }
        case .failed(let retry):
            event = .fail(fence, now: now, pause: retry ? pause(job.spec, attempt) : nil)
        case .released(let crashed): event = .release(fence, crashed: crashed)
        case .cancelled: event = .finishCancelled(fence)
        }
        let answer = apply(event, to: number)
        if answer == .done { settle(after: number) }
        return answer
    }

    private func pause(_ spec: JobSpec, _ attempt: Int) -> Int {
        var pause = spec.backoff.baseSeconds
        for _ in 1..<max(1, attempt) { pause *= spec.backoff.factor }
        return Int(min(pause, spec.backoff.maxSeconds))
    }

    private func add(_ fanOut: FanOut, of number: Int) {
        let job = jobs[number]
        guard let then = fanOut.then else {
            _ = add(fanOut.children, to: job.group, waitsFor: nil, isFree: true)
            return
        }
        let children = addGroup(
            "\(job.name)>", run: job.run, owner: number, rule: fanOut.rule, onBad: fanOut.onBad,
            dependencies: 0, firstOrdinal: 1)
        let added = add(fanOut.children, to: children, waitsFor: nil, isFree: true)
        _ = add([then], to: job.group, waitsFor: children, isFree: false)
        if added == 0 { fire([children]) }
    }

    /// Records progress of an attempt.
    public func progress(token: Int, step: Int) {
        apply(.progress(token: token, now: now), to: attempts[token - 1].job)
    }

    /// Ends the attempts whose session has expired, and the attempts that are more than their session's `ttlSeconds`
    /// past a time limit; returns how many attempts it ended.
    public func rescue() -> Int {
        for index in sessions.indices
        where sessions[index].isAlive && sessions[index].beatAt + sessions[index].ttl < now {
            sessions[index].isAlive = false
        }
        return jobs.indices.count { number in
            guard let hold = jobs[number].lease.hold else { return false }
            let term = sessions[hold.session - 1]
            let event: JobLease.Event =
                term.isAlive
                ? .deadline(
                    now: now, ttl: term.ttl,
                    pause: pause(jobs[number].spec, jobs[number].lease.attempt))
                : .rescue(isOver: true)
            guard apply(event, to: number) == .done else { return false }
            settle(after: number)
            return true
        }
    }

    /// Applies the consequences of an attempt's end: fires the group of the job if the group's rule is decided (see
    /// `fire`), cancels the waiting jobs of a run with a cancel request, and ends the run if all its groups have ended.
    private func settle(after number: Int) {
        let job = jobs[number]
        fire([job.group])
        if runs[job.run - 1].isCancelRequested { cancelWaiting(job.run) }
        settle(run: job.run)
    }
}
