// `ofa evaluate`: measures a network, or a subnet of a supernet, on images of a data set.

import ArgumentParser
import Artifacts
import Datasets
import Foundation
import Networks
import Pipelines
import Postgres
import Training

/// Measures accuracy and loss.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measures a network on a data set: top-1, top-5, loss, confusions.",
        discussion: """
            A network runs with its own weights and statistics. Of a supernet, --arch says which subnet; its batch norms \
            are first calibrated on training images of the same data set. An architecture is 'largest', 'smallest', genes \
            as JSON or a Python dictionary, or a published net.config, as text or in a file. A data set is its training \
            or its test images: the other part of the import is found. If names of classes are known, they must be those \
            that the network was trained on, in the same order.

            Example:
              ofa evaluate phone-network --dataset fashion-mnist-dataset --per-class
              ofa evaluate phone-network --dataset fashion-mnist-dataset --bits 8
              ofa evaluate 7 --arch largest --dataset 2 --confusion confusion.svg
            """)

    /// The network or supernet.
    @OptionGroup var artifact: ArtifactArgument
    /// The data set.
    @Option(
        help: ArgumentHelp(
            "The data set: its number, name or digest.", valueName: "artifact"),
        completion: .artifacts)
    var dataset: String
    /// The part of the data set.
    @Option(
        help: "test, held-out or train (test).",
        completion: Word.completion(EvaluationImages.Part.self),
        transform: Word.one(of: EvaluationImages.Part.self))
    var split: EvaluationImages.Part = .test
    /// The subnet of a supernet.
    @Option(
        help: "The subnet of a supernet: text or a file, 'largest' or 'smallest'.",
        completion: .file())
    var arch: String?
    /// The image size of an architecture that states none.
    @Option(
        help: "The image size, if the architecture states none, as a net.config.",
        transform: Number.whole(1...4096))
    var resolution: Int?
    /// How many images a supernet's subnet is calibrated on.
    @Option(
        help: "How many training images calibrate a supernet's subnet (2000).",
        transform: Number.whole(1...1_000_000))
    var calibrationImages: Int?
    /// The seed of the calibration images.
    @Option(help: "The seed that chooses the calibration images (0).", transform: Number.seed)
    var seed: UInt64?
    /// Bits of weights and maps.
    @Option(
        help: "32, or 8: a network in eight bits, as export --format onnx-int8 writes it (32).",
        transform: Number.whole(8...32))
    var bits = 32
    /// The most images.
    @Option(
        help: "At most this many images, the first of the split.",
        transform: Number.whole(1...1_000_000_000))
    var images: Int?
    /// Whether to list the classes.
    @Flag(help: "Print recall and precision of each class.") var perClass = false
    /// The file of the confusion matrix.
    @Option(help: "Write the confusion matrix to this SVG file.", completion: .file())
    var confusion: String?
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// The JSON answer.
    struct Answer: Encodable {
        /// The result for one class. `recall` is the share of correct predictions among the images of the class,
        /// `precision` among the images that were taken for the class; nil if there are no such images.
        struct Class: Encodable {
            let label: Int
            let name: String?
            let images, predicted: Int
            let recall, precision: Double?
        }

        let artifact, dataset: Int64
        let split: String
        let arch: SubnetConfig
        let top1, top5, loss: Double
        let images: Int
        let images_per_s, seconds: Double
        let calibration_images: Int?
        let bits: Int
        let per_class: [Class]?
        let confusion: String?
    }

    mutating func validate() throws {
        guard bits == 8 || bits == 32 else {
            throw ValidationError(
                "--bits is \(bits), and networks run in 8 or 32 bits", remedy: "give --bits 8")
        }
    }

    mutating func run() throws {
        let plot = try confusion.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let data = try ArtifactsCommand.find(dataset, connection)
        let cache = BlobCache(folder: DatabaseOptions.home + "/cache")
        var subject = try Subject(self, found, connection, cache)
        let chosen = try EvaluationImages(
            split, of: data, connection, cache: cache, progress: Self.opening
        ).prefix(images)
        if subject.supernet != nil {
            subject.calibration = NetworkEvaluation.Calibration(
                try EvaluationImages(.train, of: data, connection, cache: cache),
                count: calibrationImages ?? 2000, seed: seed ?? 0)
        }
        let measured = try subject.measure(on: chosen)
        Output.endProgress()
        let names = subject.classNames.isEmpty ? chosen.source.classNames : subject.classNames
        let picture = ConfusionPlot(
            measured.confusion, names: names,
            title: "artifact \(found.id) on \(chosen.artifact.name)")
        if let plot, plot.isStandardOutput { return try plot.write(picture.svg) }
        let answer = answer(measured, found, chosen, names)
        // The answer is printed before the file is written, so that a failure to write does not lose the measurement.
        try Output.answer(answer, output) { try say(answer) }
        guard let plot else { return }
        try plot.write(picture.svg)
        if !output.json { try Output.line("\(plot.path): the confusion matrix") }
    }

    private static func opening(_ done: Int, _ all: Int) {
        if all > 1 { Output.progress("opening shard \(done + 1) of \(all)") }
    }

    private func answer(
        _ measured: NetworkEvaluation, _ found: Artifact, _ chosen: EvaluationImages,
        _ names: [ByteName]
    ) -> Answer {
        let table = measured.confusion
        func ratio(_ part: Int, _ whole: Int) -> Double? {
            whole > 0 ? Double(part) / Double(whole) : nil
        }
        let classes = (0..<table.classes).map { label in
            Answer.Class(
                label: label, name: label < names.count ? names[label].description : nil,
                images: table.images(of: label), predicted: table.predictions(of: label),
                recall: ratio(table[label, label], table.images(of: label)),
                precision: ratio(table[label, label], table.predictions(of: label)))
        }
        return Answer(
            artifact: found.id.rawValue, dataset: chosen.artifact.id.rawValue,
            split: split.rawValue, arch: measured.arch, top1: table.top1, top5: table.top5,
            loss: table.loss, images: table.images, images_per_s: measured.imagesPerSecond,
            seconds: measured.seconds, calibration_images: measured.calibrationImages, bits: bits,
            per_class: perClass ? classes : nil, confusion: confusion)
    }

    private func say(_ answer: Answer) throws {
        var table = Table(.text("MEASURE"), .number("VALUE"))
        table.rows = [
            ["top-1", Format.decimal(100 * answer.top1, 2) + " %"],
            ["top-5", Format.decimal(100 * answer.top5, 2) + " %"],
            ["loss", Format.decimal(answer.loss, 4)],
            ["images", Format.grouped(answer.images)],
            ["images per second", Format.grouped(Int(answer.images_per_s.rounded()))],
        ]
        if let count = answer.calibration_images {
            table.rows.append(["calibrated on images", Format.grouped(count)])
        }
        try Output.table(table)
        if let classes = answer.per_class {
            var each = Table(
                .number("CLASS", .low), .text("NAME"), .number("IMAGES"), .number("RECALL"),
                .number("PRECISION"))
            func percent(_ share: Double?) -> String {
                share.map { Format.decimal(100 * $0, 2) + " %" } ?? "-"
            }
            each.rows = classes.map {
                [
                    "\($0.label)", $0.name ?? "-", Format.grouped($0.images), percent($0.recall),
                    percent($0.precision),
                ]
            }
            try Output.line()
            try Output.table(each)
        }
    }
}

