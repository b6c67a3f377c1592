// Random streams of a batch, one for each image. The draws of an image depend only on the seed, the step, the purpose
// and the image's position in the batch. So the draws stay the same if the batch is divided among machines or into
// micro-batches.

/// One random stream for each image of a batch or of a part of it.
public struct ImageStreams: Sendable {
    private let seed: UInt64
    private let step, purpose, first: Int

    /// Makes the streams of a whole batch, for one step and one purpose.
    public init(seed: UInt64, step: Int = 0, purpose: Int = 0) {
        self.init(seed, step, purpose, first: 0)
    }

    private init(_ seed: UInt64, _ step: Int, _ purpose: Int, first: Int) {
        self.seed = seed
        self.step = step
        self.purpose = purpose
        self.first = first
    }

    /// The stream of image `place` of the batch or part.
    public subscript(place: Int) -> RandomStream {
        RandomStream(seed: seed, step, first + place, purpose)
    }

    /// Returns the streams of the part that starts at image `place`.
    public func from(_ place: Int) -> ImageStreams {
        ImageStreams(seed, step, purpose, first: first + place)
    }
}
