// Sets of pictures: shards one behind the other, their record, and what contradicts it.
import Foundation
import Tensors
import Testing

@testable import Datasets

@Suite struct PictureSetTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test("pictures are numbered over all shards, in the order of the manifest")
    func order() throws {
        let made = TinyPictures(count: 60)
        let set = try made.set(.pixels, in: scratch, mostBytes: 20_000)
        #expect(set.manifest.shards.count > 5)
        #expect(set.count == 60 && set.channels == 3 && set.classCount == 5 && set.isDecoded)
        #expect((0..<60).map(set.label) == made.pictures.map(\.label))
        #expect(set.fixedSize == nil)
        for (number, picture) in made.pictures.enumerated() {
            #expect(set.size(number) == (picture.height, picture.width))
            let pixels = try set.withPicture(number) { source -> [UInt8] in
                guard case .pixels(let bytes, _, _, _) = source else { return [] }
                return Array(bytes)
            }
            #expect(pixels == picture.pixels)
        }
    }

    @Test(
        "the normalisation is that of all pixels, whatever the order of pictures and partial sums")
    func sums() throws {
        let made = TinyPictures(count: 20, size: 9)
        let set = try made.set(.pixels, in: scratch)
        let shard = try made.imageShard(in: scratch)
        let expected = PixelNormalization(shard, images: Array(0..<20))
        #expect(set.normalization(of: [3]) == expected)
        var odd = PixelSums(channels: 3), even = odd
        for (number, picture) in made.pictures.enumerated().reversed() {
            if number % 2 == 0 { even.add(picture.pixels) } else { odd.add(picture.pixels) }
        }
        odd.add(even)
        #expect(odd.normalization == expected && odd.pixels == 20 * 81)
        #expect(PixelSums(channels: 1).normalization.deviation == [1e-3])
    }

    @Test("sums are those of plain additions, at any count and with the largest bytes")
    func plainSums() {
        var stream = RandomStream(seed: 8)
        for channels in 1...4 {
            for pixels in [0, 1, 15, 16, 17, 48, 1000, 4_000_000 / channels] {
                var bytes = [UInt8](repeating: 255, count: pixels * channels)
                if pixels < 2000 {
                    for place in bytes.indices { bytes[place] = UInt8(stream.below(256)) }
                }
                var found = PixelSums(channels: channels)
                found.add(bytes)
                let sums = (0..<channels).map { channel in
                    stride(from: channel, to: bytes.count, by: channels).reduce(
                        into: [Int64](
                            repeating: 0, count: 2)
                    ) {
                        $0[0] += Int64(bytes[$1])
                        $0[1] += Int64(bytes[$1]) * Int64(bytes[$1])
                    }
                }
                #expect(found.sums == sums.map { $0[0] } && found.squares == sums.map { $0[1] })
                #expect(found.pixels == pixels)
            }
        }
    }

    @Test("the record survives JSON, with class names of any bytes")
    func record() throws {
        let names = ["Katze", "e\u{301}", "é", "a\\b"].map { ByteName($0) }
        let classes = names + [ByteName([0xFF, 0x00, 0x41])]
        func manifest(_ classes: [ByteName], digest: String = "ab") -> PictureSetManifest {
            var sums = PixelSums(channels: 3)
            sums.add([1, 2, 3, 200, 100, 7])
            return PictureSetManifest(
                dataset: "d", form: .webDataset, store: .files, size: 96, channels: 3,
                resize: .none, classes: classes,
                shards: [.init(digest: digest, count: 2, byteCount: 100)],
                classCounts: [1, 1, 0, 0, 0], heights: 2...5, widths: 7...9, sums: sums,
                refused: ["truncated JPEG": 2], ignored: [:])
        }
        let whole = manifest(classes)
        let json = try JSONEncoder().encode(whole)
        #expect(try JSONDecoder().decode(PictureSetManifest.self, from: json) == whole)
        #expect(whole.fingerprint.hasPrefix("2x96x3-5-files-none-"))
        var others = classes
        others.swapAt(1, 2)
        #expect(manifest(others).fingerprint != whole.fingerprint)
        #expect(manifest(classes, digest: "ac").fingerprint != whole.fingerprint)
        #expect(manifest(classes).fingerprint == whole.fingerprint)
    }

    @Test("shards that contradict the record are refused, naming the data set")
    func contradictions() throws {
        let made = TinyPictures(count: 12)
        let shards = try made.shards(.pixels).map { try PictureShard(scratch.file("one", $0)) }
        let files = try made.shards(.files).map { try PictureShard(scratch.file("two", $0)) }
        let grey = try TinyPictures(count: 12, channels: 1).shards(.pixels).map {
            try PictureShard(scratch.file("grey", $0))
        }
        let fewer = try TinyPictures(count: 11).shards(.pixels).map {
            try PictureShard(scratch.file("fewer", $0))
        }
        let good = made.manifest(shards, .pixels)
        #expect(try PictureSet(good, shards: shards).count == 12)
        let narrow = made.manifest(shards, .pixels, classes: 4)
        let unequal = made.manifest(shards, .pixels, resize: .none)
        for (manifest, given) in [
            (good, []), (good, shards + shards), (good, files), (good, grey), (good, fewer),
            (narrow, shards), (unequal, shards),
        ] {
            let error = #expect(throws: DatasetError.self) {
                try PictureSet(manifest, shards: given)
            }
            #expect(error?.code == .wrongDimensions && error?.reason.contains("tiny") == true)
        }
    }
}
