// The files in pipelines/ through the queue with real workers. Only `--set` changes them, to a few
// pictures, networks and steps, so that every phase trains and every stage after the phases runs as
// the file says.
import Artifacts
import Datasets
import Foundation
import Interchange
import Jobs
import Networks
import Postgres
import TestSupport
import Testing

@testable import Pipelines

/// A file of pipelines/, shortened by `--set`.
private struct ShortRun {
    /// Images of a step and of a pass, and steps of a phase: 18 training images give two steps an
    /// epoch.
    static let batch = 8, imagesPerPass = 4, steps = 3
    /// Networks whose accuracies are measured.
    static let networks = 12

    let file: String
    let overrides: [String]
    let definition: PipelineDefinition

    /// Shortens the file called `name`; `sizes` replace all image sizes that its stages name.
    init(_ name: String, sizes: [Int] = [], set own: [String]) throws {
        file = Self.path(name)
        let whole = try PipelineDefinition(path: file)
        overrides =
            own + ["devices.this-machine.max_latency_ms=1000"]
            + whole.stages.flatMap { stage in
                Self.short(stage.parameters, sizes).map { "stages.\(stage.name).\($0)" }
            }
        definition = try PipelineDefinition(path: file, overrides: overrides)
    }

    /// The path of a file of pipelines/.
    static func path(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../pipelines/\(name)").standardizedFileURL.path
    }

    private static func short(_ parameters: StageParameters, _ sizes: [Int]) -> [String] {
        switch parameters {
        case .importDataset, .fitPredictor, .report: return []
        case .train(let train):
            let phase = train.phase
            var keys = ["batch=\(batch)", "epochs=\(Double(steps) / 2)"]
            // The rate is scaled with the batch, as the file says.
            keys.append("learning_rate=\(phase.learningRate * Double(batch) / Double(phase.batch))")
            if phase.warmupEpochs > 0 { keys.append("warmup_epochs=0.5") }
            if phase.microBatch != nil { keys.append("micro_batch=\(imagesPerPass)") }
            return keys
        case .sampleAccuracy(let sampling):
            return ["subnets=\(networks)", "images=4", "calibration_images=8", "shards=2"]
                + (sampling.resolutions == nil ? [] : ["resolutions=\(sizes)"])
        case .measureDevice(let measurement):
            return ["repeats=3", "whole_networks=1"]
                + (measurement.resolutions == nil ? [] : ["resolutions=\(sizes)"])
        case .search: return ["front_evaluations=200"]
        case .materialise, .fineTune, .evaluate: return ["calibration_images=8"]
        }
    }

    /// The training stages in the order of the file.
    var phases: [(name: String, parameters: StageParameters.Train)] {
        definition.stages.compactMap { stage in
            guard case .train(let train) = stage.parameters else { return nil }
            return (stage.name, train)
        }
    }

    /// The number of stages of `kind`.
    func count(_ kind: StageKind) -> Int { definition.stages.count { $0.kind == kind } }

    /// Runs the file; returns what the run left.
    func run(in place: CommandPlace) throws -> Remains {
        let run = try place.ofa(["run", file] + overrides.flatMap { ["--set", $0] })
        try #require(run.status == 0, "\(run.errors)")
        return try Remains(place)
    }
}

/// The artifacts of a place's only run.
private struct Remains {
    let connection: Connection
    let run: RunID

    init(_ place: CommandPlace) throws {
        connection = try place.database.connect()
        run = try #require(try JobQueue(connection).runs().first).id
    }

    func all(_ role: ArtifactRole) throws -> [Artifact] {
        try ArtifactStore(connection).list(run: run, kind: role.rawValue)
    }

    func one(_ role: ArtifactRole, of stage: String) throws -> Artifact {
        let made = try all(role).filter { $0.producer?.stage == stage }
        try #require(made.count == 1, "\(stage) made \(made.count) artifacts \(role.rawValue)")
        return made[0]
    }

    func metadata<Value: Decodable>(_ type: Value.Type, of artifact: Artifact) throws -> Value {
        try JSONText.decode(type, from: artifact.metadataJSON, what: artifact.name)
    }

    func bytes(_ artifact: Artifact) throws -> [UInt8] {
        try BlobStore(connection).get(artifact.digest)
    }

    /// The artifact that `artifact` was made from in a role; nil if there is none.
    func input(_ role: ArtifactRole, of artifact: Artifact) throws -> ArtifactID? {
        let edges = try Lineage(connection).up(artifact.id).edges
        return edges.first { $0.output == artifact.id && $0.role == role.rawValue }?.input
    }

    /// The values of a supernet's kernel transforms, by name.
    func transforms(_ supernet: Artifact) throws -> [String: [Float]] {
        try Safetensors.decode(bytes: try bytes(supernet)).tensors
            .filter { $0.key.hasSuffix("_matrix") }.mapValues(\.values)
    }
}

@Suite struct ShippedPipelinesTests {
    @Test(
        "ofa-mbv3-imagenet.yaml trains every phase on a folder of pictures, and cuts its networks")
    func imageNet() throws {
        let place = try CommandPlace()
        try Self.writePictures(place.folder.appending(path: "pictures"))
        let short = try ShortRun(
            "ofa-mbv3-imagenet.yaml", sizes: [64, 96],
            set: [
                "stages.data.folder=pictures", "stages.data.held_out=6",
                "space={base: ofa-mbv3-w1.0, width: 0.25, classes: 4, resolutions: [64, 96]}",
            ])
        #expect(short.phases.allSatisfy { $0.parameters.phase.microBatch == 4 })
        let remains = try short.run(in: place)
        try checkPhases(short, remains)
        try checkNetworks(
            short, remains, testImages: 8, classes: ["a", "b", "c", "d"], sizes: [64, 96])
    }

