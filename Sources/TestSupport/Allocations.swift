// Counts the memory allocations of a closure on the threads that work for the closure.
import CAllocationCounter

/// Counts memory allocations.
public enum Allocations {
    /// Whether allocations can be counted on this system.
    public static var areCountable: Bool { ofa_allocations_countable() == 1 }

    /// Returns the number of allocations of `work` on the threads that `onEveryThread` reaches;
    /// allocations of other threads do not count.
    public static func during(
        onEveryThread: (() -> Void) -> Void, _ work: () throws -> Void
    ) rethrows -> Int {
        onEveryThread { ofa_allocations_watch(1) }
        _ = ofa_allocations_taken()
        defer { onEveryThread { ofa_allocations_watch(0) } }
        try work()
        return Int(ofa_allocations_taken())
    }
}
