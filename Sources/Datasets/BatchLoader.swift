// Makes batches of normalised images from a source on demand, on the threads of an engine.

import Synchronization
import Tensors

/// Reads images of one source into feature maps, at any resolution. Only one thread at a time may use a
/// loader.
public final class BatchLoader {
    /// The source of the images.
    public let source: any ImageSource
    /// The normalisation of bytes.
    public let normalization: PixelNormalization
    private var storage: Storage?
    /// One reader for each thread of the engine.
    private var readers: [any ImageReader] = []

    /// Reads from `source`.
    public init(_ source: any ImageSource, normalization: PixelNormalization) {
        self.source = source
        self.normalization = normalization
    }

    /// Returns `images` of the source and their labels. The images are augmented with draws from
    /// `streams`; if `streams` is nil, they are not augmented. The feature map is valid until the
    /// next call. The engine's threads share the work; the result does not depend on the number of
    /// threads.
    ///
    /// Errors: `DatasetError` naming the first picture of the batch that cannot be read.
    public func batch(
        _ images: ArraySlice<Int>, size: Int, augmentation: Augmentation = .none,
        streams: ImageStreams? = nil,
        engine: any Engine
    ) throws -> (images: FeatureMap, labels: [Int32]) {
        let request = BatchRequest(images, size: size, augmentation: augmentation, streams: streams)
        let floats = images.count * size * size * source.channels
        let storage = storage(floats)
        let map = FeatureMap(
            storage.all, images: images.count, height: size, width: size, channels: source.channels)
        while readers.count < engine.threads { readers.append(source.reader(normalization)) }
        try fill(map, request, engine)
        return (engine.receive(map), images.map { Int32(source.label($0)) })
    }

    private func fill(_ map: FeatureMap, _ request: BatchRequest, _ engine: any Engine) throws {
        let count = request.images.count, next = Atomic<Int>(0)
        // Decoding times differ, so each thread takes one picture at a time.
        let share = source.isDecoded ? 1 : max(1, (count + engine.threads - 1) / engine.threads)
        let failure = Mutex<BatchFailure?>(nil)
        engine.onEachLane { lane in
            while true {
                let start = next.add(share, ordering: .relaxed).oldValue
                if start >= count { return }
                do {
                    try readers[lane].write(
                        start..<min(start + share, count), of: request, to: map)
                } catch {
                    failure.withLock { BatchFailure.keep(&$0, error, place: start) }
                }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure.error }
    }

    /// Returns host memory for at least `floats` floats, into which readers write a batch.
    private func storage(_ floats: Int) -> Storage {
        if let storage, storage.count >= floats { return storage }
        let made = HostMemory.shared.storage(floats)
        storage = made
        return made
    }
}

/// The error that prevented a batch. If several images of the batch failed, this is the error of the one with the
/// lowest position, independently of the timing of threads.
struct BatchFailure: Sendable {
    /// The position of the image in the batch.
    let place: Int
    /// The failure.
    let error: any Error

    /// Sets `kept` to the failure `error` at `place`, unless `kept` already has a failure at the same or an earlier
    /// place.
    static func keep(_ kept: inout BatchFailure?, _ error: any Error, place: Int) {
        guard kept.map({ place < $0.place }) ?? true else { return }
        kept = BatchFailure(place: place, error: error)
    }
}
