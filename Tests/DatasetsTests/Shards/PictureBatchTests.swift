// Batches of pictures: the same bits from any number of threads, from files and pixels, and as from
// a shard of images; failures that name the first picture; no memory once warm.
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite struct PictureBatchTests {
    private let scratch: Scratch
    private static let normalization = PixelNormalization(
        mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.25])

    init() throws { scratch = try Scratch() }

    /// Requests of changing sizes, counts and augmentations over `count` images.
    private static func requests(_ count: Int) -> [BatchRequest] {
        (0..<24).map { number in
            let images = (0..<count).map { ($0 * 7 + number) % count }
            let settings: [Augmentation] = [
                .none, .imageNet, Augmentation(minArea: 0.3, shift: 2),
            ]
            return BatchRequest(
                images[..<(1 + number % 9)], size: [8, 20, 33][number / 3 % 3],
                augmentation: settings[number % 3],
                streams: number % 3 == 0 ? nil : ImageStreams(seed: 5, step: number))
        }
    }

    /// The batches of all requests, prefetched by so many threads.
    private func prefetched(
        _ source: any ImageSource, threads: Int, _ requests: [BatchRequest]
    ) throws -> [[Float]] {
        let loader = PrefetchingLoader(
            source, normalization: Self.normalization, threads: threads)
        loader.request(requests[0])
        return try requests.indices.map { number in
            let batch = try loader.next()
            if number + 1 < requests.count { loader.request(requests[number + 1]) }
            #expect(batch.labels == requests[number].images.map { Int32(source.label($0)) })
            #expect(batch.images.images == requests[number].images.count)
            return batch.images.tensor.values
        }
    }

    private func made(
        _ source: any ImageSource, threads: Int, _ requests: [BatchRequest]
    ) throws -> [[Float]] {
        let loader = BatchLoader(source, normalization: Self.normalization)
        let engine = try CPUEngine(threads: threads)
        return try requests.map {
            try loader.batch(
                $0.images, size: $0.size, augmentation: $0.augmentation, streams: $0.streams,
                engine: engine
            ).images.tensor.values
        }
    }

    @Test(
        "any number of threads gives the same bits, prefetched or on demand",
        arguments: PictureShard.Store.allCases)
    func threads(store: PictureShard.Store) throws {
        let set = try TinyPictures(count: 30).set(store, in: scratch, mostBytes: 40_000)
        let requests = Self.requests(30)
        let expected = try made(set, threads: 1, requests)
        #expect(expected.allSatisfy { $0.allSatisfy(\.isFinite) })
        for threads in [1, 2, 5] {
            #expect(try prefetched(set, threads: threads, requests) == expected)
            #expect(try made(set, threads: threads, requests) == expected)
        }
    }

    @Test("a batch holds what the preprocessor makes of each picture")
    func preprocessed() throws {
        let pictures = TinyPictures(count: 10), set = try pictures.set(.files, in: scratch)
        let preprocessor = PicturePreprocessor(normalization: Self.normalization)
        for request in Self.requests(10) {
            let batch = try made(set, threads: 2, [request])[0]
            let one = request.size * request.size * 3
            for (place, picture) in request.images.enumerated() {
                var floats = [Float](repeating: .nan, count: one)
                let file = try pictures.stored(picture, .files)
                try floats.withUnsafeMutableBufferPointer { floats in
                    try file.withUnsafeBytes { file in
                        guard let streams = request.streams else {
                            return try preprocessor.evaluate(
                                .encoded(file), size: request.size, to: floats)
                        }
                        var stream = streams[place]
                        try preprocessor.train(
                            .encoded(file), size: request.size,
                            augmentation: request.augmentation, stream: &stream, to: floats)
                    }
                }
                #expect(Array(batch[place * one..<(place + 1) * one]) == floats)
            }
        }
    }

    @Test("pictures that are not resized give the bits of a shard of images", arguments: [1, 3])
    func unresized(channels: Int) throws {
        let pictures = TinyPictures(count: 20, channels: channels, size: 12)
        let shard = try pictures.imageShard(in: scratch)
        let normalization = shard.normalization(of: Array(0..<20))
        for (store, png) in [(PictureShard.Store.pixels, false), (.files, true)] {
            let set = try pictures.set(
                store, in: scratch, mostBytes: 3_000, resize: .none, png: png)
            #expect(set.manifest.shards.count > 1)
            #expect(set.fixedSize.map { [$0.height, $0.width] } == [12, 12])
            #expect(set.normalization(of: []) == normalization)
            let engine = try CPUEngine(threads: 2)
            let loaders = [set as any ImageSource, shard].map {
                BatchLoader($0, normalization: normalization)
            }
            for request in Self.requests(20) {
                let batches = try loaders.map {
                    let (images, labels) = try $0.batch(
                        request.images, size: request.size, augmentation: request.augmentation,
                        streams: request.streams, engine: engine)
                    return (images.tensor.values, labels)
                }
                #expect(batches[0].0 == batches[1].0 && batches[0].1 == batches[1].1)
            }
        }
    }

    @Test("a damaged picture stops its batch, naming the first of them whichever thread meets it")
    func damaged() throws {
        let pictures = TinyPictures(count: 16, size: 20)
        // One byte of pictures 5 and 9.
        let set = try pictures.set(.pixels, in: scratch) { shards in
            for picture in [5, 9] { shards[0][64 + picture * 1200 + 77] ^= 1 }
        }
        let good = BatchRequest([0, 1, 2, 3][...], size: 16)
        let bad = BatchRequest([0, 9, 1, 5, 2][...], size: 16)
        for threads in [1, 4] {
            let loader = PrefetchingLoader(
                set, normalization: Self.normalization, threads: threads)
            for _ in 0..<20 {
                loader.request(good)
                loader.request(bad)
                let values = try loader.next().images.tensor.values
                #expect(values.allSatisfy { $0.isFinite })
                let error = #expect(throws: DatasetError.self) { try loader.next() }
                #expect(error?.code == .corrupt)
                #expect(error?.reason.contains("picture 9 is damaged") == true)
                #expect(error?.reason.contains("digest-0") == true)
            }
            // Discarded failures do not come back.
            loader.request(bad)
            loader.cancel()
            loader.request(good)
            #expect(try loader.next().labels == [0, 1, 2, 3])
            let error = #expect(throws: DatasetError.self) {
                try made(set, threads: threads, [bad])
            }
            #expect(error?.reason.contains("picture 9 is damaged") == true)
        }
    }

    @Test("loaders end with batches pending, and empty batches pass")
    func ends() throws {
        let set = try TinyPictures(count: 8).set(.files, in: scratch)
        for pending in 0...2 {
            let loader = PrefetchingLoader(set, normalization: Self.normalization, threads: 3)
            for _ in 0..<pending { loader.request(BatchRequest(Array(0..<8)[...], size: 40)) }
        }
        let loader = PrefetchingLoader(set, normalization: Self.normalization, threads: 3)
        loader.request(BatchRequest([], size: 8))
        loader.request(BatchRequest([1], size: 8))
        #expect(try loader.next().labels.isEmpty)
        #expect(try loader.next().labels == [1])
    }

    @Test("once warm, a reader of pixels takes no memory, and one of JPEGs only libjpeg's")
    func allocations() throws {
        try #require(Allocations.areCountable, "allocations can be counted with glibc only")
        let pictures = TinyPictures(count: 12, size: 24)
        let streams = ImageStreams(seed: 3)
        let sources: [any ImageSource] = [
            try pictures.set(.pixels, in: scratch),
            try pictures.set(.pixels, in: scratch, resize: .none),
            try pictures.imageShard(in: scratch), try pictures.set(.files, in: scratch),
        ]
        let images = Array(0..<12)
        for (number, source) in sources.enumerated() {
            let reader = source.reader(Self.normalization)
            let map = FeatureMap(
                Storage(count: 12 * 400 * 3).all, images: 12, height: 20, width: 20, channels: 3)
            let request = BatchRequest(
                images[...], size: 20, augmentation: .imageNet, streams: streams)
            for _ in 0..<3 { try reader.write(0..<12, of: request, to: map) }
            let count = try Allocations.during(onEveryThread: { $0() }) {
                for _ in 0..<3 { try reader.write(0..<12, of: request, to: map) }
            }
            // The last has six JPEGs and six PNGs.
            #expect(number < 3 ? count == 0 : count < 36 * 64, "source \(number): \(count)")
        }
    }
}
