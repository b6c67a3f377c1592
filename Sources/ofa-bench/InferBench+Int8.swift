// ofa-bench infer --int8: times networks in eight bits beside the compiled network in floats and, on request, beside
// ONNX Runtime on the exported file of the same integers.
import Foundation
import Interchange
import Networks
import Tensors

extension InferBench {
    /// The result of one network in eight bits.
    struct EightBits: Encodable {
        /// Our pass, the compiled network in floats, and the peer on the exported file, nil if no peer ran; in turns.
        let ours, floats: Side, peer: Side?
        /// Milliseconds to compile the quantised network.
        let compileMs: Double
        /// Bytes of the exported weights, of the packed weights, and of the maps.
        let exportedBytes, weightBytes, mapBytes: Int
        /// The largest difference of the logits from those of floats and of the peer, divided by the largest logit.
        let errorToFloats: Double, errorToPeer: Double?
        /// The profile of a pass; nil if not requested.
        let profile: PassProfile?
    }

    /// Quantises `shape` on the images that it is timed with, and times it.
    func eightBits(
        _ supernet: Network, _ shape: NetworkShape, _ floats: CompiledNetwork,
        _ images: FeatureMap, _ engine: CPUEngine
    ) throws -> EightBits {
        let own = supernet.extract(shape, statistics: supernet.weights.statistics)
        let graph = try OperatorGraph(shape, own), clock = ContinuousClock()
        let histograms = ActivationHistograms(graph, batches: [images], engine: engine)
        let quantised = try QuantisedGraph(graph, ranges: histograms.ranges(.percentile(0.9999)))
        var made: CompiledQuantisedNetwork?
        let compileMs =
            clock.measure {
                made = CompiledQuantisedNetwork(quantised, images: batch, engine: engine)
            } / .milliseconds(1)
        guard let network = made else { throw BenchError("no network was compiled") }
        let peer =
            onnxruntime
            ? try runtime(ONNXModel(quantised, name: "network").encoded, images) : nil
        defer {
            do { try peer?.stop() } catch { Output.note("the peer did not end: \(error)") }
        }
        let expected = floats.forward(images).values.map(Double.init)
        let logits = network.forward(images).values.map(Double.init)
        var ours: [Double] = [], compiled: [Double] = [], theirs: [Double] = []
        for _ in 0..<rounds {
            _ = network.forward(images)
            ours += (0..<runs).map { _ in
                clock.measure { _ = network.forward(images) } / .milliseconds(1)
            }
            _ = floats.forward(images)
            compiled += (0..<runs).map { _ in
                clock.measure { _ = floats.forward(images) } / .milliseconds(1)
            }
            theirs += try peer?.milliseconds(runs: runs + 1).dropFirst() ?? []
        }
        let found = try peer?.logits()
        return EightBits(
            ours: Side("int8", ours), floats: Side("compiled", compiled),
            peer: peer.map { Side("\($0.name) int8", theirs) }, compileMs: compileMs,
            exportedBytes: quantised.weightBytes, weightBytes: network.pass.weightBytes,
            mapBytes: network.pass.mapBytes, errorToFloats: Self.error(logits, expected),
            errorToPeer: found.map { Self.error(logits, $0) },
            profile: profile
                ? measured(engine) { _ = network.forward(images) } : nil)
    }

    /// Prints the results in eight bits.
    func printEightBits(_ lines: [Line]) throws {
        var table = Table(
            text: ["network", "side"],
            numbers: ["min ms", "tenth ms", "median ms", "of int8: min", "tenth", "median"])
        for line in lines {
            guard let eight = line.int8 else { continue }
            for side in [eight.ours, eight.floats] + (eight.peer.map { [$0] } ?? []) {
                table.rows.append([
                    line.name, side.name, decimal(side.minMs, 2), decimal(side.tenthMs, 2),
                    decimal(side.medianMs, 2), decimal(side.minMs / eight.ours.minMs, 2),
                    decimal(side.tenthMs / eight.ours.tenthMs, 2),
                    decimal(side.medianMs / eight.ours.medianMs, 2),
                ])
            }
        }
        guard !table.rows.isEmpty else { return }
        try Output.line("\nIn eight bits:")
        try table.print()
        for line in lines {
            guard let eight = line.int8 else { continue }
            let peer =
                eight.errorToPeer.map { ", to the peer \(String(format: "%.1e", $0))" } ?? ""
            try Output.line(
                "\(line.name): compiled in \(decimal(eight.compileMs, 1)) ms, weights in the file"
                    + " \(megabytes(eight.exportedBytes)), packed \(megabytes(eight.weightBytes)),"
                    + " maps \(megabytes(eight.mapBytes)); largest difference to floats"
                    + " \(String(format: "%.1e", eight.errorToFloats))\(peer)")
            guard let profile = eight.profile else { continue }
            try Output.line("\(line.name), where the fastest int8 pass spends its time:")
            try profile.print(lines: self.lines)
        }
    }
}
