// One computation that runs beside its owner, on a thread of its own.

import Dispatch
import Foundation

/// A computation whose value is needed later. Only one thread at a time may use this class.
final class Ahead<Value: Sendable>: @unchecked Sendable {
    // Safe because the thread writes `result` before its only signal, and readers wait for the
    // signal.
    private let body: @Sendable () throws -> Value
    private let ended: DispatchSemaphore?
    private var result: Result<Value, any Error>?

    /// If `isLong`, begins to compute `body` on a thread of its own; otherwise `value` computes
    /// `body` when it is called.
    init(isLong: Bool, _ body: @escaping @Sendable () throws -> Value) {
        self.body = body
        ended = isLong ? DispatchSemaphore(value: 0) : nil
        guard let ended else { return }
        Thread.detachNewThread { [self] in
            result = Result(catching: body)
            ended.signal()
        }
    }

    /// Waits until the thread has ended, if there is one.
    func join() {
        ended?.wait()
        ended?.signal()
    }

    /// Waits for the value. Errors: those of `body`.
    func value() throws -> Value {
        join()
        if let result { return try result.get() }
        return try body()
    }
}
