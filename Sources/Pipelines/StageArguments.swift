// The arguments of a stage's job. They hold everything that a worker needs, so that no worker reads the pipeline file.

import Artifacts
import Devices
import Foundation
import Intake
import Jobs
import Networks

/// The arguments of a stage's job, as JSON in the queue.
public struct StageArguments: Codable, Sendable, Equatable {
    /// The part of a fanned-out stage that a job handles.
    public enum Part: Codable, Sendable, Equatable {
        /// The job measures `subnets`, as shard number `index`.
        case shard(index: Int, subnets: [SubnetConfig])
        /// The job imports `count` units (sets of pictures, or archives) of a data set, from unit `first` on. `survey`
        /// is the digest of the survey that lists the units.
        case units(survey: Digest, first: Int, count: Int)
        /// The job merges the results of the other jobs.
        case gather
    }

    /// The stage's name in its pipeline.
    public var stage: String
    /// The stage's parameters.
    public var parameters: StageParameters
    /// The sources of the stage's inputs.
    public var inputs: [ArtifactRole: InputReference]
    /// The search space. The arguments hold its definition, so that a worker needs no list of spaces.
    public var space: SearchSpace {
        get { definition.space }
        set { definition = TravellingSpace(newValue) }
    }
    private var definition: TravellingSpace
    /// The seed of all random draws of the run.
    public var seed: UInt64
    /// The part of a fanned-out stage that the job handles; nil for a stage's first job.
    public var part: Part?
    /// The queue settings of the stage's jobs, such as priority; nil if the file sets none.
    public var terms: StageTerms?
    /// Whether the stage only reports the digests of its outputs, as the job's result, and records no artifacts
    /// (`Reproduction`); nil means no.
    var isTrial: Bool?

    private enum CodingKeys: String, CodingKey {
        case stage, parameters, inputs, seed, part, terms
        case isTrial = "trial"
        case definition = "space"
    }

    /// Makes the arguments of a stage whose search space is `space`.
    public init(
        stage: String, parameters: StageParameters, inputs: [ArtifactRole: InputReference],
        space: SearchSpace, seed: UInt64, part: Part? = nil, terms: StageTerms? = nil
    ) {
        self.stage = stage
        self.parameters = parameters
        self.inputs = inputs
        definition = TravellingSpace(space)
        self.seed = seed
        self.part = part
        self.terms = terms
    }

    /// Reads the arguments of `job` from JSON. Errors: `newerDefinition` if they have fields, or their space layer types,
    /// that this version does not know; `invalidArtifact` if the arguments cannot be read for another reason.
    static func read(_ text: String, of job: String) throws -> StageArguments {
        let what = "\(job)'s arguments"
        let arguments = try JSONText.decode(StageArguments.self, from: text, what: what)
        let written = try JSONText.encode(arguments)
        guard written != text else { return arguments }
        var given = try JSONNode(text, .result)
        // A definition that decodes to a published space is not searched for unknown fields.
        if SearchSpace.published.contains(arguments.space), case .object(let members) = given {
            given = .object(members.filter { $0.key != CodingKeys.definition.stringValue })
        }
        if let stray = given.stray(beside: try JSONNode(written, .result)) {
            throw PipelineError(
                .newerDefinition, "\(what): \(stray) to this version of ofa",
                remedy: "use a newer one")
        }
        return arguments
    }

    /// The run's seed mixed with the stage's name (64-bit FNV-1a), so that every training phase draws its own order of
    /// images, crops and subnets.
    var stageSeed: UInt64 {
        stage.utf8.reduce(seed ^ 0xCBF2_9CE4_8422_2325) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
        }
    }

    /// Returns the job with these arguments. A job that times networks on several threads reserves as many processors.
    func job() throws -> JobSpec {
        var job = JobSpec(kind: kind, args: try JSONText.encode(self), terms: terms)
        job.device = device?.name
        if let device, times(device), device.threads > 1 {
            job.threads = max(job.threads, device.threads)
        }
        job.requires = Set(job.requires + demands).sorted()
        return job
    }

    /// The device that the stage serves; nil if it serves no single device.
    private var device: DeviceTarget? {
        switch parameters {
        case .measureDevice(let parameters): parameters.device
        case .search(let parameters): parameters.device
        case .materialise(let parameters): parameters.device
        case .fineTune(let parameters): parameters.device
        case .importDataset, .train, .sampleAccuracy, .fitPredictor, .evaluate, .report: nil
        }
    }

    private func times(_ device: DeviceTarget) -> Bool {
        [.measureDevice, .materialise, .fineTune].contains(kind) && device.kind == .computer
    }

    /// The kind of the stage, which is also the kind of its job.
    var kind: StageKind {
        switch parameters {
        case .importDataset: .importDataset
        case .train: .train
        case .sampleAccuracy: .sampleAccuracy
        case .fitPredictor: .fitPredictor
        case .measureDevice: .measureDevice
        case .search: .search
        case .materialise: .materialise
        case .fineTune: .fineTune
        case .evaluate: .evaluate
        case .report: .report
        }
    }
}

/// The encoding of a space in a job's arguments: a definition or, in data of older versions, a name.
struct TravellingSpace: Codable, Sendable, Equatable {
    let space: SearchSpace

    init(_ space: SearchSpace) { self.space = space }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        let name: String
        do { name = try value.decode(String.self) } catch DecodingError.typeMismatch {
            space = try value.decode(SearchSpace.self)
            try space.check()
            return
        }
        space = try SearchSpace.named(name)
    }

    func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(space)
    }
}

extension ArtifactRole: CodingKeyRepresentable {}

/// Writes canonical JSON, in which keys are sorted so that equal values give equal text, and reads JSON.
enum JSONText {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from text: String, what: String) throws
        -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch let error as NetworkError where error.code == .unknownLayer {
            throw PipelineError(
                .newerDefinition, "\(what): \(error.reason)", remedy: error.remedy)
        } catch {
            throw PipelineError(
                .invalidArtifact,
                "\(what) does not hold what this version of ofa expects: "
                    + ((error as? DecodingError)?.told ?? "\(error)")
            )
        }
    }
}

extension PipelineDefinition {
    /// Returns the run of this pipeline, to be enqueued.
    public func runSpec() throws -> RunSpec {
        RunSpec(
            name: name, definition: text, definitionHash: hash,
            stages: try stages.map { stage in
                let arguments = StageArguments(
                    stage: stage.name, parameters: stage.parameters, inputs: stage.inputs,
                    space: space, seed: stage.seed, terms: stage.terms)
                return StageSpec(
                    name: stage.name, job: try arguments.job(), needs: stage.needs,
                    onBad: stage.onBad)
            })
    }
}
