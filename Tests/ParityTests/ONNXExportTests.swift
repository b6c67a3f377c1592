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
                try Self.write(logits, to: folder.appending(path: "\(name)-\(images).f32"))
            }
        }
    }

    @Test(
        "three random subnets of each family are written in eight bits with their logits",
        .enabled(
            if: folder != nil && !SharedFolders.fixtures.isEmpty,
            "needs the images of ops/check-onnx.sh in OFA_ONNX_FOLDER, and fixtures"),
        arguments: ParityFixture.all)
    func quantised(fixture: ParityFixture) throws {
        let folder = URL(filePath: try #require(Self.folder))
        let supernet = try fixture.network(), engine = try CPUEngine(threads: 2)
        var stream = RandomStream(seed: 21)
        for number in 0..<3 {
            let config = fixture.space.sample(using: &stream), size = config.resolution
            let shape = try NetworkShape(fixture.space, config)
            let weights = supernet.extract(shape, statistics: supernet.weights.statistics)
            let graph = try OperatorGraph(shape, weights)
            func images(_ name: String) throws -> [FeatureMap] {
                Self.batches(
                    [UInt8](try Data(contentsOf: folder.appending(path: "\(name)-\(size).u8"))),
                    size)
            }
            // Ranges come from the drawn pictures, logits from Fashion-MNIST.
            let histograms = ActivationHistograms(
                graph, batches: try images("pictures"), engine: engine)
            let made = try QuantisedGraph(graph, ranges: histograms.ranges(.leastSquares))
            let name = "\(fixture.name)-\(number)-int8"
            let model = ONNXModel(made, name: name, metadata: ["resolution": "\(size)"])
            try Data(model.encoded).write(to: folder.appending(path: "\(name).onnx"))
            var compiled: CompiledQuantisedNetwork?
            var logits: [Float] = []
            for batch in try images("fashion") {
                if compiled?.pass.images != batch.images {
                    compiled = CompiledQuantisedNetwork(made, images: batch.images, engine: engine)
                }
                logits += try #require(compiled).forward(batch).values
            }
            try Self.write(logits, to: folder.appending(path: "\(name)-fashion.f32"))
        }
    }

    /// Writes little-endian floats.
    private static func write(_ values: [Float], to url: URL) throws {
        try Data(
            values.flatMap { value in
                (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
            }
        ).write(to: url)
    }

    /// Normalises images of bytes (N, size, size, 3), in batches.
    private static func batches(_ bytes: [UInt8], _ size: Int) -> [FeatureMap] {
        let perImage = size * size * 3, batch = 50
        return stride(from: 0, to: bytes.count / perImage, by: batch).map { start in
            let count = min(batch, bytes.count / perImage - start)
            let values = (0..<count * perImage).map { place in
                let channel = place % 3
                return (Float(bytes[start * perImage + place]) / 255 - pixels.mean[channel])
                    / pixels.deviation[channel]
            }
            return FeatureMap(
                Tensor(values), images: count, height: size, width: size, channels: 3)
        }
    }

    /// The logits of images of bytes (N, size, size, 3).
    private static func logits(_ network: Network, _ shape: NetworkShape, _ bytes: [UInt8])
        -> [Float]
    {
        batches(bytes, shape.resolution).flatMap {
            network.forward($0, shape, mode: .running).values
        }
    }
}
