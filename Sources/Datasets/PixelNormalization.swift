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
    /// Returns whether no pixel's normalised value differs by more than 0.02 from that of `other`. Constants that were
    /// rounded to three digits differ by less. False for another number of channels.
    public func isLike(_ other: PixelNormalization) -> Bool {
        func ends(_ one: PixelNormalization) -> [Float] {
            zip(one.mean, one.deviation).flatMap { (mean: Float, deviation: Float) -> [Float] in
                [-mean / deviation, (1 - mean) / deviation]
            }
        }
        // The difference is linear in the pixel's value, so it is largest at the smallest or the largest value.
        let own = ends(self), others = ends(other)
        return own.count == others.count && zip(own, others).allSatisfy { abs($0 - $1) <= 0.02 }
    }

    /// The constants for messages: `mean 0.2, 0.3 and deviation 0.25, 0.5`.
    public var words: String {
        func listed(_ values: [Float]) -> String {
            values.map { "\($0)" }.joined(separator: ", ")
        }
        return "mean \(listed(mean)) and deviation \(listed(deviation))"
    }

    /// The offset of each channel, added after `factors`.
    public var offsets: [Float] { zip(mean, deviation).map { -$0 / $1 } }
}
