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

    /// Returns the part of 0 ..< `count` that thread `index` handles.
    public func share(of count: Int, thread index: Int) -> Range<Int> {
        count * index / threads..<count * (index + 1) / threads
    }
}

/// The state shared by a pool's threads. `body` is written before a new `generation` is published;
/// the threads read `body` after they have seen that generation.
private final class Shared: @unchecked Sendable {
    // Safe because `body` is only written while no helper runs: between `join` and the next generation.
    private var body = ofa_closure()
    private let generation = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let wake = NSCondition()

    /// How often a helper checks for work before it sleeps, and how often the caller checks for the end of the helpers
    /// before it yields. The checks take some tens of microseconds, longer than the gap between two operators.
    private static let spins = 10_000

    func post(_ body: ofa_closure, helpers: Int) {
        self.body = body
        running.store(helpers, ordering: .relaxed)
        wake.lock()
        generation.add(1, ordering: .releasing)
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

    func serve(_ index: Int) {
        var seen = 0
        while true {
            var looks = 0
            while generation.load(ordering: .acquiring) == seen && looks < Self.spins { looks += 1 }
            if generation.load(ordering: .acquiring) == seen {
                wake.lock()
                while generation.load(ordering: .acquiring) == seen { wake.wait() }
                wake.unlock()
            }
            seen = generation.load(ordering: .acquiring)
            if stopping.load(ordering: .acquiring) { return }
            ofa_closure_call(body, index)
            running.subtract(1, ordering: .releasing)
        }
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        wake.lock()
        generation.add(1, ordering: .releasing)
        wake.broadcast()
        wake.unlock()
    }
}
