// The fast loops of resampling give the bytes of the naive ones, for many sizes and channels.
import CPictures
import TestSupport
import Tensors
import Testing

@testable import Datasets

@Suite struct ResamplingTests {
    /// Sizes of an axis before and after.
    static let axes = [
        (1, 1), (1, 7), (2, 1), (3, 2), (5, 5), (7, 64), (64, 7), (100, 99), (99, 100), (300, 128),
        (333, 3), (500, 224), (4000, 5),
    ]

    @Test("rows and pixels give what the naive loops give", arguments: [1, 3])
    func oracle(channels: Int) throws {
        var stream = RandomStream(seed: 19)
        for (width, resizedWidth) in Self.axes {
            for (height, resizedHeight) in Self.axes where width * height < 200_000 {
                let pixels = (0..<width * height * channels).map { _ in
                    // Black and white are the hardest for rounding and clipping.
                    [0, 255, UInt8(truncatingIfNeeded: stream.next())][stream.below(3)]
                }
                let found = try PictureDecoder(channels: channels).view(
                    pixels: pixels, width: width, height: height, channels: channels
                ) { _, _ in
                    PictureView(
                        width: width, height: height, resizedWidth: resizedWidth,
                        resizedHeight: resizedHeight)
                }
                let expected = Self.naive(
                    pixels, width, height, channels, resizedWidth, resizedHeight)
                #expect(
                    found.pixels == expected,
                    "\(width)x\(height) to \(resizedWidth)x\(resizedHeight)")
            }
        }
    }

    /// Without skipping an axis of equal sizes: its weights are one 1 each.
    static func naive(
        _ pixels: [UInt8], _ width: Int, _ height: Int, _ channels: Int, _ resizedWidth: Int,
        _ resizedHeight: Int
    ) -> [UInt8] {
        var between = [UInt8](repeating: 0, count: height * resizedWidth * channels)
        var out = [UInt8](repeating: 0, count: resizedHeight * resizedWidth * channels)
        withAxis(width, resizedWidth) { across in
            withAxis(height, resizedHeight) { down in
                withUnsafePointer(to: across) { across in
                    withUnsafePointer(to: down) { down in
                        ofa_resample_naive(
                            pixels, Int32(height), Int32(width), Int32(channels), across, down,
                            &between, &out)
                    }
                }
            }
        }
        return out
    }

    private static func withAxis(_ n: Int, _ m: Int, _ body: (ofa_axis) -> Void) {
        var first = [Int32](repeating: 0, count: m), length = first
        let taps = ofa_axis_windows(Int64(n), Int64(m), 0, Int32(m), 0, &first, &length)
        var weights = [Int32](repeating: 0, count: m * Int(taps))
        ofa_axis_weights(Int64(n), Int64(m), 0, Int32(m), 0, taps, &first, length, &weights)
        first.withUnsafeBufferPointer { first in
            weights.withUnsafeBufferPointer { weights in
                body(
                    ofa_axis(
                        count: Int32(m), taps: taps, first: first.baseAddress,
                        weights: weights.baseAddress))
            }
        }
    }

    @Test("weights are positive, add up to one and stay inside the axis")
    func weights() {
        for n in [1, 2, 3, 10, 100, 375, 4000, 65_500] {
            for m in [1, 2, 3, 7, 96, 147, 256, 5000] {
                Self.withAxis(n, m) { axis in
                    let taps = Int(axis.taps)
                    #expect(taps >= 1 && taps <= n && taps <= 2 * max(n / m + 1, 1) + 1)
                    for x in 0..<m {
                        let first = Int(axis.first[x])
                        #expect(first >= 0 && first + taps <= n)
                        #expect(x == 0 || first >= Int(axis.first[x - 1]))
                        let weights = (0..<taps).map { Int(axis.weights[x * taps + $0]) }
                        // Each weight is rounded by half a unit at most.
                        #expect(abs(weights.reduce(0, +) - 1 << 22) <= taps / 2 + 1)
                        #expect(weights.allSatisfy { $0 >= 0 })
                    }
                }
            }
        }
    }
}
