// Prefetches batches: while a training step uses one batch, the loader's own thread makes the next.
// A batch depends on its request only, so its bits equal those of `BatchLoader`. The loader does
// not use the engine's threads.

import Foundation
import Tensors

/// Makes batches of one shard on its own thread, in two buffers. Only one thread at a time may use
/// a loader.
public final class PrefetchingLoader {
    /// A batch in the loader's memory.
    public struct Batch {
        /// The images, normalised.
        public let images: FeatureMap
        /// The labels of the images, in the same order.
        public let labels: [Int32]
        /// Seconds that `next` waited.
        public let secondsWaited: Double
    }

    /// The number of buffers: one for the batch in use and one for the batch being made.
    public static let depth = 2

    private let shared: SharedBatches
    private var requested = 0, taken = 0

    /// Starts the thread. Memory is allocated for batches of `images` images of `size` x `size`
    /// pixels, and grows if a request needs more.
    public init(
        _ shard: ImageShard, normalization: PixelNormalization, images: Int = 0, size: Int = 0
    ) {
        let shared = SharedBatches(
            shard, normalization, depth: Self.depth,
            floats: images * size * size * shard.layout.channels)
        self.shared = shared
        let thread = Thread { shared.serve() }
        thread.name = "ofa-loader"
        thread.start()
    }

    /// Waits until the thread has finished its current batch and ended.
    deinit { shared.stop() }

    /// How many requested batches have not been taken by `next`.
    public var pending: Int { requested - taken }

    /// Requests a batch, which is made as soon as a buffer is free. At most two may be pending.
    public func request(_ request: BatchRequest) {
        precondition(
            pending < Self.depth, "\(pending) batches are asked for already: take one first")
        shared.post(request, number: requested)
        requested += 1
    }

    /// Returns the oldest requested batch that has not been taken, and waits for it if necessary.
    /// The batch is valid until the next call of `next`.
    public func next() -> Batch {
        precondition(pending > 0, "no batch was asked for")
        defer { taken += 1 }
        return shared.take(taken)
    }

    /// Waits for all pending batches and discards them.
    public func cancel() {
        while pending > 0 { _ = next() }
    }
}

/// The state shared by the two threads: two buffers used in turn, and the counts of requested, made
/// and taken batches.
private final class SharedBatches: @unchecked Sendable {
    // Safe because counters are accessed under the lock only, and each place belongs to one thread
    // at a time. It belongs to the loader's thread once a request for the place has been posted and
    // the place's last batch is no longer in use, until `made` counts the new batch. At all other
    // times the place belongs to the caller's thread.

    /// A buffer, used by every second batch.
    private final class Place {
        var request: BatchRequest?
        var storage: Storage
        var images: FeatureMap
        var labels: [Int32] = []

        init(floats: Int) {
            storage = Storage(count: floats)
            images = FeatureMap(storage.all, images: 0, height: 0, width: 0, channels: 1)
        }
    }

    private let shard: ImageShard
    private let factors, offsets: [Float]
    private let places: [Place]
    private var crops: [Crop] = []
    private var scratch = Storage(count: 0)
    private let changed = NSCondition()
    private var posted = 0, made = 0, taken = 0
    private var isStopping = false, hasEnded = false

    init(_ shard: ImageShard, _ normalization: PixelNormalization, depth: Int, floats: Int) {
        self.shard = shard
        factors = normalization.factors
        offsets = normalization.offsets
        places = (0..<depth).map { _ in Place(floats: floats) }
    }

    func post(_ request: BatchRequest, number: Int) {
        changed.lock()
        places[number % places.count].request = request
        posted = number + 1
        changed.broadcast()
        changed.unlock()
    }

    func take(_ number: Int) -> PrefetchingLoader.Batch {
        let clock = ContinuousClock(), start = clock.now
        changed.lock()
        while made <= number { changed.wait() }
        taken = number + 1
        changed.broadcast()
        changed.unlock()
        let place = places[number % places.count]
        return PrefetchingLoader.Batch(
            images: place.images, labels: place.labels,
            secondsWaited: (clock.now - start) / .seconds(1))
    }

    func stop() {
        changed.lock()
        isStopping = true
        changed.broadcast()
        while !hasEnded { changed.wait() }
        changed.unlock()
    }

    /// Makes batches until `stop` is called; runs on the loader's thread.
    func serve() {
        changed.lock()
        while !isStopping {
            // Batch n uses the buffer of batch n - 2, which is in use until batch n - 1 has been
            // taken.
            guard made < posted, made < places.count || taken >= made else {
                changed.wait()
                continue
            }
            let place = places[made % places.count]
            changed.unlock()
            fill(place)
            changed.lock()
            made += 1
            changed.broadcast()
        }
        hasEnded = true
        changed.broadcast()
        changed.unlock()
    }

    private func fill(_ place: Place) {
        guard let request = place.request else { return }
        let layout = shard.layout, size = request.size, count = request.images.count
        request.draw(&crops, from: layout)
        let floats = count * size * size * layout.channels
        if place.storage.count < floats { place.storage = Storage(count: floats) }
        place.images = FeatureMap(
            place.storage.all, images: count, height: size, width: size, channels: layout.channels)
        place.labels.removeAll(keepingCapacity: true)
        for image in request.images { place.labels.append(Int32(shard.labels[image])) }
        shard.withImages { bytes in
            let images = StoredImages(
                bytes, height: layout.height, width: layout.width, scale: factors, offset: offsets)
            let needed = images.scratchFloats(size: size)
            if scratch.count < needed { scratch = Storage(count: needed) }
            images.write(crops[...], to: place.images, scratch: scratch.all)
        }
        // Releases the request's list, so that the caller can reuse its memory.
        place.request = nil
    }
}
