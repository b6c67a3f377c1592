// Estimates the remaining time of a run from the progress of its stages and the durations of earlier jobs of the same
// kinds.

import Accounting
import Jobs

/// A forecast of the end of a run.
struct RunForecast {
    /// The kind of every stage, by the stage's name.
    private let kinds: [String: String]
    /// The average seconds of an attempt, by kind of job.
    private let usual: [String: Double]
    /// The number of jobs that run at once.
    private let workers: Int

    /// The assumed seconds of an attempt of a kind without history.
    private static let unknown = 2.0

    /// Reads the kind of every stage of `run`; `usual` gives the average seconds of an attempt, by kind.
    init(run: RunID, queue: JobQueue, usual: [String: Double], workers: Int) throws {
        let jobs = try queue.jobs(run: run)
        self.init(
            kinds: Dictionary(jobs.map { ($0.stage, $0.kind) }) { first, _ in first },
            usual: usual, workers: workers)
    }

    /// Takes the kind of every stage, and in `usual` the average seconds of an attempt, by kind.
    init(kinds: [String: String], usual: [String: Double], workers: Int) {
        self.kinds = kinds
        self.usual = usual
        self.workers = max(1, workers)
    }

    /// Returns the seconds until the last stage ends; nil if no work is left. The estimate is the larger of two times:
    /// that of the longest chain of dependent stages, and that of all remaining work divided by the number of workers.
    func secondsLeft(_ status: RunStatus) -> Double? {
        var own: [String: Double] = [:]
        for stage in status.stages { own[stage.name] = seconds(stage, status) }
        let left = StageSchedule.secondsUntilEnd(
            chain: own, work: own, of: status.stages, workers: workers)
        return left > 0 ? left : nil
    }

    private func seconds(_ stage: StageStatus, _ status: RunStatus) -> Double {
        switch stage.state {
        case .completed, .failed, .cancelled: return 0
        case .running:
            if let left = StatusText.secondsLeft(stage, asOf: status.asOf) { return left }
            let spent = stage.startedAt.map { status.asOf.timeIntervalSince($0) } ?? 0
            return max(expected(stage) - spent, 0.2)
        default: return expected(stage)
        }
    }

    private func expected(_ stage: StageStatus) -> Double {
        kinds[stage.name].flatMap { usual[$0] } ?? Self.unknown
    }
}
