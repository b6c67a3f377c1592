// Random streams of a batch, one an image. The draws of an image depend only on the seed, the step
// and the image's position in the batch, so dividing a batch among machines or into micro-batches
// does not change them.

/// One random stream for each image of a batch or of a part of it.
public struct ImageStreams: Sendable {
    private let seed: UInt64
    private let step, purpose, first: Int

    /// The streams of a whole batch: of one step and one purpose.
    public init(seed: UInt64, step: Int = 0, purpose: Int = 0) {
        self.init(seed, step, purpose, first: 0)
    }

    private init(_ seed: UInt64, _ step: Int, _ purpose: Int, first: Int) {
        self.seed = seed
        self.step = step
        self.purpose = purpose
        self.first = first
    }

    /// The stream of the image at this index of the part.
    public subscript(place: Int) -> RandomStream {
        RandomStream(seed: seed, step, first + place, purpose)
    }

    /// The streams of the part that starts at this index.
    public func from(_ place: Int) -> ImageStreams {
        ImageStreams(seed, step, purpose, first: first + place)
    }
}
