// The time that a stage still needs, as far as its progress tells.

import Foundation
import Jobs

extension StageStatus {
    /// Returns the extrapolated remaining seconds of a running stage; nil if unknown.
    public func secondsLeft(asOf now: Date) -> Double? {
        guard state == .running, progress > 0.02, let startedAt else { return nil }
        // The attempts of parallel jobs take more time in total than has elapsed; attempts with pauses between them
        // take less. The smaller time is used.
        let spent = min(now.timeIntervalSince(startedAt), attemptSeconds)
        return spent * (1 - progress) / progress
    }
}
