// Artifacts as sources in pipeline files: where they may stand, what is looked up, and what is refused.
import Artifacts
import Foundation
import Networks
import Postgres
import TestSupport
import Testing

@testable import Pipelines

@Suite struct ArtifactSourcesTests {
    private static let on = """
        name: on
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6000000}
        stages:
          more:
            kind: train
            dataset: artifact:3
            from: artifact:17
            teacher: artifact:17
            phase: expand
            epochs: 1
            learning_rate: 0.1
          accuracy: {kind: sample-accuracy, needs: [more], subnets: 10}
          search: {kind: search, predictor: artifact:9, device: box}
          network: {kind: materialise, needs: [search, more], device: box}
          tuned: {kind: fine-tune, needs: [network], from: network, epochs: 1, learning_rate: 0.01}
          other: {kind: fine-tune, needs: [more], from: artifact:21, epochs: 1, learning_rate: 0.01}
        """

    private func inputs(_ definition: PipelineDefinition) -> [String: [ArtifactRole:
        InputReference]]
    {
        Dictionary(uniqueKeysWithValues: definition.stages.map { ($0.name, $0.inputs) })
    }

    @Test("an artifact stands where a stage does, for the stage and for those after it")
    func read() throws {
        let definition = try SmallPipeline.read(Self.on)
        let inputs = inputs(definition)
        #expect(definition.namesArtifacts && definition.sourceBlobs == nil)
        #expect(
            inputs["more"] == [
                .dataset: .artifact("3"), .supernet: .artifact("17"), .teacher: .artifact("17"),
            ])
        #expect(
            inputs["accuracy"] == [.dataset: .artifact("3"), .supernet: .stage("more")])
        #expect(inputs["search"] == [.predictor: .artifact("9")])
        #expect(
            inputs["network"] == [
                .dataset: .artifact("3"), .testImages: .artifact("3"), .supernet: .stage("more"),
                .choice: .stage("search"),
            ])
        #expect(
            inputs["tuned"] == [
                .dataset: .artifact("3"), .testImages: .artifact("3"), .subnet: .stage("network"),
            ])
        #expect(inputs["other"]?[.subnet] == .artifact("21"))
        guard
            case .fineTune(let tuned) = definition.stages.first(where: { $0.name == "tuned" })?
                .parameters
        else { Issue.record("no fine-tuning"); return }
        #expect(tuned.device?.name == "box" && tuned.calibrationImages == 2000)
        for spec in try definition.runSpec().stages {
            let text = spec.jobs[0].args
            let arguments = try JSONText.decode(StageArguments.self, from: text, what: "test")
            #expect(try arguments.job().args == text)
        }
        #expect(try !SmallPipeline.read(SmallPipeline.good).namesArtifacts)
    }

    @Test("a fine-tuning starts from a search result too, and then needs its supernet")
    func choice() throws {
        let text = Self.on.replacing("from: network,", with: "from: search,").replacing(
            "needs: [network]", with: "needs: [search, more]")
        let inputs = try inputs(SmallPipeline.read(text))["tuned"]
        #expect(inputs?[.choice] == .stage("search") && inputs?[.supernet] == .stage("more"))
        #expect(inputs?[.subnet] == nil)
    }

    @Test(
        "what no artifact can stand for is refused, with line and key",
        arguments: [
            (
                "needs: [more], subnets", "needs: [artifact:17], subnets",
                "p.yaml:14: stages.accuracy.needs names 'artifact:17', an artifact,"
            ),
            (
                "from: network,", "from: more,",
                "p.yaml:17: stages.tuned.from names 'more', which tuned does"
            ),
            (
                "from: network, epochs: 1,", "epochs: 1,",
                "p.yaml:17: stages.tuned.from is missing"
            ),
            (
                "from: artifact:17\n", "new_head: true\n",
                "p.yaml:9: stages.more.new_head is true, and fresh weights"
            ),
            ("  search:", "  artifact:4:", "p.yaml:15: stages.artifact:4 is no name of a stage"),
            (
                "predictor: artifact:9", "predictors: artifact:9",
                "p.yaml:15: stages.search.predictors is not a known key here"
            ),
            (
                "learning_rate: 0.01}\n  other", "learning_rate: 0.01, depths: [2]}\n  other",
                "p.yaml:17: stages.tuned.depths is not a known key here"
            ),
        ])
    func refused(old: String, new: String, begins: String) throws {
        try #require(Self.on.contains(old))
        let error = #expect(throws: PipelineError.self) {
            try SmallPipeline.read(Self.on.replacingOccurrences(of: old, with: new))
        }
        if old == "from: network," {
            // `more` is an ancestor by way of `network`, but makes a supernet.
            #expect(error?.message.contains("makes no subnet") == true, "\(error?.message ?? "")")
        } else {
            #expect(error?.message.hasPrefix(begins) == true, "\(error?.message ?? "")")
        }
    }

    private static let two = """
        name: two
        space: fashion-mbv3
        stages:
          a: {kind: import-dataset, dataset: a, folder: /a}
          b: {kind: import-dataset, dataset: b, folder: /b}
          more: {kind: train, needs: [a], dataset: a, phase: full, epochs: 1, learning_rate: 0.1}
          net: {kind: materialise, needs: [more, b], dataset: a, network: largest}
          accuracy: {kind: sample-accuracy, needs: [both], subnets: 10}
          both: {kind: train, needs: [a2, b2], dataset: a, phase: full, epochs: 1, learning_rate: 0.1, depths: [2, 3]}
          a2: {kind: train, needs: [a], phase: full, epochs: 1, learning_rate: 0.1}
          b2: {kind: train, needs: [b], phase: full, epochs: 1, learning_rate: 0.1}
          other: {kind: materialise, needs: [both, b], dataset: a, test_images: b, network: largest}
          tuned: {kind: fine-tune, needs: [other], from: other, epochs: 1, learning_rate: 0.01}
        """

    @Test(
        "data and test images that a key names by stage are one import's, here and in the stages after"
    )
    func oneImport() throws {
        let inputs = try inputs(SmallPipeline.read(Self.two))
        #expect(
            inputs["net"]?[.testImages] == .stage("a") && inputs["net"]?[.dataset] == .stage("a"))
        #expect(inputs["accuracy"]?[.dataset] == .stage("a"))
        // Test images that an ancestor with the same data set names are inherited.
        #expect(inputs["other"]?[.testImages] == .stage("b"))
        #expect(inputs["tuned"]?[.dataset] == .stage("a"))
        #expect(inputs["tuned"]?[.testImages] == .stage("b"))
        let own = try self.inputs(
            SmallPipeline.read(
                Self.two.replacing("from: other,", with: "from: other, dataset: a,")))
        #expect(own["tuned"]?[.testImages] == .stage("a"))
    }

    @Test("one artifact named in two ways is one source; several sources are told with the key")
    func severalSources() throws {
        let database = try TemporaryDatabase(), connection = try database.connect()
        let one = try supernet("first", .fashion, TrainedDomain(.fashion), connection)
        let text = """
            name: on
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: d, folder: /d}
              e1: {kind: evaluate, needs: [data], supernet: artifact:first}
              e2: {kind: evaluate, needs: [data], supernet: 'artifact:\(one.id)'}
              both: {kind: materialise, needs: [e1, e2], network: largest}
            """
        let two = try supernet("second", .fashion, TrainedDomain(.fashion), connection)
        let known = try SmallPipeline.read(text).withArtifacts(connection)
        #expect(inputs(known)["both"]?[.supernet] == .artifact(one.id.description))
        let error = #expect(throws: PipelineError.self) {
            try SmallPipeline.read(text.replacing("artifact:first", with: "artifact:second"))
                .withArtifacts(connection)
        }
        #expect(
            error?.message.contains(
                "reaches several sources of a supernet: artifact:\(one.id), artifact:\(two.id)")
                == true,
            "\(error?.message ?? "")")
        #expect(error?.remedy == "need only one of them, or name one: supernet")
    }

    @Test(
        "a key without effect is refused",
        arguments: [
            (
                "needs: [more], subnets: 10", "needs: [more], predictor: artifact:9, subnets: 10",
                "p.yaml:14: stages.accuracy.predictor has no effect: a predictor helps"
            ),
            (
                "needs: [search, more], device: box",
                "needs: [search, more], choice: search, network: largest",
                "p.yaml:16: stages.network.choice has no effect: network says"
            ),
            (
                "predictor: artifact:9, device",
                "predictor: artifact:9, latency_table: artifact:4, device",
                "p.yaml:15: stages.search.latency_table has no effect: device box has no latency limit"
            ),
            (
                "from: network,", "from: network, supernet: more,",
                "p.yaml:17: stages.tuned.supernet has no effect: from names a network"
            ),
        ])
    func withoutEffect(old: String, new: String, begins: String) throws {
        try #require(Self.on.contains(old))
        let error = #expect(throws: PipelineError.self) {
            try SmallPipeline.read(Self.on.replacingOccurrences(of: old, with: new))
        }
        #expect(error?.message.hasPrefix(begins) == true, "\(error?.message ?? "")")
        #expect(error?.remedy == "leave it out")
    }

    // MARK: With a database

    private func add(
        _ role: ArtifactRole, _ name: String, _ metadata: String = "{}", connection: Connection
    ) throws -> Artifact {
        let digest = try BlobStore(connection).put(Array(name.utf8), elementSize: 1)
        let store = ArtifactStore(connection)
        return try store.get(
            store.insert(
                Artifact.New(
                    broughtAs: role.rawValue, name: name, digest: digest, metadataJSON: metadata)))
    }

    private func supernet(
        _ name: String, _ space: SearchSpace, _ trained: TrainedDomain, _ connection: Connection,
        mean: Float = 0
    ) throws -> Artifact {
        let metadata = try JSONText.encode(
            SupernetMetadata(
                space: space.name, phase: "expand", steps: 1, skippedSteps: 0,
                normalization: .init(mean: [mean], deviation: [1]), instructionSet: "scalar",
                blasCore: "x", threads: 1, trained: trained, definition: space))
        return try add(.supernet, name, metadata, connection: connection)
    }

    private static func training(_ from: String, _ more: String = "") -> String {
        """
        name: on
        space: fashion-mbv3
        stages:
          data: {kind: import-dataset, dataset: d, folder: /data}
          more:
            kind: train
            needs: [data]
            from: \(from)
            phase: expand
            epochs: 1
            learning_rate: 0.1
        \(more)
        """
    }

    @Test("an artifact is found by number, name and digest, and the run refers to its number")
    func found() throws {
        let database = try TemporaryDatabase(), connection = try database.connect()
        let domain = TrainedDomain(.fashion)
        let one = try supernet("first", .fashion, domain, connection)
        for reference in ["\(one.id)", "first", "'artifact:\(one.digest.hex.prefix(8))'"] {
            let value = reference.hasPrefix("'") ? reference : "artifact:\(reference)"
            let definition = try SmallPipeline.read(Self.training(value))
            let known = try definition.withArtifacts(connection)
            #expect(inputs(known)["more"]?[.supernet] == .artifact(one.id.description))
            #expect(known.sourceBlobs?.map(\.digest) == [one.digest])
            #expect(known.hash == definition.hash)
            try connection.transaction { try known.holdArtifacts($0) }
        }
    }

    @Test(
        "a run that names an artifact which is absent, of another kind or space is refused at the key"
    )
    func problems() throws {
        let database = try TemporaryDatabase(), connection = try database.connect()
        var change = SpaceChange()
        change.classes = 7
        let seven = SearchSpace.fashion.changed(change, name: "seven")
        change.channels = 3
        let colour = SearchSpace.fashion.changed(change, name: "colour")
        _ = try supernet("seven", seven, TrainedDomain(seven), connection)
        _ = try supernet("colour", colour, TrainedDomain(colour), connection)
        _ = try add(.predictor, "guess", connection: connection)
        let gone = try supernet("gone", .fashion, TrainedDomain(.fashion), connection)
        try connection.script(
            """
            update ofa.blob set collected_at = now() where digest = decode('\(gone.digest.hex)', 'hex')
            """)
        func problem(_ from: String, _ more: String = "") -> PipelineError? {
            #expect(throws: PipelineError.self) {
                try SmallPipeline.read(Self.training(from, more)).withArtifacts(connection)
            }
        }
        func expect(_ error: PipelineError?, _ words: String, _ code: PipelineError.Code) {
            let message = error?.message ?? ""
            #expect(message.hasPrefix("p.yaml:8: stages.more.from names artifact:"), "\(message)")
            #expect(message.contains(words) && error?.code == code, "\(message)")
        }
        expect(problem("artifact:99"), "there is no artifact '99'", .missingInput)
        expect(
            problem("artifact:guess"), "a predictor named 'guess', and from takes a supernet",
            .missingInput)
        expect(problem("artifact:gone"), "are not stored", .missingInput)
        let classes = problem("artifact:seven")
        expect(classes, "space seven", .mismatch)
        #expect(classes?.message.contains("classes is 10, not 7") == true)
        #expect(classes?.remedy == "new_head: true goes on with other classes")
        // With a new classifier, only other classes are allowed.
        expect(
            problem("artifact:colour", "    new_head: true"), "inputChannels is 1, not 3", .mismatch
        )
        _ = try SmallPipeline.read(Self.training("artifact:seven", "    new_head: true"))
            .withArtifacts(connection)
    }

    @Test(
        "what an artifact was trained for counts for the stages after it; a new classifier forgets it"
    )
    func domains() throws {
        let database = try TemporaryDatabase(), connection = try database.connect()
        let all = try supernet("all", .fashion, TrainedDomain(.fashion), connection)
        let accuracy = "  accuracy: {kind: sample-accuracy, needs: [more], subnets: 50}"
        let text = Self.training("artifact:\(all.id)", accuracy)
        // Without the database, the domain of the artifact is unknown, and nothing is refused.
        _ = try SmallPipeline.read(text)
        _ = try SmallPipeline.read(text).withArtifacts(connection)
        let error = #expect(throws: PipelineError.self) {
            try SmallPipeline.read(
                Self.training("artifact:\(all.id)", "    new_head: true\n" + accuracy)
            ).withArtifacts(connection)
        }
        #expect(
            error?.message.contains("subnets asks for 50 networks, and more is trained for 3")
                == true,
            "\(error?.message ?? "")")
    }

    @Test("a teacher that knows images of another normalisation is refused at its key")
    func normalisation() throws {
        let database = try TemporaryDatabase(), connection = try database.connect()
        let domain = TrainedDomain(.fashion)
        let one = try supernet("one", .fashion, domain, connection)
        let like = try supernet("like", .fashion, domain, connection, mean: 0.01)
        let other = try supernet("other", .fashion, domain, connection, mean: 0.3)
        func read(_ from: String, _ teacher: ArtifactID, _ more: String = "") throws {
            _ = try SmallPipeline.read(
                Self.training(from, "    teacher: artifact:\(teacher)\n" + more)
            ).withArtifacts(connection)
        }
        try read("artifact:\(one.id)", one.id)
        try read("artifact:\(one.id)", like.id)
        // Fresh weights take the teacher's, so the phases after them have it too.
        let fresh = """
              fresh: {kind: train, needs: [data], teacher: artifact:\(other.id), phase: full, epochs: 1, learning_rate: 0.1}
              on: {kind: train, needs: [fresh], from: fresh, teacher: artifact:TEACHER, phase: on, epochs: 1, learning_rate: 0.1}
            """
        try read("artifact:\(one.id)", one.id, fresh.replacing("TEACHER", with: "\(other.id)"))
        let tuned = """
              small: {kind: materialise, needs: [more], network: smallest}
              tuned: {kind: fine-tune, needs: [small], from: small, teacher: artifact:\(other.id), epochs: 1, learning_rate: 0.1}
            """
        let words =
            "was trained on images normalised by mean 0.3 and deviation 1.0; those of this stage"
        for (key, from, teacher, more) in [
            ("more", "artifact:\(one.id)", other.id, ""),
            ("on", "artifact:\(one.id)", one.id, fresh.replacing("TEACHER", with: "\(one.id)")),
            ("tuned", "artifact:\(one.id)", one.id, tuned),
        ] {
            let error = #expect(throws: PipelineError.self) { try read(from, teacher, more) }
            #expect(error?.code == .mismatch)
            let message = error?.message ?? ""
            #expect(message.contains("stages.\(key).teacher was trained on images"), "\(message)")
            if key != "on" { #expect(message.contains(words), "\(message)") }
        }
    }
}
