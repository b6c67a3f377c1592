// The engine's threads. Work is divided in a fixed way, so results depend on the number of threads
// but not on timing.

import CKernels
import Foundation
import Synchronization

/// Copies the two words of a closure to `to`. The copy may only be called until the function that calls `lend` returns,
/// because its frame holds the closure. `withoutActuallyEscaping` could replace this function, but it allocates in
/// every call.
@_silgen_name("ofa_closure_lend")
private func lend(_ closure: (Int) -> Void, _ to: UnsafeMutablePointer<ofa_closure>)

/// A fixed number of threads that run one closure together; the caller waits for all of them.
public final class ThreadPool {
    /// The number of threads, including the caller's.
    public let threads: Int
    private let shared: Shared

    /// Starts `threads - 1` threads, which sleep when idle and end with the pool. Errors:
    /// `TensorError` `invalidThreadCount` unless `threads` is 1 to 256.
    public init(threads: Int) throws {
        guard threads >= 1 && threads <= 256 else {
            throw TensorError(
                .invalidThreadCount,
                "\(threads) threads asked for; the engine takes 1 to 256")
        }
        self.threads = threads
        shared = Shared()
        for index in 1..<threads {
            let shared = shared
            let thread = Thread { shared.serve(index) }
            thread.name = "ofa-engine-\(index)"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    /// A pool with only the caller's thread.
    static var callers: ThreadPool { ThreadPool() }

    private init() {
        threads = 1
        shared = Shared()
    }

    deinit { shared.stop() }

    /// Runs `body(0) … body(threads - 1)` at the same time, `body(0)` on the caller's thread; returns when all calls
    /// have ended.
    @inline(never)
    public func run(_ body: (Int) -> Void) {
        if threads == 1 { return body(0) }
        // `closure` is borrowed for this call: `join` returns only when no helper runs it any more.
        var closure = ofa_closure()
        lend(body, &closure)
        shared.post(closure, helpers: threads - 1)
        body(0)
        shared.join()
        // This use of `body` keeps the captures of `body` alive until here.
        lend(body, &closure)
    }

    /// Runs `body` once for each item of 0 ..< `items`; returns when all calls have ended. The caller's thread, number
    /// 0, takes one item after the other, and the other threads help as soon as they are awake. A helper that comes
    /// after the last item was taken is not waited for.
    @inline(never)
    public func runItems(_ items: Int, _ body: (_ item: Int, _ thread: Int) -> Void) {
        if threads == 1 || items < 2 {
            for item in 0..<items { body(item, 0) }
            return
        }
        let shared = shared
        func takeItems(_ thread: Int) {
            while true {
                let item = shared.nextItem()
                if item >= items { return }
                body(item, thread)
            }
        }
        withHelpers(takeItems)
    }

    private func withHelpers(_ body: (Int) -> Void) {
        // As in `run`, `closure` is borrowed: `close` returns only when no helper runs it any more.
        var closure = ofa_closure()
        lend(body, &closure)
        shared.open(closure)
        body(0)
        shared.close()
        lend(body, &closure)
    }

    /// Returns the part of 0 ..< `count` that thread `index` handles.
    public func share(of count: Int, thread index: Int) -> Range<Int> {
        count * index / threads..<count * (index + 1) / threads
    }
}

/// The state shared by a pool's threads. `body` is written before a new `generation` is published;
/// the threads read `body` after they have seen that generation.
///
/// In an even generation every helper runs `body` once (`post`, `join`). In an odd one helpers may run it: they enter
/// while `entry` is open (`open`, `close`).
private final class Shared: @unchecked Sendable {
    // Safe because `body` is only written while no helper runs: between `join` or `close` and the next generation.
    private var body = ofa_closure()
    private let generation = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    /// The number of helpers that sleep or are about to.
    private let sleepers = Atomic<Int>(0)
    /// An odd generation's number times 512, plus 256 while helpers may enter, plus the number of helpers inside.
    private let entry = Atomic<Int>(0)
    private let item = Atomic<Int>(0)
    private let wake = NSCondition()

    /// How often a helper checks for work before it sleeps, and how often the caller checks for the end of the helpers
    /// before it yields. The checks take some tens of microseconds, longer than the gap between two operators.
    private static let spins = 10_000
    private static let isOpen = 256

    func post(_ body: ofa_closure, helpers: Int) {
        self.body = body
        running.store(helpers, ordering: .relaxed)
        let number = (generation.load(ordering: .relaxed) | 1) + 1
        wake.lock()
        generation.store(number, ordering: .releasing)
        wake.broadcast()
        wake.unlock()
    }

    func join() {
        var looks = 0
        while running.load(ordering: .acquiring) > 0 {
            looks += 1
            if looks > Self.spins { sched_yield() }
        }
    }

    func open(_ body: ofa_closure) {
        self.body = body
        item.store(0, ordering: .relaxed)
        let number = (generation.load(ordering: .relaxed) + 1) | 1
        entry.store(number << 9 | Self.isOpen, ordering: .releasing)
        generation.store(number, ordering: .sequentiallyConsistent)
        // A helper counts itself among the sleepers before it looks at the generation for the last time, so either it
        // sees this generation or it is seen here.
        guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
        wake.lock()
        wake.broadcast()
        wake.unlock()
    }

    func close() {
        entry.bitwiseAnd(~Self.isOpen, ordering: .acquiringAndReleasing)
        var looks = 0
        while entry.load(ordering: .acquiring) & (Self.isOpen - 1) > 0 {
            looks += 1
            if looks > Self.spins { sched_yield() }
        }
    }

    /// Returns the next item of an odd generation.
    func nextItem() -> Int { item.add(1, ordering: .relaxed).oldValue }

    /// Enters the odd generation `number`, unless it is closed.
    private func enter(_ number: Int) -> Bool {
        var current = entry.load(ordering: .acquiring)
        while current >> 9 == number && current & Self.isOpen != 0 {
            let (exchanged, original) = entry.compareExchange(
                expected: current, desired: current + 1, ordering: .acquiringAndReleasing)
            if exchanged { return true }
            current = original
        }
        return false
    }

    func serve(_ index: Int) {
        var seen = 0
        while true {
            var looks = 0
            while generation.load(ordering: .acquiring) == seen && looks < Self.spins { looks += 1 }
            if generation.load(ordering: .acquiring) == seen { sleep(after: seen) }
            seen = generation.load(ordering: .acquiring)
            if stopping.load(ordering: .acquiring) { return }
            if seen % 2 == 0 {
                ofa_closure_call(body, index)
                running.subtract(1, ordering: .releasing)
            } else if enter(seen) {
                ofa_closure_call(body, index)
                entry.subtract(1, ordering: .releasing)
            }
        }
    }

    /// Sleeps until a generation follows `seen`.
    private func sleep(after seen: Int) {
        wake.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { wake.wait() }
        sleepers.subtract(1, ordering: .relaxed)
        wake.unlock()
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        wake.lock()
        generation.add(1, ordering: .releasing)
        wake.broadcast()
        wake.unlock()
    }
}
