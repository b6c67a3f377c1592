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
        let channels = shard.layout.channels, bytes = shard.layout.imageBytes
        var sums = [Int](repeating: 0, count: channels), squares = sums
        shard.withImages { all in
            for image in images {
                for i in 0..<bytes {
                    let value = Int(all[image * bytes + i])
                    sums[i % channels] += value
                    squares[i % channels] += value * value
                }
            }
        }
        let n = Double(max(images.count * bytes / channels, 1))
        mean = sums.map { Float(Double($0) / n / 255) }
        deviation = zip(sums, squares).map { sum, square in
            let mean = Double(sum) / n
            return Float(max((Double(square) / n - mean * mean).squareRoot() / 255, 1e-3))
        }
    }

    /// The factor of each channel: the normalised value is byte * factor + offset.
    public var factors: [Float] { deviation.map { 1 / (255 * $0) } }
    /// The offset of each channel, added after `factors`.
    public var offsets: [Float] { zip(mean, deviation).map { -$0 / $1 } }
}
