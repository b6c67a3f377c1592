// A picture that belongs to no data set gets the same numbers as one of a data set.
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite struct SinglePictureTests {
    private let scratch: Scratch
    private static let normalization = PixelNormalization(
        mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.25])

    init() throws { scratch = try Scratch() }

    private func batch(_ source: any ImageSource, _ size: Int) throws -> [[Float]] {
        let loader = BatchLoader(source, normalization: Self.normalization)
        let engine = try CPUEngine(threads: 1)
        return try (0..<source.count).map {
            try loader.batch([$0], size: size, engine: engine).images.tensor.values
        }
    }

    @Test("a file is prepared as in a set of pictures of any size, bit for bit")
    func published() throws {
        let pictures = TinyPictures(count: 12)
        let set = try pictures.set(.files, in: scratch)
        let single = SinglePicture(normalization: Self.normalization)
        for size in [16, 33] {
            let expected = try batch(set, size)
            for number in 0..<12 {
                let got = try single.input(try pictures.stored(number, .files), size: size)
                #expect(got.tensor.values == expected[number], "picture \(number), \(size)")
            }
        }
    }

    @Test("a file is prepared as in a set of images of one size, bit for bit")
    func fixed() throws {
        let pictures = TinyPictures(count: 6, size: 28)
        let shard = try pictures.imageShard(in: scratch)
        let single = SinglePicture(
            normalization: Self.normalization, fixedSize: (height: 28, width: 28))
        for size in [20, 28] {
            let expected = try batch(shard, size)
            for number in 0..<6 {
                let png = try pictures.stored(number, .files, png: true)
                let got = try single.input(png, size: size)
                #expect(got.tensor.values == expected[number], "picture \(number), \(size)")
            }
        }
    }

    @Test("of a picture of another size the largest central part is taken")
    func central() throws {
        for (width, height, x, y, cut) in [
            (60, 40, 10, 0, 40), (40, 61, 0, 10, 40), (5, 5, 0, 0, 5),
        ] {
            let view = PictureView.central(width: width, height: height, size: (28, 28))
            #expect(view.x == x && view.y == y && view.width == cut && view.height == cut)
            #expect(view.outputWidth == 28 && view.outputHeight == 28)
            #expect(view.fits(width: width, height: height))
        }
        let wide = PictureView.central(width: 100, height: 10, size: (height: 20, width: 40))
        #expect(wide.width == 20 && wide.height == 10 && wide.x == 40)
        #expect(PictureView.central(width: 1, height: 1, size: (3, 1000)).fits(width: 1, height: 1))
    }

    @Test("bytes that are no picture are refused")
    func refused() throws {
        for size in [nil, (height: 28, width: 28)] {
            let single = SinglePicture(normalization: Self.normalization, fixedSize: size)
            for bytes in [[], Array("GIF89a, no picture".utf8), [0xFF, 0xD8, 0xFF, 0xE0]]
                as [[UInt8]]
            {
                #expect(throws: DatasetError.self) { try single.input(bytes, size: 20) }
            }
        }
    }
}
