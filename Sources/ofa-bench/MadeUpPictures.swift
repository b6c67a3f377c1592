// Generated pictures in colour for `data`: smooth shapes with a little noise, which JPEG compresses
// about as much as photographs.
import Datasets
import Foundation
import Tensors

/// Pictures of 400 x 300 pixels, the same for the same count.
struct MadeUpPictures {
    /// The number of pictures.
    let count: Int

    private static let width = 400, height = 300
    /// The JPEG quality; files have about 15 to 20 kB.
    private static let quality = 70

    /// Returns the pictures as a set of one or more shards, in files whose paths begin with `path`. Stored as pixels, a
    /// picture's shorter side is `resolution` / 0.875, as evaluation resizes it.
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
        // A few different pictures are enough, because every copy is decoded anew.
        let made = try (0..<min(count, 64)).map { number in
            let bytes = pixels(number)
            sums.add(bytes)
            guard store == .pixels else {
                let file = try PictureEncoder.jpeg(
                    bytes, width: Self.width, height: Self.height, quality: Self.quality)
                return (bytes: file, width: Self.width, height: Self.height)
            }
            let small = try decoder.view(
                pixels: bytes, width: Self.width, height: Self.height, channels: 3
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

    /// Returns the pixels of a picture: waves of several lengths and directions, and noise of a few levels.
    private func pixels(_ number: Int) -> [UInt8] {
        var stream = RandomStream(seed: 21, number)
        let waves = (0..<12).map { wave -> (x: Float, y: Float, phase: Float, channel: Int) in
            let turns = 1 + 12 * stream.uniform() * stream.uniform()
            let angle = 2 * Float.pi * stream.uniform()
            return (
                turns * cos(angle) / 64, turns * sin(angle) / 64, 6.3 * stream.uniform(), wave % 4
            )
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.width * Self.height * 3)
        for y in 0..<Self.height {
            for x in 0..<Self.width {
                var values = SIMD3<Float>(repeating: 128)
                for wave in waves {
                    let height = 18 * sin(wave.x * Float(x) + wave.y * Float(y) + wave.phase)
                    // Every fourth wave is grey.
                    if wave.channel == 3 {
                        values += height
                    } else {
                        values[wave.channel] += height
                    }
                }
                values += Float(stream.next() & 15) - 7.5
                for channel in 0..<3 { bytes.append(UInt8(max(0, min(255, values[channel])))) }
            }
        }
        return bytes
    }
}
