// Normalises bytes per channel with the mean and standard deviation of the training images.

import Tensors

/// value = (byte / 255 - mean) / deviation, per channel.
public struct PixelNormalization: Codable, Sendable, Equatable {
    /// Mean and standard deviation of byte / 255, one per channel.
    public let mean, deviation: [Float]

    /// Takes one mean and one deviation per channel; deviations must be positive.
    public init(mean: [Float], deviation: [Float]) {
        self.mean = mean
        self.deviation = deviation
    }

    /// Measures mean and deviation over the given images of a shard. Sums are integers, so the order of the images does
    /// not matter; a deviation is at least 0.001.
    public init(_ shard: ImageShard, images: [Int]) {
        let bytes = shard.layout.imageBytes
        var sums = PixelSums(channels: shard.layout.channels)
        shard.withImages { all in
            for image in images {
                let end = (image + 1) * bytes
                sums.add(UnsafeBufferPointer(rebasing: all[image * bytes..<end]))
            }
        }
        self = sums.normalization
    }

    /// The factor of each channel: the normalised value is byte * factor + offset.
    public var factors: [Float] { deviation.map { 1 / (255 * $0) } }
    /// The offset of each channel, added after `factors`.
    public var offsets: [Float] { zip(mean, deviation).map { -$0 / $1 } }
}
