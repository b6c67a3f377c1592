// Pins a thread to one processor during a timing, because a thread that migrates finds cold caches.

import CProcessors
import Foundation

/// The processor that a thread is pinned to.
public struct ThreadPinning: Sendable {
    /// The number of the processor; nil if the system reports none (not Linux) or refuses pinning.
    public let processor: Int?

    /// Chooses the processor that was least busy over a tenth of a second, among those that the
    /// calling thread may use. This does not pin the thread yet.
    public static func leastBusy() -> ThreadPinning {
        let allowed = allowedProcessors()
        let before = HostLoad.busyTicksByProcessor()
        if allowed.count > 1 { Thread.sleep(forTimeInterval: 0.1) }
        let after = HostLoad.busyTicksByProcessor()
        // The last of equally busy processors is taken, because the first processor often handles
        // interrupts.
        return ThreadPinning(
            processor: allowed.reversed().min { one, two in
                (after[one] ?? 0) - (before[one] ?? 0) < (after[two] ?? 0) - (before[two] ?? 0)
            })
    }

    /// Runs `body` while the calling thread, and the threads that it starts, are pinned to this
    /// processor; `body` receives the pinning that took effect. Afterwards the previous affinity of
    /// the calling thread is restored.
    public func whilePinned<Result>(_ body: (ThreadPinning) throws -> Result) rethrows -> Result {
        let before = Self.allowedProcessors()
        guard let processor, Self.allow([processor]) else {
            return try body(ThreadPinning(processor: nil))
        }
        defer { _ = Self.allow(before) }
        return try body(self)
    }

    /// Returns the processors that the calling thread may use, in ascending order; none if the
    /// system does not report them.
    public static func allowedProcessors() -> [Int] {
        (0..<1024).filter { ofa_processor_allowed(Int32($0)) == 1 }
    }

    /// Restricts the calling thread to `processors`; returns false if the kernel refuses.
    private static func allow(_ processors: [Int]) -> Bool {
        let numbers = processors.map(Int32.init)
        return ofa_processors_allow(numbers, Int32(numbers.count)) == 1
    }
}
