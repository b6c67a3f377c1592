// AttemptSignal: what the threads around one attempt tell each other: stop, and how far it is.
// Sendable, so that loader threads of a handler may ask and report too.
import Foundation
import Intake
import Synchronization

/// The wires between a running job and the threads that watch over it.
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

    /// `termSeconds` after the last beat was sent the attempt counts as lost (two thirds of the
    /// lease's time); `clock` gives seconds of a clock that is never set.
    init(lastBeat: Double, termSeconds: Double, clock: @escaping @Sendable () -> Double) {
        self.termSeconds = termSeconds
        self.clock = clock
        state = Mutex(State(lastBeat: lastBeat))
    }

    /// Why the job has to stop; nil while it may go on. Draining is not among it: see `isDraining`.
    public var interruption: JobInterruption? {
        let now = clock()
        return state.withLock { state in
            if state.interruption == nil, now - state.lastBeat > termSeconds {
                state.interruption = .fenced
            }
            return state.interruption
        }
    }

    /// True when the job has to stop.
    public var isCancelled: Bool { interruption != nil }

    /// True when the worker is asked to go: finish soon, or save a checkpoint and stop.
    public var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Notes how far the job is; cheap, written down about twice a second.
    public func progress(fraction: Double, message: String) {
        let text = TextRule.kept(message, Self.maxCharacters)
        state.withLock {
            $0.fraction = fraction
            $0.message = text
            $0.hasProgress = true
        }
    }

    /// Writes a line into the job's log; cheap. While the database is away the newest lines are kept.
    public func log(_ line: String) {
        let text = TextRule.kept(line, Self.maxCharacters)
        state.withLock { $0.lines.append(text) }
    }

    /// The most characters of a message, a line or a reason.
    static let maxCharacters = 4000

    /// The first reason to stop stays.
    func interrupt(_ reason: JobInterruption) {
        state.withLock { if $0.interruption == nil { $0.interruption = reason } }
    }

    func drain() { state.withLock { $0.isDraining = true } }

    /// Notes that the job has saved a checkpoint: what workers died on is past, and others may run beside it.
    public func noteCheckpoint() { state.withLock { $0.hasCheckpoint = true } }

    var hasCheckpoint: Bool { state.withLock { $0.hasCheckpoint } }

    /// Notes that a slot begins the job.
    func begin() {
        let now = clock()
        state.withLock { $0.began = now }
    }

    /// Whether a slot began the job so long ago.
    func hasRun(_ seconds: Double?) -> Bool {
        let now = clock()
        return state.withLock { state in
            state.began.map { now - $0 >= seconds ?? 0 } ?? false
        }
    }

    /// Notes a beat that the database answered; `sentAt` is from before it was sent.
    func beaten(sentAt: Double) { state.withLock { $0.lastBeat = max($0.lastBeat, sentAt) } }

    /// What has to be written down, handed out once.
    struct Notes {
        var progress: (fraction: Double, message: String)?
        fileprivate var buffer: LineBuffer
        /// The lines for the log, with one that says how many were dropped before them.
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

    /// Puts lines back that could not be written.
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

/// Lines that wait for the database: at most 10,000 of them and 4 MiB; the oldest give way and are counted.
struct LineBuffer {
    private static let mostLines = 10_000
    private static let mostBytes = 4 << 20
    /// The longest line, in bytes of UTF-8; the rest is cut off.
    private static let longestLine = 64 << 10

    private var lines: [String] = []
    private var bytes = 0
    private var dropped = 0

    /// The lines, after one that says how many were dropped.
    var told: [String] {
        dropped == 0
            ? lines : ["(\(dropped) older lines were dropped while the database was away)"] + lines
    }

    /// Adds a line, dropping the oldest where there are too many.
    mutating func append(_ line: String) {
        let whole = line.utf8.count <= Self.longestLine
        let kept =
            whole ? line : String(decoding: line.utf8.prefix(Self.longestLine), as: UTF8.self) + "…"
        lines.append(kept)
        bytes += kept.utf8.count
        guard lines.count > Self.mostLines || bytes > Self.mostBytes else { return }
        // A tenth at a time: removing each for itself would move all others every time.
        let surplus = max(1, lines.count / 10)
        bytes -= lines.prefix(surplus).reduce(0) { $0 + $1.utf8.count }
        lines.removeFirst(surplus)
        dropped += surplus
    }

    /// Adds what came later.
    mutating func append(_ later: LineBuffer) {
        for line in later.lines { append(line) }
        dropped += later.dropped
    }
}
