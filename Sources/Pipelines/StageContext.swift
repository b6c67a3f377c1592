// The interface of a running stage to its arguments, inputs, engine and job.

import Artifacts
import Datasets
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Tensors
import Training

/// The context of one stage's running job.
public final class StageContext {
    /// The arguments of the job.
    public let arguments: StageArguments
    /// The search space.
    public let space: SearchSpace
    /// The queue's interface: progress, checkpoints, cancellation.
    public let job: JobContext
    private let cache: BlobCache
    /// The artifacts read so far, in order, for lineage.
    private(set) var readInputs: [Artifact.Input] = []
    /// The shards of pictures that were opened.
    private var pictureShards: [Digest] = []
    /// Small blobs that are not stored yet, to be stored at the end of this attempt, in order.
    private(set) var waiting: [WaitingBlob] = []
    /// The last output of a trial, which is not stored.
    private var unstored: (digest: Digest, bytes: [UInt8])?

    init(_ job: JobContext, cache: BlobCache) throws {
        self.job = job
        arguments = try StageArguments.read(job.lease.args, of: "job \(job.lease.jobID)")
        space = arguments.space
        self.cache = cache
    }

    private var blobs: BlobStore { get throws { BlobStore(try job.connection) } }
    private var artifacts: ArtifactStore { get throws { ArtifactStore(try job.connection) } }

    /// Returns an engine with the number of threads that the job has reserved.
    public func engine() throws -> CPUEngine { try CPUEngine(threads: job.threads) }

    /// Returns the input artifact of `role` and records that this attempt read it. Errors: `missingInput`.
    public func input(_ role: ArtifactRole) throws -> Artifact {
        guard let reference = arguments.inputs[role] else {
            throw PipelineError(
                .missingInput, "stage \(arguments.stage) was given no \(role.rawValue)")
        }
        let artifact: Artifact
        switch reference {
        case .artifact(let name):
            artifact = try artifacts.find(name)
        case .stage(let stage):
            let made = try artifacts.list(run: job.lease.runID, kind: role.made.rawValue)
            guard
                let found = made.filter({ $0.producer?.stage == stage }).max(by: { $0.id < $1.id })
            else {
                throw PipelineError(
                    .missingInput,
                    "stage \(stage) of run \(job.lease.runID) left no \(role.made.rawValue)")
            }
            artifact = found
        }
        guard artifact.kind == role.made.rawValue else {
            throw PipelineError(
                .missingInput,
                "artifact \(artifact.id) is a \(artifact.kind); stage \(arguments.stage) needs a \(role.made.rawValue)"
            )
        }
        noteRead(artifact.id, as: role)
        return artifact
    }

    /// Returns the inputs of the attempt that made an artifact, by role; the last input if several share a role.
    func inputs(of artifact: Artifact) throws -> [ArtifactRole: Artifact] {
        let lineage = try Lineage(try job.connection).up(artifact.id)
        let known = Dictionary(lineage.artifacts.map { ($0.id, $0) }) { first, _ in first }
        var inputs: [ArtifactRole: Artifact] = [:]
        for edge in lineage.edges where edge.output == artifact.id {
            guard let role = ArtifactRole(rawValue: edge.role) else { continue }
            inputs[role] = known[edge.input]
        }
        return inputs
    }

    /// Records an artifact as an input of this attempt, once.
    func noteRead(_ artifact: ArtifactID, as role: ArtifactRole) {
        if !readInputs.contains(where: { $0.artifact == artifact && $0.role == role.rawValue }) {
            readInputs.append(Artifact.Input(artifact, role: role.rawValue))
        }
    }

    /// Records artifacts as inputs of this attempt; none of these artifacts may be recorded already.
    func noteRead(_ artifacts: [ArtifactID], as role: ArtifactRole) {
        readInputs += artifacts.map { Artifact.Input($0, role: role.rawValue) }
    }

    /// Returns the artifacts of a kind that jobs of this stage have recorded in this run.
    func madeByStage(_ role: ArtifactRole) throws -> [Artifact] {
        try artifacts.list(run: job.lease.runID, kind: role.rawValue).filter {
            $0.producer?.stage == job.lease.stage
        }
    }

    /// Returns the verified bytes of an artifact.
    public func bytes(_ artifact: Artifact) throws -> [UInt8] { try bytes(artifact.digest) }

    /// Whether the job records no artifacts (`Reproduction`).
    var isTrial: Bool { arguments.isTrial == true }

    /// Stores the bytes of an artifact and returns their digest; a small blob is stored at the end of this attempt.
    /// Bytes that are stored already are not stored again. A trial stores only bytes that other jobs of the stage read
    /// (`isShared`).
    public func put(
        _ bytes: [UInt8], elementSize: Int = 4, as role: ArtifactRole, isShared: Bool = false
    ) throws -> Digest {
        if isTrial, !isShared {
            let digest = Digest.of(bytes)
            unstored = (digest, bytes)
            return digest
        }
        let (digest, blob) = try patiently {
            try blobs.putOrWait(bytes, elementSize: elementSize, kind: role.rawValue)
        }
        if let blob { waiting.append(blob) }
        return digest
    }

