// Batches made ahead: the same bits as those made when asked for, in two places of memory, in the order asked for.
import Datasets
import Tensors
import Testing

@Suite struct PrefetchingLoaderTests {
    private let scratch: Scratch
    private let shard: ImageShard
    private let normalization: PixelNormalization
    private let engine: CPUEngine

    init() throws {
        scratch = try Scratch()
        var stream = RandomStream(seed: 2)
        let layout = ImageShard.Layout(count: 20, height: 12, width: 10, channels: 3, classes: 7)
        let images = (0..<layout.count * layout.imageBytes).map { _ in
            UInt8(truncatingIfNeeded: stream.next())
        }
        let path = try scratch.file(
            "colour.shard",
            try ImageShard.encode(
                images: images, labels: (0..<20).map { UInt8($0 % 7) }, layout: layout))
        shard = try ImageShard(path)
        normalization = PixelNormalization(shard, images: Array(0..<20))
        engine = try CPUEngine(threads: 2)
    }

    /// Requests of changing sizes, counts and augmentations.
    private let requests: [BatchRequest] = (0..<30).map { number in
        let images = Array((0..<20).map { ($0 * 7 + number) % 20 })
        let settings: [Augmentation] = [.none, Augmentation(minArea: 0.3, shift: 2), .imageNet]
        return BatchRequest(
            images[..<(1 + number % 5)], size: [8, 12, 5][number / 3 % 3],
            augmentation: settings[number % 3],
            streams: number % 3 == 0 ? nil : ImageStreams(seed: 5, step: number))
    }

    private func expected(_ request: BatchRequest) throws -> (values: [Float], labels: [Int32]) {
        let (images, labels) = try BatchLoader(shard, normalization: normalization).batch(
            request.images, size: request.size, augmentation: request.augmentation,
            streams: request.streams, engine: engine)
        return (images.tensor.values, labels)
    }

    @Test("a batch made ahead has the bits of one made when asked for")
    func bits() throws {
        let loader = PrefetchingLoader(shard, normalization: normalization)
        loader.request(requests[0])
        for number in requests.indices {
            let batch = try loader.next()
            if number + 1 < requests.count { loader.request(requests[number + 1]) }
            let (values, labels) = try expected(requests[number])
            #expect(batch.images.tensor.values == values && batch.labels == labels, "\(number)")
            #expect(batch.images.height == requests[number].size && batch.images.channels == 3)
            #expect(batch.secondsWaited >= 0)
        }
        #expect(loader.pending == 0)
    }

    @Test("a part of a batch has the bits that it has in the whole")
    func parts() throws {
        let images = Array(0..<20)
        for settings in [Augmentation(minArea: 0.3, shift: 2), .imageNet] {
            func values(_ part: Range<Int>) throws -> [Float] {
                try expected(
                    BatchRequest(
                        images[part], size: 8, augmentation: settings,
                        streams: ImageStreams(seed: 5, step: 3).from(part.lowerBound))
                ).values
            }
            #expect(try values(0..<20) == values(0..<8) + values(8..<13) + values(13..<20))
        }
    }

    @Test("a batch stays as it is while the next ones are made, until the next is taken")
    func stays() throws {
        let loader = PrefetchingLoader(shard, normalization: normalization)
        loader.request(requests[1])
        loader.request(requests[2])
        let first = try loader.next()
        loader.request(requests[4])
        // The thread has time for the second batch; the third has no place yet.
        let expected = try expected(requests[1]).values
        for _ in 0..<200 { #expect(first.images.tensor.values == expected) }
        #expect(try loader.next().images.tensor.values == self.expected(requests[2]).values)
        #expect(try loader.next().images.tensor.values == self.expected(requests[4]).values)
    }

    @Test("all batches lie in two places, which are allocated once where their size is known")
    func memory() throws {
        let loader = PrefetchingLoader(shard, normalization: normalization, images: 5, size: 12)
        var places: Set<ObjectIdentifier> = []
        loader.request(requests[0])
        for number in requests.indices {
            let batch = try loader.next()
            if number + 1 < requests.count { loader.request(requests[number + 1]) }
            places.insert(ObjectIdentifier(batch.images.tensor.storage))
            #expect(batch.images.tensor.storage.count == 5 * 12 * 12 * 3)
        }
        #expect(places.count == PrefetchingLoader.depth)
    }

    @Test("what was asked for can be dropped, and a loader ends with batches pending")
    func cancelled() throws {
        for pending in 0...2 {
            let loader = PrefetchingLoader(shard, normalization: normalization)
            for number in 0..<pending { loader.request(requests[number]) }
            #expect(loader.pending == pending)
            if pending == 2 {
                loader.cancel()
                loader.request(requests[5])
                #expect(try loader.next().images.tensor.values == expected(requests[5]).values)
            }
        }
    }
}
