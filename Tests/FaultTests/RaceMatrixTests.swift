// Fault 13: every ordered pair of what can happen to one job, the first held at its commit, which then
// takes place or not. What may come of it is written down for each pair.
import Jobs
import Testing

@Suite("Fault 13: race matrix", .serialized)
struct RaceMatrixTests {
    /// What the first answers, then for each second deed what it answers and the state of the job.
    private struct Row {
        let first: String
        let seconds: [Deed: String]

        /// The seconds are in the order of `Deed`: complete fail release rescue cancel retry deadline seal.
        init(_ first: String, _ seconds: String...) {
            self.first = first
            self.seconds = Dictionary(uniqueKeysWithValues: zip(Deed.allCases, seconds))
        }
    }

    /// The first commits. `retry` comes first on a job that the lease's holder has discarded.
    private static let committed: [Deed: Row] = [
        .complete: Row(
            "done", "already completed", "fenced completed", "fenced completed", "0 completed",
            "alreadyEnded completed", "refused completed", "0 completed", "already completed"),
        .fail: Row(
            "done", "fenced retryable", "already retryable", "fenced retryable", "0 retryable",
            "cancelled cancelled", "refused retryable", "0 retryable", "fenced retryable"),
        .release: Row(
            "done", "fenced available", "fenced available", "already available", "0 available",
            "cancelled cancelled", "refused available", "0 available", "fenced available"),
        .rescue: Row(
            "1", "fenced available", "fenced available", "fenced available", "0 available",
            "cancelled cancelled", "refused available", "0 available", "fenced available"),
        .cancel: Row(
            "requested", "done completed", "done cancelled", "done cancelled", "0 running",
            "requested running", "refused running", "0 running", "done completed"),
        .retry: Row(
            "retried", "fenced available", "already available", "fenced available", "0 available",
            "alreadyEnded available", "retried available", "0 available", "fenced available"),
        // The rescuer ends the attempt as failed, which is what the worker's `fail` would have said.
        .deadline: Row(
            "1", "fenced retryable", "already retryable", "fenced retryable", "0 retryable",
            "cancelled cancelled", "refused retryable", "0 retryable", "fenced retryable"),
        .seal: Row(
            "done", "already completed", "fenced completed", "fenced completed", "0 completed",
            "alreadyEnded completed", "refused completed", "0 completed", "already completed"),
    ]

    /// The first rolls back, so the second finds a running job; rescuers passed it by and come again.
    private static let undone = Row(
        "undone", "done completed", "done retryable", "done available", "0 running",
        "requested running", "refused running", "0 running", "done completed")
    /// The rescuer had declared the session dead before; then a worker may only give the job back.
    private static let rescueUndone = Row(
        "undone", "fenced running", "fenced running", "done available", "0 running",
        "requested running", "refused running", "0 running", "fenced running")
    /// The job is discarded as before.
    private static let retryUndone = Row(
        "undone", "fenced discarded", "already discarded", "fenced discarded", "0 discarded",
        "alreadyEnded discarded", "retried available", "0 discarded", "fenced discarded")

    private static func expected(_ race: Race) throws -> String {
        let row =
            race.commits
            ? try #require(committed[race.first])
            : race.first == .rescue ? rescueUndone : race.first == .retry ? retryUndone : undone
        return "\(row.first) \(try #require(row.seconds[race.second]))"
    }

    @Test("each of 128 races of two deeds on one job ends as is written down for it")
    func matrix() throws {
        let matrix = try RaceMatrix()
        var count = 0
        for first in Deed.allCases {
            for second in Deed.allCases {
                for commits in [true, false] {
                    let race = Race(first: first, commits: commits, second: second)
                    let result = try matrix.run(race)
                    #expect(try "\(result)" == Self.expected(race), "\(race)")
                    count += 1
                }
            }
        }
        #expect(count == 128)
        FaultTable.line("13 race matrix", "\(count) races, each audited", jobs: count)
    }
}
