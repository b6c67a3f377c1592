// Keeps a thread on one processor while something is timed: a thread that wanders finds cold caches.

import CProcessors
import Foundation

/// The calling thread's processor, while it is pinned.
public struct ThreadPinning: Sendable {
    /// The processor; nil where threads cannot be pinned (not Linux, or refused).
    public let processor: Int?

    /// Pins the calling thread to the processor of those it may use that is busy least, as a look of a tenth of a
    /// second tells; threads that it starts meanwhile inherit that.
    public static func leastBusy() -> ThreadPinning {
        let allowed = allowedProcessors()
        let before = HostLoad.busyTicksByProcessor()
        if allowed.count > 1 { Thread.sleep(forTimeInterval: 0.1) }
        let after = HostLoad.busyTicksByProcessor()
        // Of equally idle ones the last: interrupts gather on the first.
        let chosen = allowed.reversed().min { one, two in
            (after[one] ?? 0) - (before[one] ?? 0) < (after[two] ?? 0) - (before[two] ?? 0)
        }
        guard let chosen, allow([chosen]) else { return ThreadPinning(processor: nil) }
        return ThreadPinning(processor: chosen)
    }

    /// Runs `body` on the least busy processor; afterwards the thread may use those it could use before.
    public static func whilePinned<Result>(_ body: (ThreadPinning) throws -> Result) rethrows
        -> Result
    {
        let before = allowedProcessors()
        let pinning = leastBusy()
        defer { if pinning.processor != nil { _ = allow(before) } }
        return try body(pinning)
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
