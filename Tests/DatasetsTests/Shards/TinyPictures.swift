// Small pictures in colour of many sizes, and sets of them in shards, as an import makes them.
import Foundation
import Tensors

@testable import Datasets

/// Pictures with a label each.
struct TinyPictures {
    struct Picture: Equatable {
        var height, width, label: Int
        /// (height, width, channels).
        var pixels: [UInt8]
    }

    let channels: Int
    var pictures: [Picture]

    /// Smooth pictures of sides from 5 to 60, or all of `size` x `size`, five classes in turn.
    init(count: Int, channels: Int = 3, size: Int? = nil, seed: UInt64 = 4) {
        self.channels = channels
        var stream = RandomStream(seed: seed)
        pictures = (0..<count).map { number in
            let height = size ?? 5 + stream.below(56), width = size ?? 5 + stream.below(56)
            let (x, y) = (stream.below(9) + 1, stream.below(9) + 1)
            var pixels: [UInt8] = []
            for row in 0..<height {
                for column in 0..<width {
                    for channel in 0..<channels {
                        let value = (row * y + column * x) * (channel + 1) + stream.below(24)
                        pixels.append(UInt8(truncatingIfNeeded: value))
                    }
                }
            }
            return Picture(height: height, width: width, label: number % 5, pixels: pixels)
        }
    }

    /// The stored bytes of a picture: files are PNG and JPEG in turn, or PNG only.
    func stored(_ number: Int, _ store: PictureShard.Store, png: Bool = false) throws -> [UInt8] {
        let picture = pictures[number]
        guard store == .files else { return picture.pixels }
        return try png || number % 2 == 0
            ? PictureEncoder.png(
                picture.pixels, width: picture.width, height: picture.height, channels: channels)
            : PictureEncoder.jpeg(
                picture.pixels, width: picture.width, height: picture.height, channels: channels)
    }

    /// The bytes of shards of at most `mostBytes`.
    func shards(
        _ store: PictureShard.Store, mostBytes: Int = 64 << 20, png: Bool = false
    ) throws -> [[UInt8]] {
        var writer = PictureShardWriter(store: store, channels: channels, mostBytes: mostBytes)
        var shards: [[UInt8]] = []
        for (number, picture) in pictures.enumerated() {
            let bytes = try stored(number, store, png: png)
            func add() throws -> Bool {
                try writer.add(
                    bytes, height: picture.height, width: picture.width, label: picture.label)
            }
            if try !add() {
                shards.append(writer.finish())
                guard try add() else { preconditionFailure("an empty shard is full") }
            }
        }
        return shards + [writer.finish()]
    }

    /// The manifest of these shards.
    func manifest(
        _ shards: [PictureShard], _ store: PictureShard.Store,
        resize: PicturePreprocessor.Resizing = .published, classes: Int = 5
    ) -> PictureSetManifest {
        var sums = PixelSums(channels: channels)
        for picture in pictures { sums.add(picture.pixels) }
        let heights = pictures.map(\.height), widths = pictures.map(\.width)
        return PictureSetManifest(
            dataset: "tiny", form: .imageFolder, store: store, size: nil, channels: channels,
            resize: resize, classes: (0..<classes).map { ByteName("class \($0)") },
            shards: shards.enumerated().map {
                .init(digest: "digest-\($0)", count: $1.count, byteCount: $1.byteCount)
            },
            classCounts: (0..<classes).map { label in pictures.count { $0.label == label } },
            heights: heights.min()!...heights.max()!, widths: widths.min()!...widths.max()!,
            sums: sums)
    }

    /// The set, stored in `scratch`.
    func set(
        _ store: PictureShard.Store, in scratch: Scratch, mostBytes: Int = 64 << 20,
        resize: PicturePreprocessor.Resizing = .published, png: Bool = false,
        damage: (inout [[UInt8]]) -> Void = { _ in }
    ) throws -> PictureSet {
        var bytes = try shards(store, mostBytes: mostBytes, png: png)
        damage(&bytes)
        let shards = try bytes.map { bytes in
            try PictureShard(try scratch.file("\(UUID().uuidString).shard", bytes))
        }
        return try PictureSet(manifest(shards, store, resize: resize), shards: shards)
    }

    /// The same pictures of one size as a shard of images.
    func imageShard(in scratch: Scratch) throws -> ImageShard {
        let (height, width) = (pictures[0].height, pictures[0].width)
        return try ImageShard(
            try scratch.file(
                "\(UUID().uuidString).idx-shard",
                try ImageShard.encode(
                    images: pictures.flatMap(\.pixels), labels: pictures.map { UInt8($0.label) },
                    layout: .init(
                        count: pictures.count, height: height, width: width, channels: channels,
                        classes: 5))))
    }
}
