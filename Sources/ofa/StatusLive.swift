// The live view of `ofa status --watch`: a thread reads the run's status, the main thread draws it and waits for keys,
// signals and news, so that keys work while the database is slow or away.

import Accounting
import Foundation
import Jobs
import Postgres
import Synchronization

/// Shows the status of a run on the whole terminal.
struct StatusLive {
    /// The URL of the database.
    let url: String
    /// The run.
    let run: RunID

    /// Why the view was left.
    private enum End {
        case runEnded, left
        case stopped(Int32)
        case failed(any Error)
    }

    /// Shows the run until it has ended or the user leaves; then `show` prints the last status on the former screen.
    /// After SIGINT and SIGTERM the process ends by the same signal.
    func show(_ show: (StatusReading) throws -> Void) throws {
        let feed = StatusFeed()
        feed.start(url: url, run: run) { LiveScreen.wake() }
        let end = try LiveScreen.whileShown { try watch($0, feed) }
        feed.stop()
        if let reading = feed.latest.reading { try show(reading) }
        switch end {
        case .runEnded, .left: return
        case .stopped(let signal): raise(signal)
        case .failed(let error): throw error
        }
    }

    private func watch(_ screen: LiveScreen, _ feed: StatusFeed) throws -> End {
        while true {
            let latest = feed.latest
            if let failure = latest.failure { return .failed(failure) }
            if let reading = latest.reading, reading.status.run.state != .running {
                return .runEnded
            }
            let window = Screen.window
            let frame = StatusFrame(
                reading: latest.reading, secondsLeft: latest.secondsLeft,
                silentSeconds: latest.silentSeconds)
            try screen.draw(frame.lines(in: window), for: window)
            for event in try screen.wait(seconds: 1) {
                switch event {
                case .key(UInt8(ascii: "q")), .key(UInt8(ascii: "Q")): return .left
                case .stop(let signal): return .stopped(signal)
                case .key, .change: break
                }
            }
        }
    }
}

/// Reads the status of one run again and again on a thread of its own.
final class StatusFeed: Sendable {
    /// What was read.
    struct Latest: Sendable {
        /// The newest reading; nil before the first.
        var reading: StatusReading?
        /// The estimated seconds until the run ends; nil if unknown.
        var secondsLeft: Double?
        /// The error that ended the thread.
        var failure: (any Error)?
        /// When the newest reading was taken, or the thread was started.
        fileprivate var at = ContinuousClock.now
        fileprivate var isStopped = false

        /// The seconds since the newest reading.
        var silentSeconds: Double { (ContinuousClock.now - at) / .seconds(1) }
    }

    /// Every second the stages are read, in one round trip. The costs, curves, limits and workers are read when the
    /// state of a stage has changed, and every `restSeconds`.
    private static let restSeconds = 3.0
    /// The points of a curve, enough for a wide terminal.
    private static let points = 128

    private let state = Mutex(Latest())

    /// What was read last.
    var latest: Latest { state.withLock { $0 } }

    /// Starts the thread; `told` is called on it after each reading and at its end.
    func start(url: String, run: RunID, told: @escaping @Sendable () -> Void) {
        Thread.detachNewThread {
            do {
                let connection = try Connection(url: url, applicationName: "ofa")
                let queue = JobQueue(connection, policy: ReconnectPolicy())
                try self.read(queue, run, told)
            } catch { self.state.withLock { $0.failure = error } }
            told()
        }
    }

    /// Lets the thread end after its current reading.
    func stop() { state.withLock { $0.isStopped = true } }

    private func read(_ queue: JobQueue, _ run: RunID, _ told: () -> Void) throws {
        var forecast: RunForecast?, workers: Int?
        var restAt: ContinuousClock.Instant?
        while true {
            let status = try queue.runStatus(run)
            let now = ContinuousClock.now, before = latest.reading
            var reading: StatusReading
            if let before, let restAt, now - restAt < .seconds(Self.restSeconds),
                before.status.stages.map(\.state) == status.stages.map(\.state)
            {
                reading = before
                reading.status = status
            } else {
                reading = try StatusReading(queue, status, points: Self.points)
                restAt = now
            }
            let slots = max(1, reading.workers.reduce(0) { $0 + $1.workingSlots })
            if forecast == nil || workers != slots {
                workers = slots
                forecast = try RunForecast(
                    run: run, queue: queue, usual: try CostLedger(queue.connection).secondsByKind(),
                    workers: slots)
            }
            let left = forecast?.secondsLeft(status)
            let isOver = state.withLock { state in
                (state.reading, state.secondsLeft, state.at) = (reading, left, .now)
                return state.isStopped || status.run.state != .running
            }
            if isOver { return }
            told()
            Thread.sleep(forTimeInterval: 1)
        }
    }
}
