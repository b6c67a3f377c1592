// ofa-bench data: compares the speed of the image loader with the speed of training.
import ArgumentParser
import Datasets
import Foundation
import Metering
import Networks
import Tensors

/// Times the loader alone, training alone, and both together.
struct DataBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Times the loader's own threads, and training with and without them.",
        discussion: """
            Uses generated images of 224 x 224 x 3 and generated pictures of 400 x 300 pixels for --space and --arch, and \
            Fashion-MNIST for the fashion-mbv3 space if its files are installed. The pictures are stored as JPEG files, \
            and as pixels just large enough for --resolution. Example: ofa-bench data --arch min --resolution 128
            """)

    /// The search space of the network that trains on synthetic images.
    @Option(help: "The search space that trains on the made-up images; it takes three channels.")
    var space = "ofa-mbv3-w1.0"

    /// The network in training.
    @Option(help: "The network in training: max, mid, min, random, or JSON.")
    var arch = "min"

    /// Height and width of the batches.
    @Option(help: "Height and width of the batches, in pixels.")
    var resolution = 128

    /// Images of a batch.
    @Option(help: "Images of a batch.")
    var batch = 32

    /// Threads of the training.
    @Option(
        help: "Threads of the training, and of a loader that decodes; else it has one of its own.")
    var threads = MachineLimits.current().processors.value

    /// The number of synthetic images.
    @Option(help: "How many images and pictures are made up.")
    var images = 512

    /// Seconds of measurement per line of the table.
    @Option(help: "Seconds for every line of the table.")
    var seconds = 1.0

    /// The folder of Fashion-MNIST.
    @Option(help: "The folder of Fashion-MNIST's four files.")
    var folder =
        ProcessInfo.processInfo.environment["OFA_FASHION_MNIST"]
        ?? "/usr/share/datasets/fashion-mnist"

    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// The report; its headline is the loader's rate on synthetic images with the published augmentation.
    struct Report: Encodable {
        /// The reports of all data sets.
        let data: [LoaderReport]
    }

    /// Refuses invalid options.
    func validate() throws {
        for (name, value, range) in [
            ("resolution", resolution, 8...1024), ("batch", batch, 1...4096),
            ("threads", threads, 1...256), ("images", images, 1...20_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) is \(value); it must lie in \(range)")
        }
        guard (0.01...3600).contains(seconds) else {
            throw ValidationError("--seconds is \(seconds); it must lie in 0.01...3600")
        }
        do {
            let space = try SearchSpace.named(space)
            _ = try ArchChoice.read(
                arch, space: space, resolution: resolution, count: 1, seed: 1)
            guard space.inputChannels == 3 else {
                throw BenchError(
                    "--space \(space.name) takes grey images; the made-up ones are not")
            }
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let engine = try CPUEngine(threads: threads)
        let place = FileManager.default.temporaryDirectory.appending(
            path: "ofa-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer {
            do {
                try FileManager.default.removeItem(at: place)
            } catch {
                Output.note("cannot remove \(place.path): \(error.localizedDescription)")
            }
        }
        Output.note("making up \(images) images of 224 x 224 x 3")
        let made = try madeUp(at: place.appending(path: "made-up.shard").path)
        var reports = [
            try LoaderRun(
                name: "made up, 224 x 224 x 3", source: made,
                storedBytes: made.layout.count * made.layout.imageBytes,
                space: try SearchSpace.named(space), arch: arch, resolution: resolution,
                batch: batch, seconds: seconds, engine: engine
            ).report()
        ]
        Output.note("making up \(images) pictures of 400 x 300 pixels")
        let pictures = MadeUpPictures(count: images)
        for store in [PictureShard.Store.files, .pixels] {
            let set = try pictures.set(
                store, resolution: resolution, path: place.appending(path: store.rawValue).path)
            reports.append(
                try LoaderRun(
                    name: "made up pictures, store \(store.rawValue)", source: set,
                    storedBytes: set.manifest.shards.reduce(0) { $0 + $1.byteCount },
                    space: try SearchSpace.named(space), arch: arch, resolution: resolution,
                    batch: batch, seconds: seconds, engine: engine
                ).report())
        }
        if FileManager.default.fileExists(atPath: folder) {
            let shard = try fashion(at: place.appending(path: "fashion.shard").path)
            reports.append(
                try LoaderRun(
                    name: "Fashion-MNIST, 28 x 28 x 1", source: shard,
                    storedBytes: shard.layout.count * shard.layout.imageBytes, space: .fashion,
                    arch: arch.hasPrefix("{") ? "max" : arch, resolution: 28, batch: batch,
                    seconds: seconds, engine: engine
                ).report())
        } else {
            Output.note("Fashion-MNIST is not in \(folder): left out (--folder names another)")
        }
        if json {
            let rate = reports[0].lines.last?.imagesPerS ?? 0
            return try Output.json(
                Headline(unit: "images/s", rate: rate), Report(data: reports))
        }
        for report in reports { try report.print() }
    }

    private func madeUp(at path: String) throws -> ImageShard {
        let layout = ImageShard.Layout(
            count: images, height: 224, width: 224, channels: 3, classes: 256)
        var stream = RandomStream(seed: 7), bytes: [UInt8] = []
        bytes.reserveCapacity(images * layout.imageBytes)
        for _ in 0..<images * layout.imageBytes / 8 {
            let word = stream.next()
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        try ImageShard.write(
            path, images: bytes, labels: (0..<images).map { UInt8($0 % 256) }, layout: layout)
        return try ImageShard(path)
    }

    private func fashion(at path: String) throws -> ImageShard {
        let names = ImageShard.idxNames
        let bytes = try ImageShard.encode(
            idxImages: "\(folder)/\(names.trainImages)",
            idxLabels: "\(folder)/\(names.trainLabels)", classes: 10)
        try Data(bytes).write(to: URL(filePath: path))
        return try ImageShard(path)
    }
}
