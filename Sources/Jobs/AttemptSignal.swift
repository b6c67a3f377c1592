// AttemptSignal: what several threads share about one attempt: interruption, progress, log lines
// and metrics. The class is Sendable, so that a handler's own threads can use it too.
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
        var rows = TrainingRows()
        /// Images per second of the last recorded steps.
        var imagesPerSecond: Double?
    }

    private let state: Mutex<State>
    private let termSeconds: Double
    private let clock: @Sendable () -> Double

    /// The attempt is interrupted as `fenced` when the last acknowledged heartbeat was sent more
    /// than `termSeconds` (two thirds of the lease duration) ago. `lastBeat` is the time of the
    /// last heartbeat so far; `clock` returns monotonic seconds.
    init(lastBeat: Double, termSeconds: Double, clock: @escaping @Sendable () -> Double) {
        self.termSeconds = termSeconds
        self.clock = clock
        state = Mutex(State(lastBeat: lastBeat))
    }

    /// Why the job must stop; nil while it may continue. Draining is not included: see
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

    /// Whether the worker is draining or the run is held: then the job should end soon, or save a checkpoint and stop.
    public var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Sets the job's progress. The call is cheap: `LeaseKeeper` writes the progress to the
    /// database about twice a second.
    public func progress(fraction: Double, message: String) {
        let text = TextRule.kept(message, Self.maxCharacters)
        state.withLock {
            $0.fraction = fraction
            $0.message = text
            $0.hasProgress = true
        }
    }

    /// Appends a line to the job's log. The call is cheap: lines are buffered. If the buffer is
    /// full, because the database is unreachable, the oldest lines are dropped.
    public func log(_ line: String) {
        let text = TextRule.kept(line, Self.maxCharacters)
        state.withLock { $0.lines.append(text) }
    }

    /// Appends metrics of the job's training. The call is cheap: rows are buffered. If the buffer is
    /// full, because the database is unreachable, the oldest rows are dropped.
    public func record(_ rows: TrainingRows) {
        state.withLock {
            $0.rows.append(rows)
            $0.imagesPerSecond = rows.steps.last?.imagesPerSecond ?? $0.imagesPerSecond
        }
    }

    /// The progress that was told last, and images per second of the last recorded steps.
    var reached: (fraction: Double, imagesPerSecond: Double?) {
        state.withLock { ($0.fraction, $0.imagesPerSecond) }
    }

    /// Whether the attempt was interrupted because its lease was over.
    var wasFenced: Bool { state.withLock { $0.interruption == .fenced } }

    /// The largest number of characters in a progress message, a log line or a reason.
    static let maxCharacters = 4000

    /// Sets the interruption, unless there is one already.
    func interrupt(_ reason: JobInterruption) {
        state.withLock { if $0.interruption == nil { $0.interruption = reason } }
    }

    func drain() { state.withLock { $0.isDraining = true } }

    /// Asks the job to save a checkpoint and stop, as `drain` does, because a budget holds its run; the job's log says
    /// what was reached.
    func hold(_ reason: String) {
        let isNew = state.withLock { state in
            defer { state.isDraining = true }
            return !state.isDraining
        }
        if isNew { log("stopping at a checkpoint: the run's budget is used up: \(reason)") }
    }

    /// Records that the job has saved a checkpoint. This ends a quarantine: if the job ran alone
    /// because it had crashed a worker before, other jobs may now run at the same time.
    public func noteCheckpoint() { state.withLock { $0.hasCheckpoint = true } }

    var hasCheckpoint: Bool { state.withLock { $0.hasCheckpoint } }

    /// Records that a slot (a handler thread) starts the job.
    func begin() {
        let now = clock()
        state.withLock { $0.began = now }
    }

    /// Returns whether a slot started the job at least `seconds` ago; with nil, whether a slot has
    /// started the job at all.
    func hasRun(_ seconds: Double?) -> Bool {
        let now = clock()
        return state.withLock { state in
            state.began.map { now - $0 >= seconds ?? 0 } ?? false
        }
    }

    /// Records an acknowledged heartbeat; `sentAt` is the time just before the heartbeat was sent.
    func beaten(sentAt: Double) { state.withLock { $0.lastBeat = max($0.lastBeat, sentAt) } }

    /// Progress, log lines and metrics that are to be written to the database. `takeNotes` removes
    /// the notes from the state; `putBack` returns notes to it if the write failed.
    struct Notes {
        var progress: (fraction: Double, message: String)?
        /// The metrics of the job's training.
        fileprivate(set) var rows: TrainingRows
        fileprivate var buffer: LineBuffer
        /// The lines for the log. If lines were dropped, the first line says how many.
        var lines: [String] { buffer.told }
    }

    func takeNotes() -> Notes {
        state.withLock { state in
            let notes = Notes(
                progress: state.hasProgress ? (state.fraction, state.message) : nil,
                rows: state.rows, buffer: state.lines)
            state.hasProgress = false
            state.lines = LineBuffer()
            state.rows = TrainingRows()
            return notes
        }
    }

    /// Returns notes to the state after their write failed. Progress that was set meanwhile is
    /// newer, so it replaces the progress in `notes`.
    func putBack(_ notes: Notes) {
        state.withLock { state in
            var lines = notes.buffer
            lines.append(state.lines)
            state.lines = lines
            var rows = notes.rows
            rows.append(state.rows)
            state.rows = rows
            if let progress = notes.progress, !state.hasProgress {
                (state.fraction, state.message) = progress
                state.hasProgress = true
            }
        }
    }
}

/// A buffer of log lines that holds at most 10,000 lines and 4 MiB. When the buffer is full, the
/// oldest tenth of the lines is dropped and counted.
struct LineBuffer {
    private static let mostLines = 10_000
    private static let mostBytes = 4 << 20
    /// The largest size of a line in bytes of UTF-8; a longer line is truncated.
    private static let longestLine = 64 << 10

    private var lines: [String] = []
    private var bytes = 0
    private var dropped = 0

    /// The buffered lines. If lines were dropped, the first line says how many.
    var told: [String] {
        dropped == 0
            ? lines
            : ["(\(dropped) older lines were dropped while the database was unreachable)"] + lines
    }

    /// Adds a line; drops the oldest lines if the buffer is too full.
    mutating func append(_ line: String) {
        let whole = line.utf8.count <= Self.longestLine
        let kept =
            whole ? line : String(decoding: line.utf8.prefix(Self.longestLine), as: UTF8.self) + "…"
        lines.append(kept)
        bytes += kept.utf8.count
        guard lines.count > Self.mostLines || bytes > Self.mostBytes else { return }
        // A tenth of the lines is dropped at a time, because removing the first line moves all
        // other lines.
        let surplus = max(1, lines.count / 10)
        bytes -= lines.prefix(surplus).reduce(0) { $0 + $1.utf8.count }
        lines.removeFirst(surplus)
        dropped += surplus
    }

    /// Appends the lines of a later buffer.
    mutating func append(_ later: LineBuffer) {
        for line in later.lines { append(line) }
        dropped += later.dropped
    }
}
