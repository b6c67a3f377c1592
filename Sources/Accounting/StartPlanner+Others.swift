// Says of a planned start which other deferred runs are planned for the same time: each is planned as if it ran alone.

import Foundation
import Jobs
import Postgres
import Schema

extension StartPlanner {
    /// Adds to the reason of `plan`, of the run `run` (nil: of a file), which other deferred runs are planned for a part of its
    /// window, if at some time they and this run are more than `slots`, the slots of the living workers, even if each takes one
    /// slot only. With 0 slots, which is unknown, any other run is named.
    public func noteOthers(in plan: inout StartPlan, of run: Int64?, slots: Int) throws {
        guard let seconds = plan.seconds else { return }
        let begin = plan.starts_at
        let end = begin.addingTimeInterval(Double(Self.duration(seconds)))
        let others = try connection.query(.deferralsBetween(run: run, until: end, from: begin)).map
        {
            (
                run: try $0.int64("run_id"), start: try $0.date("starts_at"),
                end: try $0.date("ends_at")
            )
        }
        guard !others.isEmpty else { return }
        // The most runs at once are there when one of them begins.
        let most = ([begin] + others.map(\.start).filter { $0 > begin }).map { moment in
            1 + others.count { $0.start <= moment && $0.end > moment }
        }.max()
        guard slots == 0 || most ?? 1 > slots else { return }
        plan.reason += "; \(Self.words(others.map(\.run), slots: slots))"
    }

    /// Returns the words about the other runs.
    private static func words(_ runs: [Int64], slots: Int) -> String {
        let more = runs.count > 3 ? " and \(runs.count - 3) more" : ""
        let names = runs.prefix(3).map(String.init).joined(separator: ", ")
        let subject = runs.count == 1 ? "run \(names) is" : "runs \(names)\(more) are"
        let room =
            slots == 0
            ? "no worker lives that tells how many run at once"
            : "living workers have \(slots) slot\(slots == 1 ? "" : "s"), fewer than they need together"
        return
            "\(subject) planned for a part of that time too, and \(room): one may end later than planned"
    }
}
