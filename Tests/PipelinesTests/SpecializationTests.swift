// What a new device is cut from.

import Artifacts
import Devices
import Foundation
import Jobs
import Networks
import Postgres
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
              one: {kind: train, needs: [data], phase: full, kernel_sizes: [3, 5, 7], epochs: 1, learning_rate: 0.1}
              two: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1}
              accuracy: {kind: sample-accuracy, needs: [one], calibration_images: 300}
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
                        digest: BlobStore(connection).put(
                            Array("\(stage)\(role)".utf8), elementSize: 1), run: run,
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
        #expect(sources.calibrationImages == 300 && sources.testOffset == nil)
        #expect(
            sources.artifacts == [
                .supernet: one[0], .predictor: predictor[0], .dataset: data[0],
                .testImages: data[1],
            ])

        // A predictor of another supernet, and a supernet without one, are refused; both by lineage.
        for predictor in [nil, predictor[0].description] {
            let error = #expect(throws: PipelineError.self) {
                try Specialization.sources(
                    connection, supernet: two[0].description, predictor: predictor)
            }
            #expect(error?.code == .mismatch, "\(error?.message ?? "")")
        }
        #expect(
            try Specialization.sources(connection, supernet: one[0].description) == sources)
        #expect(
            try Specialization.sources(connection, predictor: predictor[0].description) == sources)
        #expect(throws: PipelineError.self) {
            try Specialization.sources(connection, predictor: two[0].description)
        }
    }

    @Test("the newest fitted predictor is found behind ten thousand newer runs")
    func behindManyRuns() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let run = try trained(connection)
        let before = try Specialization.sources(connection)
        #expect(before.run == run)
        // Ten thousand specialisations, each a run with a network, as their rows are.
        try connection.execute(
            Statement(
                name: "ManyRuns",
                sql: """
                    with made as (
                      insert into ofa.run (name, definition, definition_hash, state, ended_at)
                      select 'specialize-' || n, '{}', 'hash-' || n, 'completed', ofa.now()
                      from generate_series(1, 10000) as n returning id
                    )
                    insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
                    select 'subnet', 'a network', 'subnet', sha256(id::text::bytea), id, id, 1000 + id, 'network'
                    from made
                    """))
        #expect(try Specialization.sources(connection) == before)
        #expect(try Specialization.sources(connection, run: run) == before)
    }

    @Test("a newer run that cannot be read is passed over, and named; asked for, it is the error")
    func unreadableRun() throws {
        let database = try TemporaryDatabase()
        let connection = try database.connect()
        let older = try trained(connection)
        let newer = try trained(connection, 1)
        try connection.script(
            "update ofa.job set args = '{\"stage\":1}' where run_id = \(newer)", name: "SpoilArgs")
        var notes: [String] = []
        let sources = try Specialization.sources(connection) { notes.append($0) }
        #expect(sources.run == older)
        #expect(notes.count == 1 && notes[0].hasPrefix("note: run \(newer) is skipped: job "))
        let error = #expect(throws: PipelineError.self) {
            try Specialization.sources(connection, run: newer)
        }
        #expect(error?.code == .invalidArtifact)
    }

    /// A run whose stages have made what they make, without the bytes.
    private func trained(_ connection: Connection, _ number: Int = 0) throws -> RunID {
        let queue = JobQueue(connection)
        let yaml = """
            name: trained-\(number)
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: d, folder: /nowhere}
              one: {kind: train, needs: [data], phase: full, kernel_sizes: [3, 5, 7], epochs: 1, learning_rate: 0.1}
              accuracy: {kind: sample-accuracy, needs: [one]}
              predictor: {kind: fit-predictor, needs: [accuracy]}
            """
        let run = try queue.enqueue(
            try PipelineDefinition(text: yaml, file: "one.yaml").runSpec())
        let jobs = Dictionary(
            uniqueKeysWithValues: try queue.jobs(run: run).map { ($0.stage, $0.id) })
        let store = ArtifactStore(connection)
        var made: [ArtifactRole: ArtifactID] = [:]
        let steps: [(String, [ArtifactRole], [ArtifactRole])] = [
            ("data", [.dataset, .testImages], []), ("one", [.supernet], [.dataset]),
            ("accuracy", [.samples], [.dataset, .supernet]),
            ("predictor", [.predictor], [.samples]),
        ]
        for (token, (stage, roles, inputs)) in steps.enumerated() {
            for role in roles {
                made[role] = try store.insert(
                    Artifact.New(
                        kind: role.rawValue, name: role.rawValue,
                        digest: BlobStore(connection).put(Array("\(role)".utf8), elementSize: 1),
                        run: run,
                        job: try #require(jobs[stage]),
                        token: Int64(10 * number + token + 1),
                        stage: stage),
                    inputs: try inputs.map {
                        Artifact.Input(try #require(made[$0]), role: $0.rawValue)
                    })
            }
        }
        return run
    }

    private let sources = Specialization.Sources(
        run: 4, space: .fashion, seed: 1,
        artifacts: [
            .supernet: ArtifactID(rawValue: 1), .predictor: ArtifactID(rawValue: 2),
            .dataset: ArtifactID(rawValue: 3), .testImages: ArtifactID(rawValue: 4),
        ])

    private func device(_ name: String, _ kind: DeviceTarget.Kind, _ limits: Constraints)
        -> StoredDevice
    {
        StoredDevice(
            target: DeviceTarget(name: name, kind: kind, limits: limits), latencyTable: nil)
    }

    @Test(
        "devices are branches that need nothing of each other, and the report comes after all, whatever became of them"
    )
    func branches() throws {
        let spec = try Specialization.runSpec(
            [
                device("watch", .phone, Constraints(macsMax: 5)),
                device("pc", .computer, Constraints(latencyMsMax: 5)),
            ], from: sources, timingThreads: 3)
        let stages = Dictionary(uniqueKeysWithValues: spec.stages.map { ($0.name, $0) })
        #expect(spec.name == "specialize-watch+pc")
        #expect(
            stages.mapValues(\.needs) == [
                "search-watch": [], "network-watch": ["search-watch"],
                "measure-pc": [], "search-pc": ["measure-pc"], "network-pc": ["search-pc"],
                "report": ["network-watch", "network-pc"],
            ])
        #expect(stages["report"]?.onBad == ["network-watch": .run, "network-pc": .run])
        #expect(stages["report"]?.jobs.map(\.kind) == ["report"])
        // Nothing of the queue runs beside what is timed; what is not timed reserves nothing.
        let timed = spec.stages.filter { $0.jobs.contains { $0.threads == 3 } }.map(\.name)
        #expect(Set(timed) == ["measure-pc", "network-pc"])
        let waiting = try Specialization.runSpec(
            [device("pc", .computer, Constraints(latencyMsMax: 5))], from: sources)
        #expect(waiting.stages.allSatisfy { $0.jobs.allSatisfy { $0.threads == 0 } })
    }

    @Test("this machine is measured once for each batch, however many devices need its table")
    func measuredOnce() throws {
        let limits = Constraints(latencyMsMax: 5)
        var large = device("large", .computer, limits)
        var target = large.target
        target.batch = 8
        large = StoredDevice(target: target, latencyTable: nil)
        let spec = try Specialization.runSpec(
            [device("one", .computer, limits), device("two", .computer, limits), large],
            from: sources)
        let searches = spec.stages.filter { $0.name.hasPrefix("search-") }
        #expect(searches.map(\.needs) == [["measure-one"], ["measure-one"], ["measure-large"]])
        #expect(spec.stages.count { $0.name.hasPrefix("measure-") } == 2)
        // A phone cannot be measured here, whatever else was.
        #expect(throws: PipelineError.self) {
            try Specialization.runSpec(
                [device("one", .computer, limits), device("phone", .phone, limits)], from: sources)
        }
    }

    @Test(
        "networks are calibrated as those the predictor was fitted on, and measured on held-out images where need be"
    )
    func measurement() throws {
        let offset = try JSONText.decode(
            TestOffset.self, from: #"{"mean":-0.014,"deviation":0.001,"networks":3}"#, what: "test")
        let known = Specialization.Sources(
            run: 4, space: .fashion, seed: 1, artifacts: [.supernet: ArtifactID(rawValue: 1)],
            calibrationImages: 1000, testOffset: offset, calibrationAugmentation: .training)
        func network(_ sources: Specialization.Sources) throws -> StageParameters {
            let spec = try Specialization.runSpec(
                [device("watch", .phone, Constraints(macsMax: 5))], from: sources)
            let job = try #require(spec.stages.first { $0.name == "network-watch" }?.jobs.first)
            return try JSONText.decode(StageArguments.self, from: job.args, what: "test").parameters
        }
        let target = device("watch", .phone, Constraints(macsMax: 5)).target
        for (sources, wanted) in [(known, offset), (known.measuringHeldOut, nil)] {
            #expect(
                try network(sources)
                    == .materialise(
                        .init(
                            device: target, network: nil, calibrationImages: 1000,
                            testOffset: wanted, calibrationAugmentation: .training)))
        }
    }

    @Test("the name of a stage says what it does and for which device")
    func names() throws {
        let spec = try Specialization.runSpec(
            [device("search-box", .phone, Constraints(macsMax: 5))], from: sources)
        #expect(
            spec.stages.map { Specialization.device(ofStage: $0.name) } == [
                "search-box", "search-box", nil,
            ])
        #expect(
            spec.stages.map { Specialization.step(ofStage: $0.name) } == [.search, .network, nil])
    }

    @Test("a device's tables are inputs of its search; what is measured keeps what was known")
    func tables() throws {
        let target = DeviceTarget(
            name: "d", kind: .computer, limits: .init(latencyMsMax: 1, energyMJMax: 2))
        let device = StoredDevice(
            target: target, latencyTable: ArtifactID(rawValue: 7),
            energyTable: ArtifactID(rawValue: 8))
        func arguments(_ spec: RunSpec, _ kind: String) throws -> StageArguments {
            let job = try #require(spec.stages.flatMap(\.jobs).first { $0.kind == kind })
            return try JSONText.decode(StageArguments.self, from: job.args, what: kind)
        }
        let search = try arguments(try Specialization.runSpec([device], from: sources), "search")
        #expect(search.inputs[.latencyTable] == .artifact("7"))
        #expect(search.inputs[.energyTable] == .artifact("8"))
        let kept = try arguments(
            try Specialization.measureSpec(device, space: .fashion), "measure-device")
        #expect(kept.inputs == [.latencyTable: .artifact("7")])
        let anew = try Specialization.measureSpec(
            device, space: .fashion, resolutions: [28], isAnew: true)
        #expect(try arguments(anew, "measure-device").inputs.isEmpty)
    }
}
