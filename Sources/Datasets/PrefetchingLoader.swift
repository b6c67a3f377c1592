// Prefetches batches: while a training step uses one batch, the loader's own threads make the next. A batch depends
// only on its request, so its bits equal those of `BatchLoader` for any number of threads. The loader does not use the
// engine's threads.

import Foundation
import Tensors

/// Makes batches of one source on its own threads, in two buffers. Only one thread at a time may use
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

    /// Starts the threads: `threads` of them if pictures are decoded, else one. Memory is allocated
    /// for batches of `images` images of `size` x `size` pixels, and grows if a request needs more.
    public init(
        _ source: any ImageSource, normalization: PixelNormalization, images: Int = 0,
        size: Int = 0, threads: Int = 1
    ) {
        precondition(threads > 0, "a loader of \(threads) threads")
        let threads = source.isDecoded ? threads : 1
        let shared = SharedBatches(
            source, normalization, depth: Self.depth, threads: threads,
            floats: images * size * size * source.channels)
        self.shared = shared
        for number in 0..<threads {
            let thread = Thread { shared.serve() }
            thread.name = "ofa-loader-\(number)"
            thread.start()
        }
    }

    /// Waits until every thread has finished its current image and ended.
    deinit { shared.stop() }

    /// The number of requested batches that `next` has not returned yet.
    public var pending: Int { requested - taken }

    /// Requests a batch, which is made as soon as a buffer is free. At most two batches may be pending.
    public func request(_ request: BatchRequest) {
        precondition(
            pending < Self.depth, "\(pending) batches are asked for already: take one first")
        shared.post(request, number: requested)
        requested += 1
    }

    /// Returns the oldest requested batch that has not been taken, and waits for it if necessary.
    /// The batch is valid until the next call of `next`.
    ///
    /// Errors: `DatasetError` naming the first picture of the batch that cannot be read; the batch
    /// counts as taken.
    public func next() throws -> Batch {
        precondition(pending > 0, "no batch was asked for")
        defer { taken += 1 }
        let (batch, failure) = shared.take(taken)
        if let failure { throw failure.error }
        return batch
    }

    /// Waits for all pending batches and discards them and their failures.
    public func cancel() {
        while pending > 0 {
            _ = shared.take(taken)
            taken += 1
        }
    }
}

/// The state shared by the caller and the loader's threads: two buffers used in turn, and the
/// counts of requested, made and taken batches.
private final class SharedBatches: @unchecked Sendable {
    // Safe because the counters, and the counts and failure of each `Place`, are accessed only with the lock. The
    // loader's threads own the rest of a `Place` from the moment when its request is posted and its previous batch is
    // no longer in use, until `made` counts the new batch. In this time, each image of the batch belongs to the thread
    // that claimed the image. At all other times the `Place` belongs to the caller's thread.

    /// A buffer, used by every second batch.
    private final class Place {
        var request: BatchRequest?
        var storage: Storage
        var images: FeatureMap
        var labels: [Int32] = []
        /// The numbers of images requested, images begun by a thread, and images done.
        var count = 0, claimed = 0, done = 0
        var failure: BatchFailure?
        var isComplete: Bool { done == count }

        init(floats: Int) {
            storage = Storage(count: floats)
            images = FeatureMap(storage.all, images: 0, height: 0, width: 0, channels: 1)
        }

        /// Reserves memory for the requested batch, before the batch's first image is made.
        func prepare(_ source: any ImageSource) {
            guard let request else { return }
            let floats = count * request.size * request.size * source.channels
            if storage.count < floats { storage = Storage(count: floats) }
            images = FeatureMap(
                storage.all, images: count, height: request.size, width: request.size,
                channels: source.channels)
            labels.removeAll(keepingCapacity: true)
            for image in request.images { labels.append(Int32(source.label(image))) }
        }
    }

    private let source: any ImageSource
    private let normalization: PixelNormalization
    private let places: [Place]
    private let changed = NSCondition()
    /// The numbers of batches requested, batches whose images are all claimed, batches made, and
    /// batches taken.
    private var posted = 0, claimed = 0, made = 0, taken = 0
    /// The number of threads that have not ended.
    private var running: Int
    private var isStopping = false

    init(
        _ source: any ImageSource, _ normalization: PixelNormalization, depth: Int, threads: Int,
        floats: Int
    ) {
        self.source = source
        self.normalization = normalization
        running = threads
        places = (0..<depth).map { _ in Place(floats: floats) }
    }

    func post(_ request: BatchRequest, number: Int) {
        changed.lock()
        let place = places[number % places.count]
        place.request = request
        (place.count, place.claimed, place.done) = (request.images.count, 0, 0)
        place.failure = nil
        posted = number + 1
        changed.broadcast()
        changed.unlock()
    }

    func take(_ number: Int) -> (PrefetchingLoader.Batch, BatchFailure?) {
        let clock = ContinuousClock(), start = clock.now
        changed.lock()
        while made <= number { changed.wait() }
        taken = number + 1
        let place = places[number % places.count], failure = place.failure
        changed.broadcast()
        changed.unlock()
        return (
            PrefetchingLoader.Batch(
                images: place.images, labels: place.labels,
                secondsWaited: (clock.now - start) / .seconds(1)), failure
        )
    }

    func stop() {
        changed.lock()
        isStopping = true
        changed.broadcast()
        while running > 0 { changed.wait() }
        changed.unlock()
    }

    /// Makes images of batches until `stop` is called; runs on each of the loader's threads.
    func serve() {
        let reader = source.reader(normalization)
        changed.lock()
        while !isStopping {
            guard let (place, images) = claim() else {
                changed.wait()
                continue
            }
            changed.unlock()
            let failure = fill(images, of: place, reader)
            changed.lock()
            finish(images, of: place, failure)
        }
        running -= 1
        changed.broadcast()
        changed.unlock()
    }

    /// Returns the next images to make: one image if pictures are decoded, because decoding times
    /// differ, else a whole batch. The caller has the lock.
    private func claim() -> (Place, Range<Int>)? {
        // Batch n uses the buffer of batch n - 2. This buffer is in use until batch n - 1 has been
        // taken.
        guard claimed < posted, claimed < places.count || taken >= claimed else { return nil }
        let place = places[claimed % places.count], start = place.claimed
        if start == 0 { place.prepare(source) }
        let end = source.isDecoded ? min(start + 1, place.count) : place.count
        place.claimed = end
        if end == place.count { claimed += 1 }
        return (place, start..<end)
    }

    private func fill(
        _ images: Range<Int>, of place: Place, _ reader: any ImageReader
    ) -> BatchFailure? {
        guard let request = place.request else { return nil }
        do {
            try reader.write(images, of: request, to: place.images)
            return nil
        } catch {
            return BatchFailure(place: images.lowerBound, error: error)
        }
    }

    /// Counts images that are done and, in order, the batches whose images are all done. The caller has the lock.
    private func finish(_ images: Range<Int>, of place: Place, _ failure: BatchFailure?) {
        place.done += images.count
        if let failure {
            BatchFailure.keep(&place.failure, failure.error, place: failure.place)
        }
        guard place.isComplete else { return }
        // Releases the request's list of images, so that the caller can reuse the list's memory.
        place.request = nil
        while made < claimed, places[made % places.count].isComplete { made += 1 }
        changed.broadcast()
    }
}
