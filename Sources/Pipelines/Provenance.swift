// How an artifact was made: the program, machine and engine of the attempt, recorded in the artifact's metadata so that
// the record outlives the queue's history. Parameters and seeds are in the arguments of the job, and the hash of the
// pipeline's definition is in its run; both are kept as long as the artifact.

import Artifacts
import Foundation
import Jobs
import Tensors

/// The version of the program that executes stages.
public struct CodeVersion: Codable, Sendable, Equatable {
    /// The release number.
    public var release: String
    /// The first twelve digits of the commit; nil if built without git.
    public var commit: String?
    /// Whether the work tree had changes; nil if unknown.
    public var dirty: Bool?

    /// `commit` is nil if the program was built without git.
    public init(release: String, commit: String? = nil, dirty: Bool? = nil) {
        self.release = release
        self.commit = commit
        self.dirty = dirty
    }

    /// The version in one word, such as `0.1.0+0123456789ab` or `0.1.0+0123456789ab-dirty`.
    public var word: String {
        release + (commit.map { "+\($0)" } ?? "") + (dirty == true ? "-dirty" : "")
    }
}

/// The program, machine and engine that made an artifact.
public struct Provenance: Codable, Sendable, Equatable {
    /// The version of the program; nil if it was not given.
    public var code: CodeVersion?
    /// The name of the machine.
    public var host: String
    /// The instruction set of the kernels, and OpenBLAS's kernel set.
    public var instructionSet, blasCore: String
    /// The number of threads that the job could use.
    public var threads: Int
    /// Whether a repetition gives the same bytes: true unless the bytes depend on measured times.
    public var deterministic: Bool

    /// Describes this process and a job of this process.
    init(_ code: CodeVersion?, threads: Int, deterministic: Bool) throws {
        self.code = code
        host = HostIdentity.current.name
        instructionSet = try InstructionSet.fromEnvironment().description
        blasCore = BLASCore.current
        self.threads = threads
        self.deterministic = deterministic
    }

    /// Returns the provenance recorded in the metadata of an artifact; nil for artifacts of older versions and
    /// user-supplied artifacts.
    public static func of(_ artifact: Artifact) throws -> Provenance? {
        struct Known: Decodable {
            let madeBy: Provenance?
        }
        return try JSONText.decode(
            Known.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)'s metadata"
        ).madeBy
    }

    /// Returns the JSON object `metadata` with the provenance added as `madeBy`.
    func added(to metadata: String) throws -> String {
        precondition(metadata.hasPrefix("{") && metadata.hasSuffix("}"), "no JSON object")
        let own = "{\"madeBy\":\(try JSONText.encode(self))"
        return own + (metadata == "{}" ? "}" : "," + metadata.dropFirst())
    }
}

extension StageArguments {
    /// Whether a repetition of the stage gives the same bytes: false if the stage measures time, chooses by measured
    /// times, or states when it ran.
    var isDeterministic: Bool {
        switch parameters {
        case .measureDevice, .report: false
        // A network that is too slow when measured is replaced by that of a second search.
        case .materialise(let parameters): parameters.device?.limits.latencyMsMax == nil
        case .importDataset, .train, .sampleAccuracy, .fitPredictor, .search, .fineTune, .evaluate:
            true
        }
    }
}
