// Batches: the right images with their labels, normalised, at the size asked for.
import Datasets
import Tensors
import Testing

@Suite struct BatchLoaderTests {
    private let scratch: Scratch
    private let loader: BatchLoader
    private let engine: CPUEngine

    init() throws {
        scratch = try Scratch()
        // Image n has the bytes 10 n + position.
        let images = (0..<6).flatMap { n in (0..<16).map { UInt8(10 * n + $0) } }
        let path = try scratch.file(
            "six.shard",
            try ImageShard.encode(
                images: images, labels: [0, 1, 2, 3, 4, 5],
                layout: .init(count: 6, height: 4, width: 4, channels: 1, classes: 6)))
        loader = BatchLoader(
            try ImageShard(path), normalization: PixelNormalization(mean: [0], deviation: [1 / 255])
        )
        engine = try CPUEngine(threads: 2)
    }

    @Test("images come in the order asked for, with their labels")
    func order() throws {
        let (images, labels) = try loader.batch([3, 0, 5], size: 4, engine: engine)
        #expect(labels == [3, 0, 5])
        #expect([images.images, images.height, images.width, images.channels] == [3, 4, 4, 1])
        let expected = [3, 0, 5].flatMap { n in (0..<16).map { Float(10 * n + $0) } }
        #expect(zip(images.tensor.values, expected).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("at half the size a pixel is the mean of four")
    func half() throws {
        let values = try loader.batch([2], size: 2, engine: engine).images.tensor.values
        #expect(zip(values, [22.5, 24.5, 30.5, 32.5]).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("a batch at another size or of another count is not disturbed by the one before")
    func sizes() throws {
        let first = try loader.batch([1, 2], size: 4, engine: engine).images.tensor.values
        _ = try loader.batch([0, 1, 2, 3, 4, 5], size: 8, engine: engine)
        let again = try loader.batch([1, 2], size: 4, engine: engine).images
        #expect(again.tensor.values == first && again.images == 2)
    }

    @Test("augmented batches repeat with their stream")
    func augmented() throws {
        func batch(_ draw: Int) throws -> [Float] {
            try loader.batch(
                [0, 1, 2, 3], size: 4,
                augmentation: Augmentation(minArea: 0.5, flip: true, shift: 1),
                streams: ImageStreams(seed: 1, step: draw), engine: engine
            ).images.tensor.values
        }
        #expect(try batch(0) == batch(0))
        #expect(try batch(0) != batch(1))
    }

    @Test("mean and deviation are those of the named images alone")
    func normalization() throws {
        let two = try loader.source.normalization(of: [0, 5])
        // Bytes 0...15 and 50...65: mean 32.5, variance 25^2 + 21.25.
        #expect(abs(two.mean[0] * 255 - 32.5) < 1e-4)
        #expect(abs(two.deviation[0] * 255 - Float(646.25).squareRoot()) < 1e-3)
        #expect(try loader.source.normalization(of: [5, 0]) == two)
        #expect(try loader.source.normalization(of: [0]) != two)
        let mean = zip(two.factors, two.offsets).map { 32.5 * $0 + $1 }
        #expect(abs(mean[0]) < 1e-4)
    }

    @Test("channels are normalised each by its own, and equal bytes do not divide by zero")
    func channels() throws {
        let images = (0..<2 * 9).flatMap { (n: Int) -> [UInt8] in [UInt8(n), 200, UInt8(255 - n)] }
        let shard = try ImageShard(
            try scratch.file(
                "colour.shard",
                try ImageShard.encode(
                    images: images, labels: [0, 1],
                    layout: .init(count: 2, height: 3, width: 3, channels: 3, classes: 2))))
        let normalization = PixelNormalization(shard, images: [0, 1])
        #expect(
            abs(normalization.mean[0] * 255 - 8.5) < 1e-4
                && abs(normalization.mean[2] * 255 - 246.5) < 1e-3)
        #expect(abs(normalization.deviation[0] - normalization.deviation[2]) < 1e-6)
        #expect(normalization.deviation[1] == 1e-3)
        let values = try BatchLoader(shard, normalization: normalization).batch(
            [0, 1], size: 3, engine: engine
        ).images.tensor.values
        for channel in 0..<3 {
            let mean =
                stride(from: channel, to: values.count, by: 3).reduce(Float(0)) { $0 + values[$1] }
                / 18
            #expect(abs(mean) < 1e-3, "channel \(channel)")
        }
    }
}
