// Asynchronous checkpoints: a separate thread encodes a copy of the state and stores it over its
// own connection while training continues. One at a time; the owner waits for it before it ends.

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

    /// Elapsed time of the last checkpoint.
    var took = Duration.zero
    /// Processor time that may have slowed the training: that of its thread, or all of `took` where the server it waits
    /// for runs on the same machine.
    var cpu = Duration.zero

    /// The least time between the starts of two checkpoints, so that checkpoints are in progress at
    /// most a thirtieth of the time and cost at most a hundredth of the training. A stated interval
    /// of 0 stays 0.
    func interval(stated: Duration) -> Duration {
        stated == .zero ? .zero : max(stated, took * 30, cpu * 100)
    }
}

/// Saves the checkpoints of one training, one at a time. To be used by the training's thread.
public final class CheckpointWriter {
    /// A checkpoint to save: a copy of the state, and the payload of its row.
    struct Draft: Sendable {
        let name: String
        let payload: String
        let state: Trainer.State
    }

    private let shared: SharedCheckpoint
    private let stated: Duration

    /// Saves for the job of `lease`, at most every `everySeconds`. The thread starts now, with its
    /// own connection to the database of `connection`, and retries while the database is
    /// unreachable until `isCancelled`. `onSaved` is called after each checkpoint.
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
    /// Elapsed time of the last checkpoint.
    public var lastTook: Duration { shared.pace.took }
    /// Whether every step is saved before the next one starts.
    var isEveryStep: Bool { stated == .zero }

    /// Whether a checkpoint is in progress. Throws if the last one failed.
    public func isBusy() throws -> Bool { try shared.isBusy() }

    /// Starts saving and returns at once. None may be in progress.
    func begin(_ draft: Draft) { shared.post(draft) }

    /// Starts saving the training's current state. Errors: those of `Trainer.checkpoint`.
    public func begin(_ trainer: Trainer, name: String, payload: String) throws {
        begin(Draft(name: name, payload: payload, state: try trainer.checkpoint()))
    }

    /// Waits for a checkpoint in progress; throws if it failed.
    public func finish() throws { try shared.finish() }
}

/// The state shared by the two threads.
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

/// A checkpoint and its blob.
enum CheckpointBlob {
    /// Stores the bytes of a state and then, behind the fence, the checkpoint row; removes the
    /// blobs of superseded checkpoints.
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
                // The blob may just have been removed with another job's superseded checkpoint of
                // equal bytes.
                if try !blobs.hold(digest) {
                    try blobs.put(bytes, elementSize: 4, kind: BlobStore.checkpointKind)
                }
            } remove: { superseded, _ in
                removed = try blobs.removeCheckpointBlobs(superseded)
            }
        guard answer != .fenced else { throw JobInterruption.fenced }
        if let removed { try blobs.afterRemoving(removed) }
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
