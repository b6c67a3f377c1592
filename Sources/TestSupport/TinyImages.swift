// TinyImages: synthetic grey images with learnable classes, as bytes and as gzip IDX files.
import Foundation
import Tensors

/// Images with a bright band and noise; the position and direction of the band depend on the class.
public struct TinyImages: Sendable {
    /// The bytes, (count, size, size).
    public let images: [UInt8]
    /// The class of every image.
    public let labels: [UInt8]
    /// The number of images; the height and width of each image.
    public let count, size: Int

    /// Draws `count` images of `size` x `size` pixels; image i is of class i mod `classes`.
    public init(count: Int, size: Int, classes: Int, seed: UInt64) {
        self.count = count
        self.size = size
        var stream = RandomStream(seed: seed)
        var images: [UInt8] = []
        labels = (0..<count).map { UInt8($0 % classes) }
        for label in labels {
            let band = (Int(label) * size) / classes
            for y in 0..<size {
                for x in 0..<size {
                    let place = label % 2 == 0 ? y : x
                    let isBright = place >= band && place < band + max(size / 5, 1)
                    images.append(UInt8((isBright ? 160 : 40) + 60 * stream.uniform()))
                }
            }
        }
        self.images = images
    }

    /// Returns the bytes of an IDX file of `values` with these dimensions.
    public static func idx(_ dimensions: [Int], _ values: [UInt8]) -> [UInt8] {
        [0, 0, 8, UInt8(dimensions.count)]
            + dimensions.flatMap { extent in
                (0..<4).reversed().map { UInt8(truncatingIfNeeded: extent >> (8 * $0)) }
            }
            + values
    }

    /// Writes images and labels as gzip IDX files called `imagesName` and `labelsName` into
    /// `folder`.
    public func write(to folder: String, images imagesName: String, labels labelsName: String)
        throws
    {
        try Self.gzip(Self.idx([count, size, size], images), to: "\(folder)/\(imagesName)")
        try Self.gzip(Self.idx([count], labels), to: "\(folder)/\(labelsName)")
    }

    /// Writes `bytes`, compressed by the system's gzip, to `path`, which ends in `.gz`.
    private static func gzip(_ bytes: [UInt8], to path: String) throws {
        let plain = String(path.dropLast(3))
        try Data(bytes).write(to: URL(fileURLWithPath: plain))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-n", "-f", plain]
        try process.run()
        process.waitUntilExit()
    }
}
