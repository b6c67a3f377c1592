// What is written can be read again: PNG exactly, JPEG closely.
import Tensors
import Testing

@testable import Datasets

@Suite struct PictureEncoderTests {
    private static func noise(_ count: Int) -> [UInt8] {
        var stream = RandomStream(seed: 19)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
    }

    @Test("a written PNG has the same pixels", arguments: [1, 3])
    func png(channels: Int) throws {
        for (width, height) in [(1, 1), (97, 65), (4000, 1), (1, 4000), (300, 400)] {
            let pixels = Self.noise(width * height * channels)
            let file = try PictureEncoder.png(
                pixels, width: width, height: height, channels: channels)
            let read = try PictureDecoder(channels: channels).decode(file)
            #expect(read.width == width && read.height == height && read.pixels == pixels)
            #expect(read.warnings.count == 0)
        }
    }

    @Test(
        "a written JPEG is close to its pixels, and fits even if they are noise",
        arguments: [1, 3])
    func jpeg(channels: Int) throws {
        for (width, height) in [(1, 1), (97, 65), (4000, 1), (96, 128)] {
            let pixels = Self.noise(width * height * channels)
            for quality in [1, PictureEncoder.storedQuality, 100] {
                let file = try PictureEncoder.jpeg(
                    pixels, width: width, height: height, channels: channels, quality: quality)
                let read = try PictureDecoder(channels: channels).decode(file)
                #expect(read.width == width && read.height == height && read.warnings.count == 0)
                guard quality == 100 else { continue }
                let most = zip(read.pixels, pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
                // Quality 100 rounds coefficients to whole numbers: a few levels a pixel.
                #expect(most <= 8, "\(width)x\(height)")
            }
        }
    }

    @Test("pixels that do not fit the sizes are an error")
    func sizes() {
        for (width, height, count) in [(2, 2, 11), (0, 2, 0), (-1, -1, 3), (65_501, 1, 196_503)] {
            #expect(throws: DatasetError.self) {
                try PictureEncoder.jpeg(
                    [UInt8](repeating: 0, count: count), width: width, height: height)
            }
        }
        #expect(throws: DatasetError.self) { try PictureEncoder.png([1, 2], width: 1, height: 1) }
    }
}
