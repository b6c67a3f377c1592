// The timer that triggers readings of the energy counters between the starts and ends of attempts.

import Dispatch
import Synchronization

/// A periodic timer on a dispatch queue of its own.
final class Sampler: Sendable {
    private let timer: Mutex<(any DispatchSourceTimer)?>
    private let seconds: Int

    init(everySeconds seconds: Int) {
        self.seconds = seconds
        timer = Mutex(nil)
    }

    /// Calls `body` every `seconds` seconds from now on.
    func begin(_ body: @escaping @Sendable () -> Void) {
        timer.withLock { timer in
            let source = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "ofa.metering"))
            source.setEventHandler(handler: body)
            source.schedule(deadline: .now() + .seconds(seconds), repeating: .seconds(seconds))
            source.activate()
            timer = source
        }
    }

    /// Stops the timer.
    func end() {
        timer.withLock { timer in
            timer?.cancel()
            timer = nil
        }
    }
}
