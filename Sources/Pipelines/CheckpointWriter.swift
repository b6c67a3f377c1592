// Asynchronous checkpoints: a separate thread encodes a copy of the training's state and stores the copy over its own
// connection while training continues. Checkpoints are saved one at a time; `deinit` waits for a checkpoint in
// progress.

import Artifacts
import Foundation
import Interchange
import Jobs
import Metering
import Postgres
import Training

/// The checkpoint interval, derived from the cost of the last checkpoint.
struct CheckpointPace: Equatable {
    /// The default interval in seconds.
    static let usualSeconds = 20.0

    /// How long the last checkpoint took.
    var took = Duration.zero
    /// The part of the last checkpoint's time that may have slowed the training: the processor time of the writer's
    /// thread, or all of `took` if the database server runs on the same machine.
    var cpu = Duration.zero

    /// Returns the least time between the starts of two checkpoints. Checkpoints should be in progress at most a
    /// thirtieth of the time and cost at most a hundredth of the training. If `stated` is 0, returns 0.
    func interval(stated: Duration) -> Duration {
        stated == .zero ? .zero : max(stated, took * 30, cpu * 100)
    }
}

/// Saves the checkpoints of one training, one at a time. Only the training's thread may use this writer.
public final class CheckpointWriter {
    /// A checkpoint to save: a copy of the training's state, the payload of the checkpoint's row, and the metrics of the
    /// steps since the last checkpoint, which are saved with it: so none is missing that a resumed training leaves out.
    struct Draft: Sendable {
        let name: String
        let payload: String
        let state: Trainer.State
        var metrics = TrainingRows()
    }

    private let shared: SharedCheckpoint
    private let stated: Duration

    /// Prepares to save checkpoints for the job of `lease`; `interval` is at least `everySeconds` (20 s if nil). Starts
    /// the writer's thread. At the first checkpoint the thread opens its own connection to the database of
    /// `connection`. While the database is unreachable, the thread retries until `isCancelled` returns true. `onSaved`
    /// is called after each save.
    public init(
        _ lease: Lease, like connection: Connection, everySeconds: Double?,
        isCancelled: @escaping @Sendable () -> Bool, onSaved: @escaping @Sendable () -> Void = {}
    ) {
        stated = .seconds(everySeconds ?? CheckpointPace.usualSeconds)
        let shared = SharedCheckpoint(
            lease, isCancelled, onSaved, url: connection.url, limits: connection.limits)
        self.shared = shared
        let thread = Thread { shared.serve() }
        thread.name = "ofa-checkpoint"
        thread.start()
    }

    /// Waits for a checkpoint in progress.
    deinit { shared.stop() }

    /// The least time between the starts of two checkpoints.
    public var interval: Duration { shared.pace.interval(stated: stated) }
    /// How long the last checkpoint took.
    public var lastTook: Duration { shared.pace.took }
    /// Whether every step is saved before the next step starts.
    var isEveryStep: Bool { stated == .zero }

    /// Returns whether a checkpoint is in progress. If the last checkpoint failed, throws its error, once.
    public func isBusy() throws -> Bool { try shared.isBusy() }

    /// Starts saving a checkpoint and returns at once. No checkpoint may be in progress.
    func begin(_ draft: Draft) { shared.post(draft) }

    /// Starts saving the training's current state. Errors: those of `Trainer.checkpoint`.
    public func begin(_ trainer: Trainer, name: String, payload: String) throws {
        begin(Draft(name: name, payload: payload, state: try trainer.checkpoint()))
    }

    /// Waits for a checkpoint in progress; throws the error of the last checkpoint if it failed.
    public func finish() throws { try shared.finish() }
}

/// The state shared by the training's thread and the writer's thread.
private final class SharedCheckpoint: @unchecked Sendable {
    // Safe because all variables are only used under the lock, and a draft is a value.

    private let lease: Lease
    private let isCancelled: @Sendable () -> Bool
    private let onSaved: @Sendable () -> Void
    private let url: String
    private let limits: SessionLimits
    private let changed = NSCondition()
    private var draft: CheckpointWriter.Draft?
    private var failure: (any Error)?
    private var last = CheckpointPace()
    private var isSaving = false, isStopping = false, hasEnded = false

    init(
        _ lease: Lease, _ isCancelled: @escaping @Sendable () -> Bool,
        _ onSaved: @escaping @Sendable () -> Void, url: String, limits: SessionLimits
    ) {
        self.lease = lease
        self.isCancelled = isCancelled
        self.onSaved = onSaved
        self.url = url
        self.limits = limits
    }

    private func locked<Value>(_ body: () throws -> Value) rethrows -> Value {
        changed.lock()
        defer { changed.unlock() }
        return try body()
    }

    private func throwFailure() throws {
        defer { failure = nil }
        if let failure { throw failure }
    }

    var pace: CheckpointPace { locked { last } }

    func isBusy() throws -> Bool {
        try locked {
            try throwFailure()
            return isSaving
        }
    }

    func post(_ new: CheckpointWriter.Draft) {
        locked {
            precondition(!isSaving, "a checkpoint is being saved already")
            draft = new
            isSaving = true
            changed.broadcast()
        }
    }

