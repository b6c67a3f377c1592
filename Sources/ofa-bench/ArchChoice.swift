// The networks of a benchmark: a named network, random networks, or a network given as JSON.
import Foundation
import Networks
import Tensors

/// One network to time.
struct ArchChoice {
    /// The network's name, such as `max`, `random 3` or `given`.
    let name: String
    /// The network's genes and resolution.
    let config: SubnetConfig

    /// Parses the value of --arch: max, mid, min, random (`count` networks, drawn with `seed`), several of these
    /// separated by commas, or JSON with the keys ks, e, d and optionally r (the resolution). If both r and `resolution` are given, they must be equal; without
    /// either, the resolution is 128. Throws for invalid text and for genes outside `space`.
    static func read(
        _ text: String, space: SearchSpace, resolution: Int?, count: Int, seed: UInt64
    ) throws -> [ArchChoice] {
        let size = resolution ?? 128
        if !text.hasPrefix("{"), text.contains(",") {
            return try text.split(separator: ",", omittingEmptySubsequences: false).flatMap {
                try read(
                    String($0), space: space, resolution: resolution, count: count, seed: seed)
            }
        }
        switch text {
        case "max", "mid", "min":
            let config = uniform(text, space, size)
            return [try ArchChoice(name: text, config: config).checked(in: space)]
        case "random":
            return try (0..<count).map { number in
                var stream = RandomStream(seed: seed, number)
                var config = space.sample(using: &stream)
                config.resolution = size
                return try ArchChoice(name: "random \(number)", config: config).checked(in: space)
            }
        default:
            let config = try given(text, resolution: resolution)
            return [try ArchChoice(name: "given", config: config).checked(in: space)]
        }
    }

    /// Returns the network with every gene at its largest, middle or smallest choice.
    private static func uniform(_ name: String, _ space: SearchSpace, _ size: Int) -> SubnetConfig {
        func gene<Value>(_ values: [Value]) -> Value {
            switch name {
            case "max": values[values.count - 1]
            case "mid": values[values.count / 2]
            default: values[0]
            }
        }
        return SubnetConfig(
            kernelSizes: space.stages.flatMap { stage in
                stage.kernelSizes.isEmpty
                    ? [] : stage.places.map { _ in gene(stage.kernelSizes) }
            },
            expandRatios: space.stages.flatMap { stage in
                stage.places.map { _ in gene(stage.expandRatios) }
            },
            depths: space.stages.map { gene($0.depths) },
            widths: space.widthGenes.map { gene(Array($0.indices)) }, resolution: size)
    }

    private static func given(_ text: String, resolution: Int?) throws -> SubnetConfig {
        guard text.hasPrefix("{") else {
            throw BenchError(
                "--arch is '\(text)'; it is max, mid, min, random, or JSON such as"
                    + #" {"ks":[…],"e":[…],"d":[…],"r":128}"#)
        }
        do {
            guard
                var genes = try JSONSerialization.jsonObject(with: Data(text.utf8))
                    as? [String: Any]
            else { throw BenchError("--arch is not a JSON object") }
            let own = genes["r"] != nil
            if !own { genes["r"] = resolution ?? 128 }
            let config = try JSONDecoder().decode(
                SubnetConfig.self, from: try JSONSerialization.data(withJSONObject: genes))
            if let resolution, own, config.resolution != resolution {
                throw BenchError(
                    "--arch has r \(config.resolution), --resolution is \(resolution): leave one out"
                )
            }
            return config
        } catch let error as BenchError {
            throw error
        } catch {
            throw BenchError("--arch cannot be read: \(error)")
        }
    }

    private func checked(in space: SearchSpace) throws -> ArchChoice {
        try space.validateGenes(config)
        return self
    }

    /// The genes as JSON, in the format that the peer's script reads.
    var genes: String {
        func list<Value>(_ values: [Value]) -> String {
            "[" + values.map { "\($0)" }.joined(separator: ",") + "]"
        }
        let ratios = list(config.expandRatios.map(SearchSpace.text))
        let widths = config.widths.isEmpty ? "" : #","w":\#(list(config.widths))"#
        return #"{"ks":\#(list(config.kernelSizes)),"e":\#(ratios),"#
            + #""d":\#(list(config.depths))\#(widths)}"#
    }
}