    /// Stores the bytes of an artifact or, if it is far smaller, the recipe that makes the bytes. Returns the digest of
    /// the bytes.
    func put(_ bytes: [UInt8], as role: ArtifactRole, recipe: BlobRecipe) throws -> Digest {
        if isTrial { return try put(bytes, as: role) }
        return try patiently {
            try blobs.put(bytes, elementSize: 4, kind: role.rawValue, recipe: recipe)
        }
    }

    /// Returns the verified bytes whose digest is `digest`.
    public func bytes(_ digest: Digest) throws -> [UInt8] {
        if let blob = waiting.first(where: { $0.digest == digest }) { return blob.bytes }
        if let unstored, unstored.digest == digest { return unstored.bytes }
        return try patiently { try blobs.get(digest) }
    }

    /// Returns the verified image shard of a blob, memory-mapped from this machine's cache.
    public func shard(_ digest: Digest) throws -> ImageShard {
        try mapped(digest) { try ImageShard($0) }
    }

    /// Returns the verified shard of pictures that a blob holds, memory-mapped from this machine's cache.
    func pictureShard(_ digest: Digest) throws -> PictureShard {
        pictureShards.append(digest)
        return try mapped(digest) { try PictureShard($0) }
    }

    /// Checks the cached files of the shards of pictures that this attempt opened, and deletes damaged files, so that
    /// the next attempt fetches them again. Returns the number of deleted files.
    func removeDamagedShards() throws -> Int { try cache.removeDamaged(pictureShards) }

    /// Reads the blobs of all opened shards of pictures, one after the other. Errors: `corrupt`, naming the blob and
    /// the remedy, if the bytes in the store are damaged.
    func verifyShards() throws {
        for digest in pictureShards { _ = try bytes(digest) }
    }

    /// Opens the file of a blob in this machine's cache.
    private func mapped<Value>(_ digest: Digest, _ open: (String) throws -> Value) throws -> Value {
        if let unstored, unstored.digest == digest {
            let file = FileManager.default.temporaryDirectory.appending(
                path: "ofa-trial-\(UUID().uuidString)")
            try Data(unstored.bytes).write(to: file)
            // The mapping outlives the name of the file.
            defer { unlink(file.path) }
            return try open(file.path)
        }
        let clock = ContinuousClock()
        let policy = ReconnectPolicy()
        let began = clock.now
        var tries = 0
        if let blob = waiting.first(where: { $0.digest == digest }) {
            // A waiting blob is stored now, so that the loop below can open it like any other blob.
            _ = try patiently { try blobs.put(blob.bytes, elementSize: 1) }
        }
        while true {
            do {
                return try patiently { try cache.opened(digest, from: blobs, open) }
            } catch let error as PipelineError where error.code == .noRoom {
                // The stage waits for free disk space as it waits for an unreachable database: space may be freed, and
                // the stage itself has not failed.
                if tries == 0 { job.log("waiting for room: \(error.message)") }
                guard clock.now - began < .seconds(policy.limitSeconds) else { throw error }
                try job.stopIfAsked()
                Thread.sleep(forTimeInterval: min(1, policy.delaySeconds(attempt: tries)))
                tries += 1
            }
        }
    }

    /// Calls `body`, and retries while the database is unreachable and the job is not cancelled.
    private func patiently<Value>(_ body: () throws -> Value) throws -> Value {
        try job.connection.withReconnect(
            ReconnectPolicy(waitsForWrites: true), giveUp: { job.isCancelled }
        ) { _ in try body() }
    }

    /// Returns an artifact's metadata. Errors: `invalidArtifact`, `newerDefinition`.
    public func metadata<Value: Decodable>(_ type: Value.Type, of artifact: Artifact) throws
        -> Value
    {
        try JSONText.decode(
            type, from: artifact.metadataJSON, what: "artifact \(artifact.id) (\(artifact.kind))")
    }

    /// Returns the content of an artifact whose bytes are JSON. Errors: `invalidArtifact`, `newerDefinition`.
    public func content<Value: Decodable>(_ type: Value.Type, of artifact: Artifact) throws -> Value
    {
        try JSONText.decode(
            type, from: String(decoding: try bytes(artifact), as: UTF8.self),
            what: "artifact \(artifact.id) (\(artifact.kind))")
    }
}

/// The output of a completed stage.
public struct StageOutput {
    /// An artifact that the stage made.
    public struct Made {
        let role: ArtifactRole
        let name: String
        let digest: Digest
        let metadata: String
        /// The device whose latency table this artifact becomes; nil for other artifacts.
        let tableOf: DeviceTarget?

        /// Makes an output; the bytes of `digest` must have been given to `StageContext.put`.
        public init(
            _ role: ArtifactRole, name: String, digest: Digest, metadata: some Encodable,
            tableOf: DeviceTarget? = nil
        ) throws {
            self.role = role
            self.tableOf = tableOf
            self.name = name
            self.digest = digest
            self.metadata = try JSONText.encode(metadata)
        }
    }

    let made: [Made]
    let result: String
    let fanOut: FanOut?
    /// Metrics of a training that may not be written yet; they are written with the job's end.
    var rows = TrainingRows()

    /// Makes an output; `result` is encoded as JSON and stored as the job's result.
    public init(_ made: [Made] = [], result: some Encodable, fanOut: FanOut? = nil) throws {
        self.made = made
        self.result = try JSONText.encode(result)
        self.fanOut = fanOut
    }
}

/// The empty result of stages that only make artifacts.
struct NoResult: Codable, Sendable {}
