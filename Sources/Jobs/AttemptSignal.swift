// AttemptSignal: the state shared by the threads of one attempt: interruption, progress and log
// lines. Sendable, so that a handler's own threads can use it too.
import Foundation
import Intake
import Synchronization

/// Connects a running job with the threads that supervise it.
public final class AttemptSignal: Sendable {
    private struct State {
        var interruption: JobInterruption?
        var isDraining = false
        var lastBeat: Double
        var began: Double?
        var hasCheckpoint = false
        var fraction = 0.0
        var message = ""
        var hasProgress = false
        var lines = LineBuffer()
    }

    private let state: Mutex<State>
    private let termSeconds: Double
    private let clock: @Sendable () -> Double

    /// `termSeconds` after the last heartbeat was sent the attempt counts as lost (two thirds of
    /// the lease's duration); `clock` returns monotonic seconds.
    init(lastBeat: Double, termSeconds: Double, clock: @escaping @Sendable () -> Double) {
        self.termSeconds = termSeconds
        self.clock = clock
        state = Mutex(State(lastBeat: lastBeat))
    }

    /// Why the job must stop; nil while it may continue. Does not include draining: see
    /// `isDraining`.
    public var interruption: JobInterruption? {
        let now = clock()
        return state.withLock { state in
            if state.interruption == nil, now - state.lastBeat > termSeconds {
                state.interruption = .fenced
            }
            return state.interruption
        }
    }

    /// Whether the job must stop.
    public var isCancelled: Bool { interruption != nil }

    /// Whether the worker is draining: finish soon, or save a checkpoint and stop.
    public var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Sets the job's progress. Cheap: it is written to the database about twice a second.
    public func progress(fraction: Double, message: String) {
        let text = TextRule.kept(message, Self.maxCharacters)
        state.withLock {
            $0.fraction = fraction
            $0.message = text
            $0.hasProgress = true
        }
    }

    /// Appends a line to the job's log. Cheap: lines are buffered, and the newest kept while the
    /// database is unreachable.
    public func log(_ line: String) {
        let text = TextRule.kept(line, Self.maxCharacters)
        state.withLock { $0.lines.append(text) }
    }

    /// The most characters of a message, a line or a reason.
    static let maxCharacters = 4000

    /// The first interruption wins.
    func interrupt(_ reason: JobInterruption) {
        state.withLock { if $0.interruption == nil { $0.interruption = reason } }
    }

    func drain() { state.withLock { $0.isDraining = true } }

    /// Records that the job has saved a checkpoint, which ends its quarantine: other jobs may run
    /// beside it.
    public func noteCheckpoint() { state.withLock { $0.hasCheckpoint = true } }

    var hasCheckpoint: Bool { state.withLock { $0.hasCheckpoint } }

    /// Records that a slot starts the job.
    func begin() {
        let now = clock()
        state.withLock { $0.began = now }
    }

    /// Whether a slot started the job at least `seconds` ago.
    func hasRun(_ seconds: Double?) -> Bool {
        let now = clock()
        return state.withLock { state in
            state.began.map { now - $0 >= seconds ?? 0 } ?? false
        }
    }

    /// Records an acknowledged heartbeat; `sentAt` was read before it was sent.
    func beaten(sentAt: Double) { state.withLock { $0.lastBeat = max($0.lastBeat, sentAt) } }

    /// Progress and log lines to be written, each returned once.
    struct Notes {
        var progress: (fraction: Double, message: String)?
        fileprivate var buffer: LineBuffer
        /// The lines for the log, preceded by one with the number of dropped lines.
        var lines: [String] { buffer.told }
    }

    func takeNotes() -> Notes {
        state.withLock { state in
            let notes = Notes(
                progress: state.hasProgress ? (state.fraction, state.message) : nil,
                buffer: state.lines)
            state.hasProgress = false
            state.lines = LineBuffer()
            return notes
        }
    }

    /// Returns lines to the buffer that could not be written.
    func putBack(_ notes: Notes) {
        state.withLock { state in
            var lines = notes.buffer
            lines.append(state.lines)
            state.lines = lines
            if let progress = notes.progress, !state.hasProgress {
                (state.fraction, state.message) = progress
                state.hasProgress = true
            }
        }
    }
}

/// A bounded buffer of log lines: at most 10,000 lines and 4 MiB; the oldest are dropped and
/// counted.
struct LineBuffer {
    private static let mostLines = 10_000
    private static let mostBytes = 4 << 20
    /// The longest line in bytes of UTF-8; longer ones are truncated.
    private static let longestLine = 64 << 10

    private var lines: [String] = []
    private var bytes = 0
    private var dropped = 0

    /// The lines, preceded by one with the number of dropped lines.
    var told: [String] {
        dropped == 0
            ? lines
            : ["(\(dropped) older lines were dropped while the database was unreachable)"] + lines
    }

    /// Adds a line; drops the oldest if the buffer is full.
    mutating func append(_ line: String) {
        let whole = line.utf8.count <= Self.longestLine
        let kept =
            whole ? line : String(decoding: line.utf8.prefix(Self.longestLine), as: UTF8.self) + "…"
        lines.append(kept)
        bytes += kept.utf8.count
        guard lines.count > Self.mostLines || bytes > Self.mostBytes else { return }
        // Drop a tenth at a time: removing single lines would move all others every time.
        let surplus = max(1, lines.count / 10)
        bytes -= lines.prefix(surplus).reduce(0) { $0 + $1.utf8.count }
        lines.removeFirst(surplus)
        dropped += surplus
    }

    /// Appends later lines.
    mutating func append(_ later: LineBuffer) {
        for line in later.lines { append(line) }
        dropped += later.dropped
    }
}
