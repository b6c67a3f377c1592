// Training on pictures: the same weights from one or several decoding threads, resumed or not, from
// stored pixels and from a shard of images; and several subnets measured on pictures decoded once.
import Datasets
import Foundation
import Networks
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct PictureTrainingTests {
    /// Grey pictures with learnable classes in one shard, and what trains on them.
    private final class Pictures {
        let set: PictureSet
        let space = SearchSpace.tiny()
        private let path: String

        /// Squares of `size` pixels; files are PNG.
        init(
            _ store: PictureShard.Store, size: Int, resize: PicturePreprocessor.Resizing,
            count: Int = 48, damaged: Int? = nil
        ) throws {
            let made = TinyImages(count: count, size: size, classes: 5, seed: 6)
            var writer = PictureShardWriter(store: store, channels: 1)
            var sums = PixelSums(channels: 1), places: [Int] = []
            for number in 0..<count {
                var bytes = Array(made.images[number * size * size..<(number + 1) * size * size])
                sums.add(bytes)
                if store == .files {
                    bytes = try PictureEncoder.png(bytes, width: size, height: size, channels: 1)
                }
                // Entries of the index take 28 bytes.
                places.append(writer.byteCount - 28 * number)
                let isAdded = try writer.add(
                    bytes, height: size, width: size, label: Int(made.labels[number]))
                precondition(isAdded)
            }
            path =
                FileManager.default.temporaryDirectory.appending(
                    path: "pictures-\(UUID().uuidString).shard"
                ).path
            var bytes = writer.finish()
            if let damaged { bytes[places[damaged]] ^= 1 }
            try Data(bytes).write(to: URL(filePath: path))
            let shard = try PictureShard(path)
            set = try PictureSet(
                PictureSetManifest(
                    dataset: "tiny", form: .imageFolder, store: store, size: nil, channels: 1,
                    resize: resize, classes: (0..<5).map { ByteName("\($0)") },
                    shards: [.init(digest: "d", count: count, byteCount: bytes.count)],
                    classCounts: (0..<5).map { (count + 4 - $0) / 5 }, heights: size...size,
                    widths: size...size, sums: sums), shards: [shard])
        }

        deinit { unlink(path) }

        func data(
            decoders: Int? = nil, source: (any ImageSource)? = nil,
            normalization: PixelNormalization? = nil
        ) -> TrainingData {
            TrainingData(
                BatchLoader(
                    source ?? set, normalization: normalization ?? set.manifest.normalization),
                images: Array(0..<set.count - 8), decoders: decoders)
        }

        func network(threads: Int = 2, seed: UInt64 = 1) throws -> Network {
            try Network(
                supernet: try Weights(supernetOf: space, seed: seed), of: space,
                engine: try CPUEngine(threads: threads))
        }

        func trainer(_ data: TrainingData, network: Network? = nil) throws -> Trainer {
            try Trainer(
                network ?? self.network(), of: space,
                phase: TrainingPhase(
                    name: "expand", kernelSizes: [3, 5, 7], expandRatios: [2, 3, 4],
                    depths: [1, 2], resolutions: [8, 10], subnets: 2, epochs: 2,
                    warmupEpochs: 0.2, batch: 8, learningRate: 0.05, dropout: 0.1,
                    augmentation: Augmentation(minArea: 0.5, shift: 1, brightness: 0.2)),
                teacher: nil, data: data, seed: 2)
        }
    }

    private func trained(_ trainer: Trainer) throws -> [[Float]] {
        while !trainer.isFinished { _ = try trainer.trainStep() }
        return trainer.state.arrays.map(\.values)
    }

    @Test(
        "one or several decoding threads train the same weights, and files the same as pixels",
        arguments: PicturePreprocessor.Resizing.allCases)
    func decoders(resize: PicturePreprocessor.Resizing) throws {
        var all: [[[Float]]] = []
        for store in PictureShard.Store.allCases {
            let pictures = try Pictures(store, size: 14, resize: resize)
            for decoders in [1, 2, 5] {
                all.append(try trained(pictures.trainer(pictures.data(decoders: decoders))))
            }
        }
        #expect(all.allSatisfy { $0 == all[0] })
        #expect(all[0].allSatisfy { $0.allSatisfy(\.isFinite) })
    }

    @Test("killed at any step and restored, it ends with the same bits", arguments: [1, 4, 9])
    func restored(at kill: Int) throws {
        let pictures = try Pictures(.files, size: 16, resize: .published)
        let whole = try trained(pictures.trainer(pictures.data(decoders: 3)))
        let first = try pictures.trainer(pictures.data(decoders: 2))
        for _ in 0..<kill { _ = try first.trainStep() }
        let second = try pictures.trainer(pictures.data(decoders: 1))
        second.network.weights.shake()
        try second.restore(first.state)
        #expect(try trained(second) == whole)
    }

    @Test("pictures that are not resized train the weights of a shard of images of equal size")
    func shardOfImages() throws {
        // The fixture's images are these.
        let fixture = try TrainingFixture()
        let pictures = try Pictures(.pixels, size: 10, resize: .none)
        let normalization = fixture.data.loader.normalization
        let data = [
            pictures.data(source: fixture.shard, normalization: normalization),
            pictures.data(normalization: normalization),
        ]
        let weights = try data.map { try trained(pictures.trainer($0)) }
        #expect(weights[0] == weights[1])
    }

    @Test("a picture that cannot be read stops training with its name")
    func damaged() throws {
        let pictures = try Pictures(.files, size: 16, resize: .published, damaged: 3)
        let trainer = try pictures.trainer(pictures.data())
        let error = #expect(throws: DatasetError.self) { try trained(trainer) }
        #expect(error?.reason.contains("picture 3 is damaged") == true)
        let evaluator = Evaluator(try pictures.network())
        let shape = try NetworkShape(pictures.space, pictures.space.smallest)
        let data = pictures.data()
        #expect(throws: DatasetError.self) {
            try evaluator.calibrate(shape, data: data, count: 40, seed: 1)
        }
        #expect(throws: DatasetError.self) {
            try evaluator.measure(
                shape,
                statistics: evaluator.calibrate(
                    shape, data: TrainingData(data.loader, images: [0, 1]), seed: 1),
                loader: data.loader, images: Array(0..<48))
        }
    }

    /// A source that counts the images made.
    private final class Counted: ImageSource {
        private let source: any ImageSource
        let made = Atomic<Int>(0)

        init(_ source: any ImageSource) { self.source = source }

        var count: Int { source.count }
        var channels: Int { source.channels }
        var classCount: Int { source.classCount }
        var classNames: [ByteName] { source.classNames }
        var fingerprint: String { source.fingerprint }
        var fixedSize: (height: Int, width: Int)? { source.fixedSize }
        var isDecoded: Bool { source.isDecoded }
        func label(_ image: Int) -> Int { source.label(image) }
        func normalization(of images: [Int]) throws -> PixelNormalization {
            try source.normalization(of: images)
        }
        func reader(_ normalization: PixelNormalization) -> any ImageReader {
            Reader(self, source.reader(normalization))
        }

        private final class Reader: ImageReader {
            private let owner: Counted, reader: any ImageReader
            init(_ owner: Counted, _ reader: any ImageReader) {
                self.owner = owner
                self.reader = reader
            }
            func write(_ places: Range<Int>, of request: BatchRequest, to map: FeatureMap) throws {
                owner.made.add(places.count, ordering: .relaxed)
                try reader.write(places, of: request, to: map)
            }
        }
    }

    @Test(
        "subnets calibrated and measured together have the results that each has alone, and every picture is made once"
    )
    func together() throws {
        let pictures = try Pictures(.files, size: 16, resize: .published, count: 72)
        let network = try pictures.network()
        _ = try trained(pictures.trainer(pictures.data(), network: network))
        let source = Counted(pictures.set), data = pictures.data(source: source)
        let evaluator = Evaluator(network, batch: 7, calibrationBatch: 20)
        let images = Array(30..<72)
        var stream = RandomStream(seed: 9)
        let shapes = try (0..<6).map { _ in
            var config = pictures.space.sample(using: &stream)
            config.resolution = 10
            return try NetworkShape(pictures.space, config)
        }
        let augmentation = Augmentation(minArea: 0.6)
        let statistics = try evaluator.calibrate(
            shapes, data: data, count: 50, augmentation: augmentation, seed: 5)
        #expect(source.made.load(ordering: .relaxed) == 50)
        var shares: [Double] = []
        let results = try evaluator.measure(statistics, loader: data.loader, images: images) {
            shares.append($0)
        }
        #expect(source.made.load(ordering: .relaxed) == 50 + 42)
        #expect(shares.allSatisfy { $0 > 0 && $0 <= 1 })
        for (number, shape) in shapes.enumerated() {
            let alone = try evaluator.calibrate(
                shape, data: data, count: 50, augmentation: augmentation, seed: 5)
            #expect(alone.all.values == statistics[number].statistics.all.values)
            let result = try evaluator.measure(
                shape, statistics: alone, loader: data.loader, images: images)
            #expect(result == results[number])
        }
        #expect(Set(results.map(\.loss)).count > 1)
    }

    @Test("a measurement that is asked to stop ends with that error")
    func stopped() throws {
        struct Stop: Error {}
        let pictures = try Pictures(.pixels, size: 12, resize: .published)
        let evaluator = Evaluator(try pictures.network(threads: 1), batch: 4, calibrationBatch: 10)
        let shape = try NetworkShape(pictures.space, pictures.space.smallest)
        let data = pictures.data()
        var calls = 0
        #expect(throws: Stop.self) {
            try evaluator.calibrate([shape], data: data, count: 40, seed: 1) { _ in
                calls += 1
                if calls == 2 { throw Stop() }
            }
        }
        #expect(calls == 2)
        let subnets = try evaluator.calibrate([shape], data: data, count: 40, seed: 1)
        #expect(throws: Stop.self) {
            try evaluator.measure(subnets, loader: data.loader, images: Array(0..<48)) {
                if $0 > 0.5 { throw Stop() }
            }
        }
    }
}