/// What is measured: a network, or a subnet of a supernet.
private struct Subject {
    /// The network, or the supernet with the genes of its subnet.
    private let network: StoredNetwork?
    let supernet: (supernet: StoredSupernet, arch: SubnetConfig)?
    /// The network in eight bits; nil for floats.
    private let quantised: NetworkQuantisation?
    /// How the subnet of a supernet is calibrated.
    var calibration: NetworkEvaluation.Calibration?

    /// The names of the classes; empty if they are not stored with the weights.
    var classNames: [ByteName] { network?.classNames ?? [] }

    init(
        _ command: EvaluateCommand, _ artifact: Artifact, _ connection: Connection,
        _ cache: BlobCache
    ) throws {
        guard artifact.kind != "subnet" else {
            guard command.arch == nil, command.calibrationImages == nil, command.seed == nil else {
                throw ValidationError(
                    "artifact \(artifact.id) is one network: --arch, --calibration-images and --seed are for supernets",
                    remedy: "omit them")
            }
            let stored = try StoredNetwork(artifact, connection, cache: cache)
            network = stored
            quantised =
                command.bits == 8
                ? try NetworkQuantisation(
                    of: stored, connection, cache: cache, threads: HostRoom.machineThreads) : nil
            supernet = nil
            return
        }
        guard command.bits == 32 else {
            throw ValidationError(
                "artifact \(artifact.id) is a supernet: --bits 8 is for one network",
                remedy: "cut the network first: ofa specialize")
        }
        network = nil
        quantised = nil
        let read = try StoredSupernet(artifact, connection)
        guard let text = command.arch else {
            throw ValidationError(
                "artifact \(artifact.id) is a supernet of many networks",
                remedy: "say which one: --arch largest, --arch smallest, or its genes as JSON")
        }
        let space = try read.trained.map { try read.space.restricted(to: $0) } ?? read.space
        let arch: SubnetConfig
        switch text {
        case "largest", "smallest":
            guard command.resolution == nil else {
                throw ValidationError(
                    "--resolution is for an architecture without image size, not for '\(text)'",
                    remedy: "omit it")
            }
            arch = text == "largest" ? space.largest : space.smallest
        default:
            do {
                arch = try read.space.architecture(
                    ArchitectureText.read(text), resolution: command.resolution)
            } catch { throw CommandFailure.at("--arch", error) }
        }
        if let gene = read.trained?.outside(arch, in: read.space) {
            Output.note(
                "note: artifact \(artifact.id) was not trained for this network: \(gene)")
        }
        supernet = (read, arch)
    }

    /// Measures the subject, with progress on standard error.
    func measure(on images: EvaluationImages) throws -> NetworkEvaluation {
        let threads = HostRoom.machineThreads
        func show(_ share: Double) { Output.progress("evaluating: \(Int(100 * share)) %") }
        if let network, let quantised {
            return try NetworkEvaluation(
                of: network, in: quantised, on: images, threads: threads, progress: show)
        }
        if let network {
            return try NetworkEvaluation(
                of: network, on: images, threads: threads, progress: show)
        }
        guard let (supernet, arch) = supernet, let calibration else {
            preconditionFailure("a supernet is measured with a calibration")
        }
        return try NetworkEvaluation(
            of: arch, in: supernet, on: images, calibration, threads: threads, progress: show)
    }
}
