// Views: the published evaluation transform and crops, bit by bit, and the plans behind them.
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite(.enabled(if: ImageIndex.shared != nil, ImageIndex.hint))
struct PictureViewTests {
    private let preprocessing = ImageIndex.shared?.preprocessing

    @Test("the evaluation transform gives the published bytes", arguments: [true, false])
    func evaluation(isChecked: Bool) throws {
        let fixture = try #require(preprocessing)
        #expect(fixture.pictures.count == 10)
        for picture in fixture.pictures {
            let bytes = try ImageIndex.bytes(picture.path)
            let whole = try PictureDecoder().decode(bytes)
            #expect(whole.width == picture.width && whole.height == picture.height)
            #expect(sha256(whole.pixels) == picture.sha256)
            for expected in picture.evaluation {
                let view = PictureView.evaluation(
                    width: whole.width, height: whole.height, size: expected.r)
                #expect([view.resizedWidth, view.resizedHeight] == expected.resized)
                #expect([view.left, view.top] == expected.crop_left_top)
                let found = try PictureDecoder().view(encoded: bytes, isChecked: isChecked) {
                    .evaluation(width: $0, height: $1, size: expected.r)
                }
                #expect(
                    found.pixels == ExpectedTensors.bytes(expected.tensor), "\(expected.tensor)")
                #expect(sha256(found.pixels) == expected.sha256)
                let stored = try PictureDecoder().view(
                    pixels: whole.pixels, width: whole.width, height: whole.height, channels: 3
                ) { .evaluation(width: $0, height: $1, size: expected.r) }
                #expect(stored.pixels == found.pixels, "\(expected.tensor) from pixels")
            }
        }
    }

    @Test("a box is resampled as a picture of its own", arguments: [true, false])
    func crops(isChecked: Bool) throws {
        let fixture = try #require(preprocessing)
        #expect(fixture.crops.count == 11)
        for crop in fixture.crops {
            let bytes = try ImageIndex.bytes(crop.path), box = crop.box_x_y_w_h
            var view = PictureView.box(
                x: box[0], y: box[1], width: box[2], height: box[3], size: crop.r)
            let found = try PictureDecoder().view(encoded: bytes, isChecked: isChecked) { _, _ in
                view
            }
            #expect(found.pixels == ExpectedTensors.bytes(crop.tensor), "\(crop.tensor)")
            #expect(sha256(found.pixels) == crop.sha256)
            view.isMirrored = true
            let mirrored = try PictureDecoder().view(encoded: bytes, isChecked: isChecked) { _, _ in
                view
            }
            #expect(mirrored.pixels == Self.mirrored(found), "\(crop.tensor) mirrored")
        }
    }

    private static func mirrored(_ picture: DecodedPicture) -> [UInt8] {
        (0..<picture.height).flatMap { y in
            (0..<picture.width).reversed().flatMap { x in
                let start = (y * picture.width + x) * picture.channels
                return picture.pixels[start..<start + picture.channels]
            }
        }
    }

    @Test("normalised values are those of PyTorch within 1e-6")
    func normalised() throws {
        let fixture = try #require(preprocessing).normalised
        let normalization = PixelNormalization(
            mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
        let bytes = try ImageIndex.bytes(fixture.path), r = fixture.r
        var values = [Float](repeating: 0, count: r * r * 3)
        try bytes.withUnsafeBytes { bytes in
            try values.withUnsafeMutableBufferPointer { values in
                _ = try PictureDecoder().write(
                    .encoded(bytes), isChecked: true,
                    choose: { .evaluation(width: $0, height: $1, size: r) },
                    to: { _ in
                        .floats(
                            values, scale: normalization.factors, offset: normalization.offsets)
                    })
            }
        }
        let expected = ExpectedTensors.floats(fixture.tensor)
        let shape = ExpectedTensors.shape(fixture.tensor)
        #expect(shape == [3, 32, 32])
        var greatest: Float = 0
        for c in 0..<3 {
            for y in 0..<32 {
                for x in 0..<32 {
                    let found = values[((y + 40) * r + x + 40) * 3 + c]
                    greatest = max(greatest, abs(found - expected[(c * 32 + y) * 32 + x]))
                }
            }
        }
        #expect(greatest <= 1e-6)
    }

    @Test("brightness and saturation are Pillow's, in either order")
    func colours() throws {
        let fixture = try #require(preprocessing).colour
        let input = ExpectedTensors.bytes(fixture.input)
        let shape = ExpectedTensors.shape(fixture.input)
        #expect(fixture.cases.count == 6)
        for example in fixture.cases {
            var view = PictureView.whole(width: shape[1], height: shape[0])
            for (place, operation) in example.operations.enumerated() {
                if operation.name == "brightness" {
                    view.brightness = operation.factor
                } else {
                    view.saturation = operation.factor
                    view.isSaturationFirst = place == 0
                }
            }
            let found = try PictureDecoder().view(
                pixels: input, width: shape[1], height: shape[0], channels: 3
            ) { _, _ in view }
            #expect(found.pixels == ExpectedTensors.bytes(example.tensor), "\(example.tensor)")
        }
    }

    @Test("a stored picture's shorter side shrinks, and is never enlarged")
    func shrunk() {
        let large = PictureView.shrunk(width: 500, height: 375, shorterSide: 96)
        #expect(large.outputWidth == 128 && large.outputHeight == 96)
        let tall = PictureView.shrunk(width: 333, height: 500, shorterSide: 147)
        #expect(tall.outputWidth == 147 && tall.outputHeight == 220)
        for (width, height) in [(96, 400), (1, 4000), (64, 64)] {
            #expect(
                PictureView.shrunk(width: width, height: height, shorterSide: 96)
                    == .whole(width: width, height: height))
        }
    }

    @Test("a thin picture of a million pixels needs the memory of a few rows")
    func thin() throws {
        let pixels = [UInt8](repeating: 7, count: 1_000_000)
        for (width, height) in [(1, 1_000_000), (1_000_000, 1)] {
            let view = try PictureDecoder(channels: 1).view(
                pixels: pixels, width: width, height: height, channels: 1
            ) { .evaluation(width: $0, height: $1, size: 224) }
            #expect(view.pixels == [UInt8](repeating: 7, count: 224 * 224))
        }
    }
}
