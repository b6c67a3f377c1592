// Pins a thread to one processor during a timing: a thread that migrates meets cold caches.

import CProcessors
import Foundation

/// The processor that a thread is pinned to.
public struct ThreadPinning: Sendable {
    /// The processor; nil if the system reports none (not Linux) or refuses pinning.
    public let processor: Int?

    /// The least busy processor over a tenth of a second, among those that the calling thread may
    /// use. Pins nothing yet.
    public static func leastBusy() -> ThreadPinning {
        let allowed = allowedProcessors()
        let before = HostLoad.busyTicksByProcessor()
        if allowed.count > 1 { Thread.sleep(forTimeInterval: 0.1) }
        let after = HostLoad.busyTicksByProcessor()
        // The last on ties: interrupts are mostly handled by the first.
        return ThreadPinning(
            processor: allowed.reversed().min { one, two in
                (after[one] ?? 0) - (before[one] ?? 0) < (after[two] ?? 0) - (before[two] ?? 0)
            })
    }

    /// Runs `body` with the calling thread, and threads it starts, pinned to this processor; `body`
    /// receives the pinning that took effect. Afterwards the previous affinity is restored.
    public func whilePinned<Result>(_ body: (ThreadPinning) throws -> Result) rethrows -> Result {
        let before = Self.allowedProcessors()
        guard let processor, Self.allow([processor]) else {
            return try body(ThreadPinning(processor: nil))
        }
        defer { _ = Self.allow(before) }
        return try body(self)
    }

    /// The affinity of the calling thread, ascending; empty if the system does not report it.
    public static func allowedProcessors() -> [Int] {
        (0..<1024).filter { ofa_processor_allowed(Int32($0)) == 1 }
    }

    /// Restricts the calling thread to these processors; false if the kernel refuses.
    private static func allow(_ processors: [Int]) -> Bool {
        let numbers = processors.map(Int32.init)
        return ofa_processors_allow(numbers, Int32(numbers.count)) == 1
    }
}