    @Test(
        "cifar10.yaml trains every phase on the archive, and cuts its networks",
        .enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
    func cifar() throws {
        let archive = try #require(SharedFolders.images)
            .appending(path: "cifar/cifar-10-binary.tar.gz")
        let place = try CommandPlace()
        let short = try ShortRun(
            "cifar10.yaml",
            set: ["stages.data.folder=\(archive.path)", "stages.data.held_out=4"])
        let remains = try short.run(in: place)
        try checkPhases(short, remains)
        let names = [
            "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
            "truck",
        ]
        try checkNetworks(short, remains, testImages: 5, classes: names, sizes: [24, 28, 32])
    }

    @Test("without its pictures ofa-mbv3-imagenet.yaml is refused, with the --set that names them")
    func noPictures() throws {
        let place = try CommandPlace()
        let run = try place.ofa("run", ShortRun.path("ofa-mbv3-imagenet.yaml"))
        #expect(run.status == 1)
        #expect(
            run.errors.contains("stages.data.folder: there is no folder /path/to/imagenet")
                && run.errors.contains("--set stages.data.folder=PATH"), "\(run.errors)")
        #expect(try JobQueue(try place.database.connect()).runs().isEmpty)
    }

    /// Every phase took its steps with finite losses, from the supernet and with the teacher of the
    /// file, and recorded the file's genes, sizes and augmentation.
    private func checkPhases(_ short: ShortRun, _ remains: Remains) throws {
        var trained: [String: TrainedDomain] = [:]
        var made: [String: Artifact] = [:]
        for (name, train) in short.phases {
            let supernet = try remains.one(.supernet, of: name)
            made[name] = supernet
            let metadata = try remains.metadata(SupernetMetadata.self, of: supernet)
            // A step whose loss or gradient is not finite would have been skipped.
            #expect(metadata.steps == ShortRun.steps && metadata.skippedSteps == 0, "\(name)")
            #expect(metadata.gradientNorm?.isFinite == true, "\(name)")
            #expect(metadata.augmentation == train.phase.augmentation, "\(name)")
            #expect(metadata.definition == short.definition.space, "\(name)")
            let before = train.from.flatMap { trained[$0] }
            trained[name] = TrainStage.trained(train, before, short.definition.space)
            #expect(metadata.trained == trained[name], "\(name)")
            // A teacher is an input only if its answers are learnt from.
            for (role, other) in [(ArtifactRole.supernet, train.from), (.teacher, train.teacher)] {
                let input = try remains.input(role, of: supernet)
                #expect(input == other.flatMap { made[$0]?.id }, "\(name): \(role.rawValue)")
            }
            // Kernels of 7 need no transforms; smaller ones train them.
            let transforms = try remains.transforms(supernet)
            if let from = train.from.flatMap({ made[$0] }) {
                #expect(from.digest != supernet.digest, "\(name)")
                #expect(try remains.transforms(from) != transforms, "\(name)")
            } else {
                #expect(!transforms.isEmpty && transforms.values.allSatisfy(Self.isIdentity))
            }
        }
        let last = try #require(short.phases.last?.name)
        #expect(trained[last] == TrainedDomain(short.definition.space))
        #expect(
            made.count == short.count(.train) && Set(made.values.map(\.digest)).count == made.count)
    }

    private static func isIdentity(_ values: [Float]) -> Bool {
        let side = Int(Double(values.count).squareRoot())
        return values.indices.allSatisfy { values[$0] == ($0 / side == $0 % side ? 1 : 0) }
    }

    /// Accuracies, predictor, table, searches, networks and report were made as the file says.
    private func checkNetworks(
        _ short: ShortRun, _ remains: Remains, testImages: Int, classes: [String], sizes: Set<Int>
    ) throws {
        let samples = try JSONText.decode(
            AccuracySamples.self,
            from: String(
                decoding: try remains.bytes(try remains.one(.samples, of: "accuracy")),
                as: UTF8.self), what: "samples")
        #expect(samples.samples.count == ShortRun.networks && samples.images == 4)
        #expect(Set(samples.samples.map(\.config.resolution)) == sizes)
        for (role, kind) in [
            (ArtifactRole.predictor, StageKind.fitPredictor), (.latencyTable, .measureDevice),
            (.choice, .search), (.subnet, .materialise), (.report, .report),
        ] {
            #expect(try remains.all(role).count == short.count(kind), "\(role.rawValue)")
        }
        for network in try remains.all(.subnet) {
            let figures = try remains.metadata(NetworkFigures.self, of: network)
            #expect(figures.testImages == testImages && figures.classNames == classes)
            #expect(
                (0...1).contains(figures.testAccuracy) && sizes.contains(figures.arch.resolution))
            #expect(figures.calibrationAugmentation == samples.calibrationAugmentation ?? .whole)
            if let limit = figures.target?.limits.macsMax { #expect(figures.macs <= limit) }
        }
    }

    /// Pictures of several sizes in four classes: six a class in train, two in val.
    private static func writePictures(_ root: URL) throws {
        var seed = 0
        for (part, count) in [("train", 6), ("val", 2)] {
            for (label, name) in ["a", "b", "c", "d"].enumerated() {
                let folder = root.appending(path: "\(part)/\(name)")
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
                for number in 0..<count {
                    seed += 1
                    let (width, height) = (90 + 7 * (seed % 5), 120 - 9 * (seed % 4))
                    let pixels = (0..<width * height * 3).map { place in
                        UInt8(truncatingIfNeeded: place / 3 * (label + 1) / 4 + seed * (place % 3))
                    }
                    let jpeg = try PictureEncoder.jpeg(pixels, width: width, height: height)
                    try Data(jpeg).write(to: folder.appending(path: "\(number).JPEG"))
                }
            }
        }
    }
}
