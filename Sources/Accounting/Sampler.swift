// The timer that reads energy counters between the starts and ends of attempts.

import Dispatch
import Synchronization

/// A timer on a queue of its own.
final class Sampler: Sendable {
    private let timer: Mutex<(any DispatchSourceTimer)?>
    private let seconds: Int

    init(everySeconds seconds: Int) {
        self.seconds = seconds
        timer = Mutex(nil)
    }

    /// Runs `body` at every interval from now on.
    func begin(_ body: @escaping @Sendable () -> Void) {
        timer.withLock { timer in
            let source = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "ofa.metering"))
            source.setEventHandler(handler: body)
            source.schedule(deadline: .now() + .seconds(seconds), repeating: .seconds(seconds))
            source.activate()
            timer = source
        }
    }

    /// Stops.
    func end() {
        timer.withLock { timer in
            timer?.cancel()
            timer = nil
        }
    }
}
