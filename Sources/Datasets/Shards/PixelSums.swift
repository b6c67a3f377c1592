// Sums over pixels, for means and deviations. The sums are integers, so the order in which pictures
// and other sums are added does not change the result.
import CPictures

/// The number of pixels, and the sum and the sum of squares of their bytes for every channel.
public struct PixelSums: Codable, Sendable, Equatable {
    /// The number of pixels added.
    public private(set) var pixels = 0
    /// The sums of bytes and of their squares, one per channel.
    public private(set) var sums, squares: [Int64]

    /// Starts with sums of 0 for `channels` channels, 1...4.
    public init(channels: Int) {
        precondition((1...4).contains(channels), "sums of \(channels) channels")
        sums = Array(repeating: 0, count: channels)
        squares = sums
    }

    /// Adds whole pixels, shape (…, channels).
    public mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBufferPointer { add($0) } }

    /// Adds whole pixels, shape (…, channels).
    public mutating func add(_ bytes: UnsafeBufferPointer<UInt8>) {
        let channels = sums.count
        precondition(bytes.count.isMultiple(of: channels), "\(bytes.count) bytes: half a pixel")
        pixels += bytes.count / channels
        guard let start = bytes.baseAddress else { return }
        ofa_byte_sums(start, Int64(bytes.count), Int32(channels), &sums, &squares)
    }

    /// Adds the sums of other pixels with as many channels.
    public mutating func add(_ other: PixelSums) {
        precondition(sums.count == other.sums.count, "sums of different channels")
        pixels += other.pixels
        for channel in sums.indices {
            sums[channel] += other.sums[channel]
            squares[channel] += other.squares[channel]
        }
    }

    /// Means and deviations of byte / 255; a deviation is at least 0.001.
    public var normalization: PixelNormalization {
        let n = Double(max(pixels, 1))
        return PixelNormalization(
            mean: sums.map { Float(Double($0) / n / 255) },
            deviation: zip(sums, squares).map { sum, square in
                let mean = Double(sum) / n
                return Float(max((Double(square) / n - mean * mean).squareRoot() / 255, 1e-3))
            })
    }
}