    func finish() throws {
        try locked {
            while isSaving { changed.wait() }
            try throwFailure()
        }
    }

    func stop() {
        locked {
            isStopping = true
            changed.broadcast()
            while !hasEnded { changed.wait() }
        }
    }

    /// Runs on the writer's thread: saves drafts until `stop` is called.
    func serve() {
        let clock = ContinuousClock()
        var connection: Connection?
        var course = DeltaCourse()
        while let draft = next() {
            let began = clock.now
            var pace = CheckpointPace()
            var failed: (any Error)?
            do {
                let cpu = try Clocks.threadCPUNanoseconds()
                let open =
                    try connection
                    ?? Connection(url: url, applicationName: "ofa checkpoints", limits: limits)
                connection = open
                try CheckpointBlob.save(
                    draft, lease, open, course: &course, giveUp: isCancelled)
                onSaved()
                pace.cpu =
                    open.isOnThisMachine
                    ? clock.now - began : .nanoseconds(try Clocks.threadCPUNanoseconds() - cpu)
            } catch { failed = error }
            pace.took = clock.now - began
            locked {
                failure = failed
                last = pace
                isSaving = false
                changed.broadcast()
            }
        }
        connection?.close()
        locked {
            hasEnded = true
            changed.broadcast()
        }
    }

    private func next() -> CheckpointWriter.Draft? {
        locked {
            while draft == nil && !isStopping { changed.wait() }
            defer { draft = nil }
            return draft
        }
    }
}

/// Decides which checkpoints of a training are stored as deltas: one checkpoint is stored whole, and each of the next
/// three as a delta to it. After a delta that would save too little, eight checkpoints are stored whole before the next
/// delta is tried: with a large learning rate deltas save little, but at the end of a phase the rate is small.
///
/// Deltas reduce the number of bytes written. The two checkpoints that are kept may be deltas to the same base: if the
/// base is damaged, both are lost. Every fourth checkpoint is stored whole, because checkpoints differ more and more
/// from their base.
struct DeltaCourse {
    /// The number of deltas between two checkpoints that are stored whole.
    static let deltas = 3
    /// The number of checkpoints that are stored whole after a delta that would have saved too little.
    static let pause = 8

    /// The base of the next checkpoint; nil if it is to be stored whole.
    private(set) var base: DeltaBase?
    private var left = 0
    /// How many further checkpoints are stored whole before one becomes a base again.
    private var rest = 0

    /// Notes that the checkpoint with `bytes` was stored.
    mutating func saved(_ bytes: [UInt8], _ digest: Digest, isDelta: Bool) {
        if isDelta {
            left -= 1
            if left == 0 { base = nil }
        } else {
            rest = base == nil ? max(0, rest - 1) : Self.pause
            base = rest == 0 ? DeltaBase(digest, bytes) : nil
            left = Self.deltas
        }
    }
}

/// Stores a checkpoint: the training's state as a blob, and a row that refers to the blob.
enum CheckpointBlob {
    /// Stores the bytes of a state, then the checkpoint's row. The row's transaction also removes the blobs of
    /// superseded checkpoints, and fails if the lease was lost. `course` decides whether the bytes are stored as a delta.
    /// Errors: `JobInterruption.fenced` if the lease was lost.
    static func save(
        _ draft: CheckpointWriter.Draft, _ lease: Lease, _ connection: Connection,
        course: inout DeltaCourse, giveUp: () -> Bool
    ) throws {
        let bytes = try encoded(draft.state)
        let blobs = BlobStore(connection), base = course.base
        let (digest, isDelta) = try connection.withReconnect(
            ReconnectPolicy(waitsForWrites: true), giveUp: giveUp
        ) { _ in
            let kind = BlobStore.checkpointKind
            let digest =
                try base.map { try blobs.put(bytes, kind: kind, base: $0) }
                ?? blobs.put(bytes, elementSize: 4, kind: kind)
            return (digest, try blobs.info(digest)?.parent != nil)
        }
        var removed: RemovedBlobs?
        let answer = try JobQueue(connection, policy: ReconnectPolicy(waitsForWrites: true))
            .saveCheckpoint(
                lease, name: draft.name, seq: Int64(draft.state.step), payload: draft.payload,
                digest: digest.bytes
            ) { connection in
                for rows in JobQueue.requests(of: lease, draft.metrics) {
                    try connection.execute(rows)
                }
                // Another job's superseded checkpoint may have had equal bytes, and the blob may just have been
                // removed with that checkpoint. Then the blob is stored again.
                if try !blobs.hold(digest) {
                    try blobs.put(bytes, elementSize: 4, kind: BlobStore.checkpointKind)
                }
            } remove: { superseded, _ in
                removed = try blobs.removeCheckpointBlobs(superseded)
            }
        guard answer != .fenced else { throw JobInterruption.fenced }
        if let removed { try blobs.afterRemoving(removed) }
        course.saved(bytes, digest, isDelta: isDelta)
    }

    /// Encodes a state as safetensors.
    static func encoded(_ state: Trainer.State) throws -> [UInt8] {
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for array in state.arrays {
            tensors[array.name] = .init(shape: array.shape, values: array.values)
        }
        return try Safetensors.encode(SafetensorsFile(tensors: tensors))
    }
}
