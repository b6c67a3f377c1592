// A new device target after training: measure its table if it needs one, search, materialise. Nothing is trained; the
// supernet, the predictor and the data set are those of an earlier run.

import Artifacts
import Foundation
import Jobs
import Networks
import Postgres
import Schema
import Search

/// What a new device is cut from.
public struct Specialization: Sendable {
    /// The artifacts of an earlier run that every network of it is cut from.
    public struct Sources: Sendable, Equatable {
        /// The run they come from.
        public let run: RunID
        /// The search space of its networks.
        public let space: String
        let seed: UInt64
        private(set) var artifacts: [ArtifactRole: ArtifactID]

        /// The same with another artifact in a role, by number, digest or name; one of another kind is an error.
        public func replacing(
            _ role: ArtifactRole, with reference: String, _ connection: Connection
        ) throws -> Sources {
            let artifact = try ArtifactStore(connection).find(reference)
            guard artifact.kind == role.rawValue else {
                throw PipelineError(
                    .missingInput,
                    "artifact \(artifact.id) is a \(artifact.kind), not a \(role.rawValue): ofa artifacts list --kind \(role.rawValue)"
                )
            }
            var other = self
            other.artifacts[role] = artifact.id
            return other
        }

        init(run: RunID, space: String, seed: UInt64, artifacts: [ArtifactRole: ArtifactID]) {
            self.run = run
            self.space = space
            self.seed = seed
            self.artifacts = artifacts
        }
    }

    /// The artifacts of `run`, or of the newest run that has all of them: the last supernet, its predictor, the data.
    public static func sources(_ connection: Connection, run: RunID? = nil) throws -> Sources {
        let store = ArtifactStore(connection)
        let queue = JobQueue(connection)
        let candidates = try run.map { [try queue.run($0)] } ?? queue.runs()
        for candidate in candidates {
            let made = try store.list(run: candidate.id)
            guard let predictor = made.last(where: { $0.kind == ArtifactRole.predictor.rawValue }),
                let arguments = try arguments(of: predictor, queue)
            else { continue }
            let found = try origins(of: predictor, made, Lineage(connection).up(predictor.id))
            if found.count == 4 {
                return Sources(
                    run: candidate.id, space: arguments.space, seed: arguments.seed,
                    artifacts: found)
            }
        }
        throw PipelineError(
            .missingInput,
            run.map {
                "run \($0) has no fitted predictor with its supernet and data yet: wait until it has"
            }
                ?? "no run has a fitted predictor yet: train one first, for example with ofa run pipelines/fashion-mnist-quick.yaml"
        )
    }

    /// The stages' arguments of the job that made an artifact.
    private static func arguments(of artifact: Artifact, _ queue: JobQueue) throws
        -> StageArguments?
    {
        guard let job = artifact.producer?.job else { return nil }
        return try JSONText.decode(
            StageArguments.self, from: try queue.job(job).args, what: "job \(job)'s arguments")
    }

    /// What the predictor was fitted for, by its lineage: the supernet its accuracies were measured on, that
    /// measurement's data set, and the test images that were imported with it.
    private static func origins(
        of predictor: Artifact, _ made: [Artifact], _ lineage: LineageGraph
    ) throws -> [ArtifactRole: ArtifactID] {
        func input(_ role: ArtifactRole, of artifact: ArtifactID?) -> ArtifactID? {
            lineage.edges.first { $0.output == artifact && $0.role == role.rawValue }?.input
        }
        let samples = input(.samples, of: predictor.id)
        let dataset = input(.dataset, of: samples)
        let importer = lineage.artifacts.first { $0.id == dataset }?.producer?.token
        var found: [ArtifactRole: ArtifactID] = [.predictor: predictor.id]
        found[.supernet] = input(.supernet, of: samples)
        found[.dataset] = dataset
        found[.testImages] =
            made.first {
                $0.kind == ArtifactRole.testImages.rawValue && $0.producer?.token == importer
            }?.id
        return found
    }

