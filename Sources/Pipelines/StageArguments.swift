// The arguments of a stage's job: everything a worker needs, so that it never reads the pipeline
// file.

import Devices
import Foundation
import Intake
import Jobs
import Networks

/// The arguments of a stage's job, as JSON in the queue.
public struct StageArguments: Codable, Sendable, Equatable {
    /// The part of a fanned-out stage that a job handles.
    public enum Part: Codable, Sendable, Equatable {
        /// These subnets, as shard number `index`.
        case shard(index: Int, subnets: [SubnetConfig])
        /// Merge the shards' results.
        case gather
    }

    /// The stage's name in its pipeline.
    public var stage: String
    /// Its parameters.
    public var parameters: StageParameters
    /// Where its inputs come from.
    public var inputs: [ArtifactRole: InputReference]
    /// The search space: its definition travels with the job, so that a worker needs no list of names.
    public var space: SearchSpace {
        get { definition.space }
        set { definition = TravellingSpace(newValue) }
    }
    private var definition: TravellingSpace
    /// The seed of all random draws of the run.
    public var seed: UInt64
    /// Nil for the stage's first job.
    public var part: Part?
    /// The queue's terms for its jobs; nil if the file sets none.
    public var terms: StageTerms?

    private enum CodingKeys: String, CodingKey {
        case stage, parameters, inputs, seed, part, terms
        case definition = "space"
    }

    /// The arguments of a stage of `space`.
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

    /// The run's seed mixed with the stage's name (64-bit FNV-1a), so that every phase draws its
    /// own order of images, crops and subnets.
    var stageSeed: UInt64 {
        stage.utf8.reduce(seed ^ 0xCBF2_9CE4_8422_2325) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
        }
    }

    /// The job of a stage.
    func job() throws -> JobSpec {
        var job = JobSpec(kind: kind, args: try JSONText.encode(self), terms: terms)
        job.device = device?.name
        return job
    }

    /// The device target of the stage; nil if it serves all devices.
    private var device: DeviceTarget? {
        switch parameters {
        case .measureDevice(let parameters): parameters.device
        case .search(let parameters): parameters.device
        case .materialise(let parameters): parameters.device
        case .importDataset, .train, .sampleAccuracy, .fitPredictor, .report: nil
        }
    }

    /// The kind of the stage, which names the handler.
    var kind: StageKind {
        switch parameters {
        case .importDataset: .importDataset
        case .train: .train
        case .sampleAccuracy: .sampleAccuracy
        case .fitPredictor: .fitPredictor
        case .measureDevice: .measureDevice
        case .search: .search
        case .materialise: .materialise
        case .report: .report
        }
    }
}

/// A space on its way: written as its definition, read from that or, as older versions wrote it, from its name.
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

/// Canonical JSON: keys are sorted, so that equal values give equal text.
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
    /// The run to enqueue.
    public func runSpec() throws -> RunSpec {
        RunSpec(
            name: name, definition: text, definitionHash: hash,
            stages: try stages.map { stage in
                let arguments = StageArguments(
                    stage: stage.name, parameters: stage.parameters, inputs: stage.inputs,
                    space: space, seed: seed, terms: stage.terms)
                return StageSpec(
                    name: stage.name, job: try arguments.job(), needs: stage.needs,
                    onBad: stage.onBad)
            })
    }
}
