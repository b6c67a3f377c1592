// Writes ONNX models of random subnets of the fixtures' supernets, and their logits on given images, into the folder
// OFA_ONNX_FOLDER. ops/check-onnx.sh makes the images and compares other runtimes' logits with these.
import Foundation
import Interchange
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct ONNXExportTests {
    private static let folder = ProcessInfo.processInfo.environment["OFA_ONNX_FOLDER"]

    /// The mean and deviation of pixels with which the images are normalised.
    private static let pixels = ONNXModel.Pixels(
        mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    @Test(
        "ten random subnets of each family are written with their logits",
        .enabled(
            if: folder != nil && !SharedFolders.fixtures.isEmpty,
            "needs the images of ops/check-onnx.sh in OFA_ONNX_FOLDER, and fixtures"),
        arguments: ParityFixture.all)
    func export(fixture: ParityFixture) throws {
        let folder = URL(filePath: try #require(Self.folder))
        let supernet = try fixture.network()
        var stream = RandomStream(seed: 20)
        for number in 0..<10 {
            let config = fixture.space.sample(using: &stream)
            let shape = try NetworkShape(fixture.space, config)
            let weights = supernet.extract(shape, statistics: supernet.weights.statistics)
            let graph = try OperatorGraph(shape, weights)
            let name = "\(fixture.name)-\(number)", size = config.resolution
            for (suffix, pixels) in [("", nil), ("-pixels", Self.pixels)] {
                let model = ONNXModel(
                    graph, name: name, pixels: pixels, metadata: ["resolution": "\(size)"])
                try Data(model.encoded).write(to: folder.appending(path: "\(name)\(suffix).onnx"))
            }
            let (network, alone) = Network.alone(weights, shape, engine: supernet.engine)
            for images in ["fashion", "pictures"] {
                let bytes = [UInt8](
                    try Data(contentsOf: folder.appending(path: "\(images)-\(size).u8")))
                let logits = Self.logits(network, alone, bytes)
                #expect(logits.allSatisfy(\.isFinite) && !logits.isEmpty)
                try Data(
                    logits.flatMap { value in
                        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
                    }
                ).write(to: folder.appending(path: "\(name)-\(images).f32"))
            }
        }
    }

    /// The logits of images of bytes (N, size, size, 3).
    private static func logits(_ network: Network, _ shape: NetworkShape, _ bytes: [UInt8])
        -> [Float]
    {
        let perImage = shape.resolution * shape.resolution * 3, batch = 50
        var logits: [Float] = []
        for start in stride(from: 0, to: bytes.count / perImage, by: batch) {
            let count = min(batch, bytes.count / perImage - start)
            let values = (0..<count * perImage).map { place in
                let channel = place % 3
                return (Float(bytes[start * perImage + place]) / 255 - pixels.mean[channel])
                    / pixels.deviation[channel]
            }
            let map = FeatureMap(
                Tensor(values), images: count, height: shape.resolution, width: shape.resolution,
                channels: 3)
            logits += network.forward(map, shape, mode: .running).values
        }
        return logits
    }
}
