// Flash as the cost model says it, against the bytes of weights that are really exported.
import Devices
import Interchange
import Networks
import Tensors
import Testing

@testable import Pipelines

@Suite struct ExportedFlashTests {
    @Test(
        "flash is the bytes of the exported weights with their batch norms folded",
        arguments: [SearchSpace.fashion.name, "ofa-mbv3-w1.0"])
    func exported(name: String) throws {
        let space = try SearchSpace.named(name)
        let weights = try Weights(supernetOf: space, seed: 3)
        let network = try Network(supernet: weights, of: space, engine: try CPUEngine(threads: 1))
        for config in [space.largest, space.smallest] {
            let shape = try NetworkShape(space, config)
            let bytes = try network.extract(shape, statistics: weights.statistics)
                .safetensors(metadata: [:])
            let file = try Safetensors.decode(bytes: bytes)
            let cost = NetworkCost(shape)
            let folded = Self.folded(file.tensors.mapValues(\.values))
            let phone = DeviceTarget(name: "d", kind: .phone, limits: .init())
            let metrics = phone.metrics(cost, latencyMs: nil)
            #expect(metrics.flashBytes == 4 * folded.values.reduce(0) { $0 + $1.count })
            let small = DeviceTarget(name: "d", kind: .microcontroller, limits: .init())
            // In eight bits, a weight has one byte, and each output four of its bias and four of its weights' scale.
            let eight = folded.keys.filter { $0.hasSuffix(".weight") }.reduce(0) { sum, name in
                sum + (folded[name]?.count ?? 0) + 8 * (file.tensors[name]?.shape[0] ?? 0)
            }
            #expect(small.metrics(cost, latencyMs: nil).flashBytes == eight)
            // The file itself keeps four numbers a norm channel, where one bias is left, and says what its tensors are.
            let channels = file.tensors.filter { $0.key.hasSuffix("running_mean") }
                .values.reduce(0) { $0 + $1.values.count }
            let header = bytes.prefix(8).enumerated().reduce(0) {
                $0 + Int($1.element) << (8 * $1.offset)
            }
            #expect(bytes.count == metrics.flashBytes + 4 * 3 * channels + 8 + header)
        }
    }

    /// Weights and biases after every batch norm went into the convolution before it.
    private static func folded(_ tensors: [String: [Float]]) -> [String: [Float]] {
        var result = tensors
        for (name, mean) in tensors where name.hasSuffix(".running_mean") {
            let norm = String(name.dropLast(".running_mean".count))
            let variance = tensors[norm + ".running_var"] ?? []
            let gamma = tensors[norm + ".weight"] ?? [], beta = tensors[norm + ".bias"] ?? []
            let scale = zip(gamma, variance).map { $0 / ($1 + 1e-5).squareRoot() }
            for part in ["running_mean", "running_var", "weight", "bias"] {
                result["\(norm).\(part)"] = nil
            }
            // The convolution stands beside its norm, under conv.weight.
            let weight = norm.replacing(/\.bn$/, with: ".conv.weight")
            if let values = tensors[weight], !scale.isEmpty {
                let row = values.count / scale.count
                result[weight] = values.enumerated().map { $1 * scale[$0 / row] }
            }
            result[weight.replacing(/weight$/, with: "bias")] = zip(beta, zip(mean, scale)).map {
                $0 - $1.0 * $1.1
            }
        }
        return result
    }
}
