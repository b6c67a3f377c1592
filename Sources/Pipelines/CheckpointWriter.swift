// Checkpoints beside the training: a thread of their own encodes a copy of the state and stores it through its own
// connection, while the training goes on. One at a time; the owner waits for it before it stops.

import Artifacts
import Foundation
import Interchange
import Jobs
import Metering
import Postgres
import Training

/// How often checkpoints are saved, from what the last one took.
struct CheckpointPace: Equatable {
    /// Seconds between checkpoints where nothing is stated.
    static let usualSeconds = 20.0

    /// From its beginning to its end.
    var took = Duration.zero
    /// Processor time of its thread, which the training may have waited for.
    var cpu = Duration.zero

    /// The least time from the start of one checkpoint to that of the next: a checkpoint is under way a thirtieth of the
    /// time at most, and costs a hundredth of the training at most. Stated as 0 it is 0.
    func interval(stated: Duration) -> Duration {
        stated == .zero ? .zero : max(stated, took * 30, cpu * 100)
    }
}

/// Saves the checkpoints of one training, one after the other. Used by the training's thread.
public final class CheckpointWriter {
    /// What is saved: a copy of the state, and what its row says.
    struct Draft: Sendable {
        let name: String
        let payload: String
        let state: Trainer.State
    }

    private let shared: SharedCheckpoint
    private let stated: Duration

    /// Saves for the job of `lease`, every `everySeconds` at most; the thread starts now. `connection` says where the
    /// database is; the thread has one of its own, and waits for a database that went away until `isCancelled`.
    /// `onSaved` is called after each.
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

    /// Waits for the end of what is being saved.
    deinit { shared.stop() }

    /// The least time from the start of one checkpoint to that of the next.
    public var interval: Duration { shared.pace.interval(stated: stated) }
    /// How long the last one took.
    public var lastTook: Duration { shared.pace.took }
    /// Whether every step is saved before the next one, whatever that takes.
    var isEveryStep: Bool { stated == .zero }

    /// Whether one is being saved. Throws when the last one could not be.
    public func isBusy() throws -> Bool { try shared.isBusy() }

    /// Begins to save and returns at once. None may be being saved.
    func begin(_ draft: Draft) { shared.post(draft) }

    /// Begins to save a training as it is now. Errors: those of `Trainer.checkpoint`.
    public func begin(_ trainer: Trainer, name: String, payload: String) throws {
        begin(Draft(name: name, payload: payload, state: try trainer.checkpoint()))
    }

    /// Waits for the one that is being saved; throws when it could not be.
    public func finish() throws { try shared.finish() }
}

/// What the two threads look at.
private final class SharedCheckpoint: @unchecked Sendable {
    // Safe because every variable is only touched under the lock; what is saved is a value of its own.

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

    /// The writer's thread.
    func serve() {
        let clock = ContinuousClock()
        var connection: Connection?
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
                try CheckpointBlob.save(draft, lease, open, giveUp: isCancelled)
                onSaved()
                pace.cpu = .nanoseconds(try Clocks.threadCPUNanoseconds() - cpu)
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

/// A checkpoint and its blob.
enum CheckpointBlob {
    /// Stores the bytes of a state and then, behind the fence, the row that names them. The blobs of the checkpoints that
    /// it supersedes go with them.
    static func save(
        _ draft: CheckpointWriter.Draft, _ lease: Lease, _ connection: Connection,
        giveUp: () -> Bool
    ) throws {
        let bytes = try encoded(draft.state)
        let blobs = BlobStore(connection)
        let digest = try connection.withReconnect(
            ReconnectPolicy(waitsForWrites: true), giveUp: giveUp
        ) { _ in
            try blobs.put(bytes, elementSize: 4, kind: BlobStore.checkpointKind)
        }
        var removed: RemovedBlobs?
        let answer = try JobQueue(connection, policy: ReconnectPolicy(waitsForWrites: true))
            .saveCheckpoint(
                lease, name: draft.name, seq: Int64(draft.state.step), payload: draft.payload,
                digest: digest.bytes
            ) { _ in
                // Another job's checkpoint of the same bytes may just have been superseded.
                if try !blobs.hold(digest) {
                    try blobs.put(bytes, elementSize: 4, kind: BlobStore.checkpointKind)
                }
            } remove: { superseded, _ in
                removed = try blobs.removeCheckpointBlobs(superseded)
            }
        guard answer != .fenced else { throw JobInterruption.fenced }
        if let removed { try blobs.afterRemoving(removed) }
    }

    /// A state as a file.
    static func encoded(_ state: Trainer.State) throws -> [UInt8] {
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for array in state.arrays {
            tensors[array.name] = .init(shape: array.shape, values: array.values)
        }
        return try Safetensors.encode(SafetensorsFile(tensors: tensors))
    }
}