    /// The run that cuts networks for `devices`, each with its stored table where it has one.
    public static func runSpec(_ devices: [StoredDevice], from sources: Sources) throws -> RunSpec {
        var stages: [StageSpec] = []
        var inputs: [ArtifactRole: InputReference] = [:]
        for (role, id) in sources.artifacts { inputs[role] = .artifact(id.description) }
        func add(
            _ name: String, _ parameters: StageParameters, _ more: [ArtifactRole: InputReference],
            needs: [String]
        ) throws {
            let wanted = Set(parameters.requiredRoles + parameters.optionalRoles)
            let arguments = StageArguments(
                stage: name, parameters: parameters,
                inputs: inputs.merging(more) { $1 }.filter { wanted.contains($0.key) },
                space: sources.space,
                seed: sources.seed)
            stages.append(StageSpec(name: name, job: try arguments.job(), needs: needs))
        }
        for device in devices {
            let name = device.target.name
            var needs: [String] = []
            var more: [ArtifactRole: InputReference] = [:]
            if let table = device.latencyTable {
                more[.latencyTable] = .artifact(table.description)
            } else if device.target.limits.latencyMsMax != nil {
                let measurement = try Self.measurement(
                    device.target, space: sources.space, seed: sources.seed)
                stages.append(measurement)
                more[.latencyTable] = .stage(measurement.name)
                needs = [measurement.name]
            }
            if let table = device.energyTable {
                more[.energyTable] = .artifact(table.description)
            }
            let search = "search-\(name)"
            try add(search, .search(.init(device: device.target)), more, needs: needs)
            try add(
                "network-\(name)",
                .materialise(.init(device: device.target, network: nil, calibrationImages: 2000)),
                [.choice: .stage(search)], needs: [search])
        }
        let names = devices.map(\.target.name).joined(separator: "+")
        let definition = try JSONText.encode(devices.map(\.target)) + " from run \(sources.run)"
        return run("specialize-\(names)", definition, stages)
    }

    /// The run that measures a device's latency table for networks of `space` on this machine, and does nothing else.
    ///
    /// Entries of the table that the device has are kept, unless it is to be measured anew.
    public static func measureSpec(
        _ device: StoredDevice, space: String, resolutions: [Int]? = nil, repeats: Int? = nil,
        wholeNetworks: Int = 20, isAnew: Bool = false
    ) throws -> RunSpec {
        let target = device.target
        var arguments = try measuring(target, space: space, seed: 0)
        arguments.parameters = .measureDevice(
            .init(
                device: target, repeats: repeats ?? StageParameters.usualRepeats,
                wholeNetworks: wholeNetworks, resolutions: resolutions))
        if !isAnew, let table = device.latencyTable {
            arguments.inputs[.latencyTable] = .artifact(table.description)
        }
        let definition = try JSONText.encode(target) + " in \(space)"
        return run(
            "measure-\(target.name)", definition,
            [StageSpec(name: arguments.stage, job: try arguments.job())])
    }

    private static func run(_ name: String, _ definition: String, _ stages: [StageSpec]) -> RunSpec
    {
        RunSpec(
            name: name, definition: definition,
            definitionHash: Digest.of(Array((definition + "\(stages)").utf8)).hex, stages: stages)
    }

    private static func measurement(_ device: DeviceTarget, space: String, seed: UInt64) throws
        -> StageSpec
    {
        let arguments = try measuring(device, space: space, seed: seed)
        return StageSpec(name: arguments.stage, job: try arguments.job())
    }

    private static func measuring(_ device: DeviceTarget, space: String, seed: UInt64) throws
        -> StageArguments
    {
        guard device.kind == .computer else {
            throw PipelineError(
                .missingInput,
                "device \(device.name) is a \(device.kind.rawValue) without a latency table, and only this machine can be"
                    + " measured: give one with ofa device add \(device.name) --latency-table FILE")
        }
        return StageArguments(
            stage: "measure-\(device.name)",
            parameters: .measureDevice(
                .init(
                    device: device, repeats: StageParameters.usualRepeats, wholeNetworks: 20,
                    resolutions: nil)),
            inputs: [:], space: space, seed: seed)
    }
}
