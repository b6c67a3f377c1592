// What goes on from artifacts: its images, tables and device are checked, and its bytes stay.
import Artifacts
import Datasets
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Tensors
import TestSupport
import Testing

@testable import Pipelines

@Suite struct GoingOnTests {
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
    }

    // MARK: Artifacts

    /// Records an artifact of run 90 that the job and attempt `number` made.
    private func make(
        _ role: ArtifactRole, _ name: String, number: Int64, _ metadata: some Encodable,
        content: String? = nil, from: [ArtifactRole: Artifact] = [:]
    ) throws -> Artifact {
        let digest = try BlobStore(connection).put(
            Array((content ?? name).utf8), elementSize: 1, kind: role.rawValue)
        let store = ArtifactStore(connection)
        let new = Artifact.New(
            kind: role.rawValue, name: name, digest: digest,
            metadataJSON: try JSONText.encode(metadata), run: 90, job: number, token: number,
            stage: name)
        return try store.get(
            store.insert(
                new, inputs: from.map { Artifact.Input($0.value.id, role: $0.key.rawValue) }))
    }

    private func data(
        _ name: String, number: Int64, heldOut: Int = 10, seed: UInt64, images: Int = 100
    ) throws -> Artifact {
        try make(
            .dataset, name, number: number,
            DatasetMetadata(
                dataset: "d", fingerprint: "same", images: images, heldOut: heldOut,
                splitSeed: seed))
    }

    private func supernet(_ name: String, number: Int64, from: [ArtifactRole: Artifact] = [:])
        throws -> Artifact
    {
        try make(
            .supernet, name, number: number,
            SupernetMetadata(
                space: "fashion-mbv3", phase: "full", steps: 1, skippedSteps: 0,
                normalization: .init(mean: [0], deviation: [1]), instructionSet: "scalar",
                blasCore: "x", threads: 1, trained: TrainedDomain(.fashion), definition: .fashion),
            from: from)
    }

    private func collect(_ artifact: Artifact) throws {
        try connection.script(
            """
            update ofa.blob set collected_at = now() where digest = decode('\(artifact.digest.hex)', 'hex')
            """)
    }

    private func read(_ stages: String) throws -> PipelineDefinition {
        try SmallPipeline.read(
            """
            name: on
            space: fashion-mbv3
            devices:
              pc: {kind: computer, max_latency_ms: 2}
            stages:
              data: {kind: import-dataset, dataset: d, folder: /data}
            \(stages)
            """)
    }

    private func problem(_ stages: String) throws -> PipelineError {
        try #require(throws: PipelineError.self) {
            try read(stages).withArtifacts(connection)
        }
    }

    // MARK: Splits

    @Test("only images that another split of the same images trains on are counted")
    func overlap() throws {
        func split(_ heldOut: Int, _ seed: UInt64, _ fingerprint: String = "same")
            -> DatasetMetadata
        {
            DatasetMetadata(
                dataset: "d", fingerprint: fingerprint, images: 100, heldOut: heldOut,
                splitSeed: seed)
        }
        let own = split(10, 1)
        #expect(try own.heldOut(trainedBy: own) == 0)
        // Fewer images of the same draw are held out there too.
        #expect(try split(5, 1).heldOut(trainedBy: own) == 0)
        #expect(try split(30, 1).heldOut(trainedBy: own) == 20)
        #expect(try split(10, 2, "others").heldOut(trainedBy: own) == 0)
        let other = split(10, 2)
        let trained = Set(try own.split().training)
        let expected = try other.split().heldOut.count(where: trained.contains)
        #expect(try other.heldOut(trainedBy: own) == expected && expected > 5)
    }

    @Test(
        "a data set that holds out images which the supernet was trained on is refused at its key")
    func split() throws {
        let first = try data("first", number: 1, seed: 1)
        let again = try data("again", number: 2, seed: 2)
        let full = try supernet("full", number: 3, from: [.dataset: first])
        let more = try supernet("more", number: 4, from: [.supernet: full, .dataset: first])
        func stage(_ kind: String, _ data: Artifact, _ more: String) -> String {
            "  on: {kind: \(kind), dataset: artifact:\(data.id), \(more)}"
        }
        let on = "from: artifact:\(more.id), phase: p, epochs: 1, learning_rate: 0.1"
        for (kind, keys) in [
            ("train", on), ("sample-accuracy", "supernet: artifact:\(more.id), subnets: 10"),
        ] {
            _ = try read(stage(kind, first, keys)).withArtifacts(connection)
            let error = try problem(stage(kind, again, keys))
            #expect(
                error.message.hasPrefix("p.yaml:7: stages.on.dataset names artifact:\(again.id)"),
                "\(error.message)")
            #expect(error.message.contains("artifact \(more.id) was trained on"))
            #expect(error.code == .mismatch)
            #expect(error.remedy == "go on with the same split: dataset: artifact:\(first.id)")
        }
    }

    @Test("a new classifier is not taught by the supernet that it replaces the classifier of")
    func teacher() throws {
        let full = try supernet("full", number: 3)
        let error = try problem(
            """
              on: {kind: train, needs: [data], from: artifact:full, teacher: 'artifact:\(full.id)', new_head: true,
                phase: p, epochs: 1, learning_rate: 0.1}
            """)
        #expect(
            error.message.contains("stages.on.teacher names the supernet whose classifier"),
            "\(error.message)")
    }

    @Test("data, samples and networks of another space are refused at their key, with what to do")
    func otherSpaces() throws {
        var change = SpaceChange()
        change.classes = 7
        let seven = SearchSpace.fashion.changed(change, name: "seven")
        let samples = AccuracySamples(
            space: "seven", images: 1, samples: [], trained: nil, supernet: nil,
            calibrationAugmentation: nil, definition: seven)
        _ = try make(
            .samples, "measured", number: 1, [String: Int](),
            content: try JSONText.encode(samples))
        var figures = Self.figures
        figures.definition = seven
        _ = try make(.subnet, "cut", number: 2, figures)
        _ = try pictures([], classes: (0..<11).map { "\($0)" })
        for (stage, key, words) in [
            ("kind: fit-predictor, samples: artifact:measured", "samples", "space seven"),
            (
                "kind: fine-tune, needs: [data], from: artifact:cut, epochs: 1, learning_rate: 0.1",
                "from", "it is a subnet of space seven"
            ),
            (
                "kind: train, dataset: artifact:pictures, phase: p, epochs: 1, learning_rate: 0.1",
                "dataset", "it has 1 channels and 11 classes; space fashion-mbv3 takes 1 and 10"
            ),
        ] {
            let error = try problem("  on: {\(stage)}")
            #expect(
                error.message.hasPrefix("p.yaml:7: stages.on.\(key) names artifact:"),
                "\(error.message)")
            #expect(error.message.contains(words) && error.code == .mismatch, "\(error.message)")
        }
    }

    private static let figures = NetworkFigures(
        device: "watch", arch: SearchSpace.fashion.smallest, testAccuracy: 0.5,
        tableLatencyMs: nil, macs: 1, params: 1, flashBytes: 1, peakActivationBytes: 1,
        assumption: "none")

    // MARK: Tables and devices

    @Test("a table of another batch size, space or image size is refused at its key")
    func tables() throws {
        struct Known: Encodable {
            var batch: Int?, space: String?, spaceHash: String?
        }
        let entries = Dictionary(
            uniqueKeysWithValues: try LatencyKey.all(in: .fashion, resolution: 28).map {
                ("\($0)", LatencyEntry(count: 1, mean: 1, std: 0))
            })
        func table(_ name: String, _ number: Int64, _ known: Known, size: Int = 28) throws {
            _ = try make(
                .latencyTable, name, number: number, known,
                content: try JSONText.encode(LatencyTable(entries: [size: entries])))
        }
        try table("fits", 1, Known(batch: 1))
        try table("published", 2, Known(batch: 1, space: "ofa-mbv3-w1.0", spaceHash: "0a"))
        try table("batch", 3, Known(batch: 8))
        try table("foreign", 4, Known(batch: 1, space: "mine", spaceHash: "0b"))
        try table("sized", 5, Known(batch: 1), size: 224)
        func stages(_ table: String, _ kind: String = "search") -> String {
            SmallPipeline.good.components(separatedBy: "folder: /data}\n")[1]
                .components(separatedBy: "  search:")[0]
                + "  on: {kind: \(kind), needs: [predictor], device: pc, latency_table: artifact:\(table)}"
        }
        for name in ["fits", "published"] {
            _ = try read(stages(name)).withArtifacts(connection)
        }
        for (name, words) in [
            ("batch", "has latencies of batch size 8, and 1 is requested"),
            ("foreign", "is a latency-table of space mine, which is not this run's space"),
            ("sized", "it has image sizes 224; space fashion-mbv3 has"),
        ] {
            let error = try problem(stages(name))
            #expect(
                error.message.contains("stages.on.latency_table names artifact:\(name): "),
                "\(error.message)")
            #expect(error.message.contains(words) && error.code == .mismatch, "\(error.message)")
            #expect(error.remedy != nil)
        }
        // A measurement ignores a table of another space, and measures anew.
        _ = try read(stages("foreign", "measure-device")).withArtifacts(connection)
        #expect(try problem(stages("batch", "measure-device")).code == .mismatch)
    }

    @Test("a fine-tuning of a fine-tuning of an artifact serves the artifact's device")
    func device() throws {
        let target = DeviceTarget(
            name: "watch", kind: .phone, limits: Constraints(macsMax: 5_000_000))
        var figures = Self.figures
        figures.target = target
        let network = try make(.subnet, "cut", number: 1, figures)
        // The later stage stands first.
        let definition = try read(
            """
              second: {kind: fine-tune, needs: [first], from: first, epochs: 1, learning_rate: 0.01}
              first: {kind: fine-tune, needs: [data], from: artifact:\(network.id), epochs: 1, learning_rate: 0.01}
            """
        ).withArtifacts(connection)
        let jobs = try definition.runSpec().stages.flatMap(\.jobs)
        #expect(jobs.map(\.device) == [nil, "watch", "watch"])
    }

    @Test("a fine-tuning has the precision and the net-epochs of its stage")
    func tuningKeys() throws {
        _ = try make(.subnet, "cut", number: 1, Self.figures)
        func phase(_ key: String) throws -> MapFormat? {
            let definition = try read(
                "  on: {kind: fine-tune, needs: [data], from: artifact:cut, epochs: 1, learning_rate: 0.1\(key)}"
            ).withArtifacts(connection)
            let stage = try #require(definition.stages.first { $0.name == "on" })
            #expect(definition.netEpochs(of: stage) == .init(own: 1, total: nil))
            guard case .fineTune(let tuning) = stage.parameters else { return nil }
            return tuning.training.phase.precision
        }
        #expect(try phase("") == nil)
        #expect(try phase(", precision: bf16") == .bfloat16)
        #expect(
            try problem(
                "  on: {kind: fine-tune, needs: [data], from: artifact:cut, epochs: 1, learning_rate: 0.1, precision: half}"
            ).message.contains("stages.on.precision"))
    }

    // MARK: Bytes

    private func pictures(_ shards: [Artifact], classes: [String] = ["a", "b"]) throws -> Artifact {
        let manifest = PictureSetManifest(
            dataset: "d", form: .imageFolder, store: .pixels, size: 16, channels: 1,
            resize: .published, classes: classes.map { ByteName($0) },
            shards: shards.map { .init(digest: $0.digest.hex, count: 50, byteCount: 9) },
            classCounts: classes.map { _ in 50 }, heights: 16...16, widths: 16...16,
            sums: PixelSums(channels: 1))
        return try make(
            .dataset, "pictures", number: 9,
            DatasetMetadata(
                dataset: "d", fingerprint: manifest.fingerprint, images: 100, heldOut: 10,
                splitSeed: 1, form: .imageFolder), content: try JSONText.encode(manifest))
    }

    @Test("every shard of pictures must be stored, and the run holds them too")
    func shards() throws {
        let shards = try (0..<2).map {
            try make(.datasetShard, "shard\($0)", number: 9, [String: Int]())
        }
        let data = try pictures(shards)
        let full = try supernet("full", number: 10, from: [.dataset: data])
        #expect(
            try StoredSupernet.classNames(of: full, connection).map(\.description) == ["a", "b"])
        let on =
            "  on: {kind: sample-accuracy, supernet: artifact:full, dataset: artifact:pictures}"
        let known = try read(on).withArtifacts(connection)
        #expect(
            Set(known.sourceBlobs?.map(\.digest) ?? [])
                == Set((shards + [data, full]).map(\.digest)))
        try collect(shards[1])
        let error = try problem(on)
        #expect(
            error.message.contains(
                "names artifact:pictures, and the bytes of artifact \(shards[1].id)"),
            "\(error.message)")
        #expect(error.remedy?.hasPrefix("ofa artifacts heal \(shards[1].id) ") == true)
        // What is collected after the look-up is found when the run is enqueued; nothing is stored then.
        let held = #expect(throws: PipelineError.self) {
            try JobQueue(connection).enqueue(known.runSpec(), alongside: known.holdArtifacts)
        }
        #expect(held?.message == error.message)
        #expect(try JobQueue(connection).jobs().isEmpty)
    }

    @Test("garbage collection keeps what a queued run reads, and its ancestors, until the run ends")
    func kept() throws {
        let first = try data("first", number: 1, seed: 1)
        let full = try supernet("full", number: 2, from: [.dataset: first])
        _ = try supernet("other", number: 3)
        let definition = try read(
            "  on: {kind: train, needs: [data], from: artifact:full, phase: p, epochs: 1, learning_rate: 0.1}"
        ).withArtifacts(connection)
        let selection = BlobCollection.Selection(run: 90), collection = BlobCollection(connection)
        // It is selected before the run is enqueued and collected afterwards.
        let named = try collection.named(selection, needed: [])
        #expect(named.map(\.kept) == [nil, nil, nil])
        let queue = JobQueue(connection)
        let run = try queue.enqueue(definition.runSpec(), alongside: definition.holdArtifacts).run
        func needed() throws -> [ArtifactID] { try NeededArtifacts.ids(connection) }
        let gone = try collection.collect(named, of: selection, needed: needed)
        #expect(gone.map(\.name) == ["other"])
        #expect(
            try collection.named(selection, needed: needed()).map(\.kept)
                .allSatisfy { $0 != nil })
        try queue.cancel(run: run)
        let later = try collection.collect(
            try collection.named(selection, needed: needed()), of: selection, needed: needed)
        #expect(Set(later.map(\.artifact)) == [first.id.rawValue, full.id.rawValue])
    }

    // MARK: ofa specialize --fine-tune

    @Test(
        "a fine-tuning without held-out images or with too few images is refused before the search")
    func fineTuning() throws {
        let full = try supernet("full", number: 5)
        func tuning(_ data: Artifact) throws -> StageParameters.FineTune {
            try Specialization.fineTuning(
                epochs: 1, learningRate: nil,
                of: Specialization.Sources(
                    run: 1, space: .fashion, seed: 1,
                    artifacts: [.supernet: full.id, .dataset: data.id]), connection,
                note: { Issue.record("\($0)") })
        }
        #expect(try tuning(data("good", number: 1, seed: 1)).training.phase.batch == 64)
        let none = #expect(throws: PipelineError.self) {
            try tuning(data("none", number: 2, heldOut: 0, seed: 1))
        }
        #expect(none?.message.contains("has no held-out images") == true)
        let few = #expect(throws: PipelineError.self) {
            try tuning(data("few", number: 3, seed: 1, images: 50))
        }
        #expect(few?.message.contains("batches of 64, and data set artifact") == true)
    }

    @Test("settings that this version cannot read are replaced by usual ones, with a note")
    func unreadable() throws {
        let queue = JobQueue(connection)
        _ = try queue.enqueue(
            RunSpec(
                name: "r", definition: "d", definitionHash: "h",
                stages: [StageSpec(name: "s", job: JobSpec(kind: "train", args: "{}"))]))
        let full = try supernet("full", number: try #require(try queue.jobs().first).id)
        var notes: [String] = []
        let tuning = try Specialization.fineTuning(
            epochs: 1, learningRate: nil,
            of: Specialization.Sources(
                run: 1, space: .fashion, seed: 1, artifacts: [.supernet: full.id]), connection,
            note: { notes.append($0) })
        #expect(tuning.training.phase.learningRate == Specialization.usualLearningRate)
        #expect(notes.count == 1 && notes[0].contains("usual settings"), "\(notes)")
    }
}
