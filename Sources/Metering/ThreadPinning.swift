// Keeps a thread on one processor while something is timed: a thread that wanders finds cold caches.

import CProcessors
import Foundation

/// The processor that a thread keeps to.
public struct ThreadPinning: Sendable {
    /// The processor; nil where the system names none (not Linux), or did not let a thread be pinned.
    public let processor: Int?

    /// Of the processors that the calling thread may use the one that is busy least, as a look of a tenth of a second
    /// tells. Pins nothing yet.
    public static func leastBusy() -> ThreadPinning {
        let allowed = allowedProcessors()
        let before = HostLoad.busyTicksByProcessor()
        if allowed.count > 1 { Thread.sleep(forTimeInterval: 0.1) }
        let after = HostLoad.busyTicksByProcessor()
        // Of equally idle ones the last: interrupts gather on the first.
        return ThreadPinning(
            processor: allowed.reversed().min { one, two in
                (after[one] ?? 0) - (before[one] ?? 0) < (after[two] ?? 0) - (before[two] ?? 0)
            })
    }

    /// Runs `body` with the calling thread on this processor, threads that it starts meanwhile too; `body` is told where
    /// it runs. Afterwards the thread may use those that it could use before.
    public func whilePinned<Result>(_ body: (ThreadPinning) throws -> Result) rethrows -> Result {
        let before = Self.allowedProcessors()
        guard let processor, Self.allow([processor]) else {
            return try body(ThreadPinning(processor: nil))
        }
        defer { _ = Self.allow(before) }
        return try body(self)
    }

    /// The processors that the calling thread may use, ascending; none where the system does not say.
    public static func allowedProcessors() -> [Int] {
        (0..<1024).filter { ofa_processor_allowed(Int32($0)) == 1 }
    }

    /// Lets the calling thread use these processors only; false when the kernel refuses.
    private static func allow(_ processors: [Int]) -> Bool {
        let numbers = processors.map(Int32.init)
        return ofa_processors_allow(numbers, Int32(numbers.count)) == 1
    }
}
