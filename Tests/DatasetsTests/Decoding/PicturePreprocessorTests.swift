// What the loader's threads get: floats at their place, the same from files and from pixels.
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite(.enabled(if: ImageIndex.shared != nil, ImageIndex.hint))
struct PicturePreprocessorTests {
    private static let normalization = PixelNormalization(
        mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    private static func floats(
        _ size: Int, _ channels: Int = 3,
        _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void
    ) rethrows -> [Float] {
        var values = [Float](repeating: .nan, count: size * size * channels)
        try values.withUnsafeMutableBufferPointer { try body($0) }
        return values
    }

    @Test("training views of a file and of its pixels have the same bits")
    func filesAndPixels() throws {
        let preprocessor = PicturePreprocessor(normalization: Self.normalization)
        for name in ["landscape.jpg", "portrait.jpg", "gray.jpg", "small.png", "line.png"] {
            let file = try ImageIndex.bytes("preprocess/\(name)")
            let whole = try PictureDecoder().decode(file)
            for draw in 0..<8 {
                func view(_ source: PictureDecoder.Source, _ isChecked: Bool) throws -> [Float] {
                    try Self.floats(96) {
                        var stream = RandomStream(seed: 19, draw)
                        try preprocessor.train(
                            source, size: 96, augmentation: .imageNet, stream: &stream,
                            isChecked: isChecked, to: $0)
                    }
                }
                let encoded = try file.withUnsafeBytes { try view(.encoded($0), false) }
                let checked = try file.withUnsafeBytes { try view(.encoded($0), true) }
                let stored = try whole.pixels.withUnsafeBytes {
                    try view(
                        .pixels($0, width: whole.width, height: whole.height, channels: 3), true)
                }
                #expect(encoded == stored && checked == stored, "\(name), draw \(draw)")
                #expect(encoded.allSatisfy { $0.isFinite })
            }
        }
    }

    @Test("evaluated bytes that are kept and normalised later give the same bits")
    func kept() throws {
        let preprocessor = PicturePreprocessor(normalization: Self.normalization)
        let file = try ImageIndex.bytes("preprocess/landscape.jpg")
        try file.withUnsafeBytes { file in
            let direct = try Self.floats(160) {
                try preprocessor.evaluate(.encoded(file), size: 160, to: $0)
            }
            var bytes = [UInt8](repeating: 0, count: 160 * 160 * 3)
            try bytes.withUnsafeMutableBufferPointer {
                try preprocessor.evaluate(.encoded(file), size: 160, to: $0)
            }
            #expect(bytes == ExpectedTensors.bytes("eval/landscape.jpg/160"))
            let later = try bytes.withUnsafeBytes { bytes in
                try Self.floats(160) { try preprocessor.normalise(bytes, size: 160, to: $0) }
            }
            #expect(direct == later)
        }
    }

    @Test("without resizing a picture keeps its pixels, and another size is an error")
    func unresized() throws {
        let grey = PixelNormalization(mean: [0.5], deviation: [0.25])
        let preprocessor = PicturePreprocessor(normalization: grey, resizing: .none)
        let pixels = (0..<28 * 28).map { UInt8(truncatingIfNeeded: $0) }
        try pixels.withUnsafeBytes { bytes in
            let source = PictureDecoder.Source.pixels(bytes, width: 28, height: 28, channels: 1)
            let whole = try Self.floats(28, 1) {
                try preprocessor.evaluate(source, size: 28, to: $0)
            }
            let expected = pixels.map { Float($0) * grey.factors[0] + grey.offsets[0] }
            #expect(whole == expected)
            var seen: Set<Bool> = []
            for draw in 0..<8 {
                let found = try Self.floats(28, 1) {
                    var stream = RandomStream(seed: 1, draw)
                    try preprocessor.train(
                        source, size: 28, augmentation: Augmentation(minArea: 0.08),
                        stream: &stream, to: $0)
                }
                let mirrored = (0..<28).flatMap { y in
                    (0..<28).map { expected[y * 28 + 27 - $0] }
                }
                #expect(found == expected || found == mirrored)
                seen.insert(found == expected)
            }
            #expect(seen.count == 2)
            let error = #expect(throws: DatasetError.self) {
                _ = try Self.floats(32, 1) {
                    try preprocessor.evaluate(source, size: 32, to: $0)
                }
            }
            #expect(error?.code == .wrongDimensions)
        }
    }

    @Test(
        "once warm, views take no memory, and files only what the library takes",
        .enabled(if: Allocations.areCountable, "allocations cannot be counted here"))
    func allocations() throws {
        let preprocessor = PicturePreprocessor(normalization: Self.normalization)
        let file = try ImageIndex.bytes("preprocess/landscape.jpg")
        let whole = try PictureDecoder().decode(file)
        var values = [Float](repeating: 0, count: 96 * 96 * 3)
        try file.withUnsafeBytes { file in
            try whole.pixels.withUnsafeBytes { pixels in
                try values.withUnsafeMutableBufferPointer { values in
                    let stored = PictureDecoder.Source.pixels(
                        pixels, width: whole.width, height: whole.height, channels: 3)
                    func taken(_ source: PictureDecoder.Source) throws -> Int {
                        try Allocations.during(onEveryThread: { $0() }) {
                            var stream = RandomStream(seed: 1)
                            try preprocessor.train(
                                source, size: 96, augmentation: .imageNet, stream: &stream,
                                to: values)
                        }
                    }
                    _ = try taken(stored)
                    #expect(try taken(stored) == 0)
                    let first = try taken(.encoded(file)), second = try taken(.encoded(file))
                    // Pools and tables of libjpeg; its own limit of pieces is far above.
                    #expect(second <= first && second < 64, "\(first), \(second)")
                }
            }
        }
    }
}
