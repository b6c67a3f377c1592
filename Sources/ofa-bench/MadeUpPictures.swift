// The drawn pictures of `ofa-bench data`, as a data set that stores either JPEG files or pixels.
import Datasets
import Foundation

/// Draws pictures of 400 x 300 pixels; equal counts give equal pictures.
struct MadeUpPictures {
    /// The number of pictures.
    let count: Int

    private static let width = 400, height = 300

    /// Returns the pictures as a set of one or more shards, in files whose paths begin with `path`. With store
    /// `pixels`, each picture is stored at the size to which evaluation resizes it: its shorter side is `resolution` /
    /// 0.875.
    func set(_ store: PictureShard.Store, resolution: Int, path: String) throws -> PictureSet {
        var writer = PictureShardWriter(store: store, channels: 3)
        var shards: [PictureShard] = [], sums = PixelSums(channels: 3)
        let decoder = PictureDecoder()
        let side = Int((Double(resolution) / 0.875).rounded(.up))
        func finish() throws {
            guard writer.count > 0 else { return }
            let file = "\(path)-\(shards.count).shard"
            try Data(writer.finish()).write(to: URL(filePath: file))
            shards.append(try PictureShard(file))
        }
        // At most 64 pictures are drawn and then repeated: every copy is decoded anew, so repetition saves no time.
        var drawer = PictureDrawer(seed: 21, size: (Self.width, Self.height))
        let made = try (0..<min(count, 64)).map { number in
            let picture = drawer.picture(.train, class: number % DrawnClass.count, number: number)
            sums.add(picture.pixels)
            guard store == .pixels else {
                return (bytes: try picture.jpeg(), width: Self.width, height: Self.height)
            }
            let small = try decoder.view(
                pixels: picture.pixels, width: Self.width, height: Self.height, channels: 3
            ) { .shrunk(width: $0, height: $1, shorterSide: side) }
            return (bytes: small.pixels, width: small.width, height: small.height)
        }
        for number in 0..<count {
            let picture = made[number % made.count]
            func add() throws -> Bool {
                try writer.add(
                    picture.bytes, height: picture.height, width: picture.width,
                    label: number % 100)
            }
            if try !add() {
                try finish()
                _ = try add()
            }
        }
        try finish()
        let size = shards[0].size(0)
        return try PictureSet(
            PictureSetManifest(
                dataset: "made up", form: .imageFolder, store: store,
                size: store == .pixels ? side : nil, channels: 3, resize: .published,
                classes: (0..<100).map { ByteName("\($0)") },
                shards: shards.map {
                    PictureSetManifest.Shard(
                        digest: "made-up", count: $0.count, byteCount: $0.byteCount)
                },
                classCounts: (0..<100).map { (count + 99 - $0) / 100 },
                heights: size.height...size.height, widths: size.width...size.width, sums: sums),
            shards: shards)
    }
}
