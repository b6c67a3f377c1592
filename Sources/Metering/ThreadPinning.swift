// Pins threads to a few processors during a timing, because a thread that migrates finds cold caches.

import CProcessors
import Foundation

/// The processors that threads are pinned to.
public struct ThreadPinning: Sendable {
    /// The numbers of the processors; empty if the system reports none (not Linux) or refuses pinning.
    public let processors: [Int]
    /// The first of the processors; nil if there is none.
    public var processor: Int? { processors.first }

    /// Chooses the `count` processors that were least busy over a tenth of a second, among those that the calling thread
    /// may use; all of these if there are fewer. This does not pin the thread yet.
    public static func leastBusy(_ count: Int = 1) -> ThreadPinning {
        let allowed = allowedProcessors()
        let before = HostLoad.busyTicksByProcessor()
        if allowed.count > 1 { Thread.sleep(forTimeInterval: 0.1) }
        let after = HostLoad.busyTicksByProcessor()
        // The last of equally busy processors is taken, because the first processor often handles
        // interrupts.
        let busy = allowed.map { (after[$0] ?? 0) - (before[$0] ?? 0) }
        let order = allowed.indices.sorted { (busy[$0], $1) < (busy[$1], $0) }
        return ThreadPinning(processors: order.prefix(count).map { allowed[$0] })
    }

    /// Pins the calling thread to these processors; without effect if there are none or the system refuses.
    public func pin() {
        if !processors.isEmpty { _ = Self.allow(processors) }
    }

    /// Runs `body` while the calling thread, and the threads that it starts, are pinned to these
    /// processors; `body` receives the pinning that took effect. Afterwards the previous affinity of
    /// the calling thread is restored.
    public func whilePinned<Result>(_ body: (ThreadPinning) throws -> Result) rethrows -> Result {
        let before = Self.allowedProcessors()
        guard !processors.isEmpty, Self.allow(processors) else {
            return try body(ThreadPinning(processors: []))
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
