// What a new device is cut from.

import Artifacts
import Foundation
import Jobs
import Postgres
import Search
import TestSupport
import Testing

@testable import Pipelines

struct SpecializationTests {
    @Test("networks come from the supernet the predictor was fitted for, not from the newest one")
    func supernetOfThePredictor() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let queue = JobQueue(connection)
        let yaml = """
            name: two-branches
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: d, folder: /nowhere}
              one: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
              two: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
              accuracy: {kind: sample-accuracy, needs: [one]}
              predictor: {kind: fit-predictor, needs: [accuracy]}
            """
        let run = try queue.enqueue(
            try PipelineDefinition(text: yaml, file: "two.yaml").runSpec())
        let jobs = Dictionary(
            uniqueKeysWithValues: try queue.jobs(run: run).map { ($0.stage, $0.id) })
        let store = ArtifactStore(connection)
        var token: Int64 = 0
        func make(_ stage: String, _ roles: [ArtifactRole], _ inputs: [(ArtifactID, ArtifactRole)])
            throws -> [ArtifactID]
        {
            token += 1
            return try roles.map { role in
                try store.insert(
                    Artifact.New(
                        kind: role.rawValue, name: "\(stage)-\(role.rawValue)",
                        digest: Digest.of(Array("\(stage)\(role)".utf8)), run: run,
                        job: try #require(jobs[stage]), token: token, stage: stage),
                    inputs: inputs.map { Artifact.Input($0.0, role: $0.1.rawValue) })
            }
        }
        let data = try make("data", [.dataset, .testImages], [])
        let one = try make("one", [.supernet], [(data[0], .dataset)])
        let samples = try make("accuracy", [.samples], [(data[0], .dataset), (one[0], .supernet)])
        let two = try make("two", [.supernet], [(data[0], .dataset)])
        let predictor = try make("predictor", [.predictor], [(samples[0], .samples)])

        let sources = try Specialization.sources(connection)
        #expect(sources.run == run)
        #expect(
            sources.artifacts == [
                .supernet: one[0], .predictor: predictor[0], .dataset: data[0],
                .testImages: data[1],
            ])

        let other = try sources.replacing(.supernet, with: two[0].description, connection)
        #expect(other.artifacts[.supernet] == two[0])
        #expect(throws: PipelineError.self) {
            try sources.replacing(.predictor, with: two[0].description, connection)
        }
    }

    @Test("a device's tables are inputs of its search; what is measured keeps what was known")
    func tables() throws {
        let target = DeviceTarget(
            name: "d", kind: .computer, limits: .init(latencyMsMax: 1, energyMJMax: 2))
        let device = StoredDevice(
            target: target, latencyTable: ArtifactID(rawValue: 7),
            energyTable: ArtifactID(rawValue: 8))
        let sources = Specialization.Sources(
            run: 1, space: "fashion-mbv3", seed: 3,
            artifacts: [
                .supernet: ArtifactID(rawValue: 1), .predictor: ArtifactID(rawValue: 2),
                .dataset: ArtifactID(rawValue: 3), .testImages: ArtifactID(rawValue: 4),
            ])
        func arguments(_ spec: RunSpec, _ kind: String) throws -> StageArguments {
            let job = try #require(spec.stages.flatMap(\.jobs).first { $0.kind == kind })
            return try JSONText.decode(StageArguments.self, from: job.args, what: kind)
        }
        let search = try arguments(try Specialization.runSpec([device], from: sources), "search")
        #expect(search.inputs[.latencyTable] == .artifact("7"))
        #expect(search.inputs[.energyTable] == .artifact("8"))
        let kept = try arguments(
            try Specialization.measureSpec(device, space: "fashion-mbv3"), "measure-device")
        #expect(kept.inputs == [.latencyTable: .artifact("7")])
        let anew = try Specialization.measureSpec(
            device, space: "fashion-mbv3", resolutions: [28], isAnew: true)
        #expect(try arguments(anew, "measure-device").inputs.isEmpty)
    }
}
