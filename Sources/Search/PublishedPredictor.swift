// Predictors fitted elsewhere as named tensors: `0.weight`, `0.bias`, `2.weight` …, the state dict of a stack of dense
// layers. Which image sizes one was fitted on is not in its file: for the published one it is known.
import Foundation
import Networks

extension AccuracyPredictor {
    /// The authors' predictor for the w1.2 supernet: its features know 112…224, its data were of 160…224.
    private static let published = (
        fingerprint: 0x6D17_4C41_F4BA_6114 as UInt64, space: "ofa-mbv3-w1.2",
        resolutions: [160, 176, 192, 208, 224]
    )

    /// Makes a predictor of a state dict: the weights of every layer, (outputs, inputs), and its bias, by name.
    ///
    /// `resolutions` are those it was fitted on; without them, and for the published predictor, 160…224 by 16. The
    /// encoding is the published one: resolutions 112…224 by 16, or as many by 16 from 112 as its inputs say.
    /// Errors: `malformed` naming a layer, `outsideDomain` for the published predictor and another space.
    public init(
        stateDict tensors: [String: (shape: [Int], values: [Float])], space: SearchSpace,
        resolutions: [Int]? = nil, source: String
    ) throws {
        var layers: [(name: [Int], weights: [Float], bias: [Float], inputs: Int)] = []
        for (name, weight) in tensors where name.hasSuffix("weight") && weight.shape.count == 2 {
            let stem = name.dropLast("weight".count)
            guard let bias = tensors["\(stem)bias"], bias.shape == [weight.shape[0]] else {
                throw SearchError(.malformed, "\(source) has \(name), but no bias that fits it")
            }
            let numbers = stem.split(separator: ".").compactMap { Int($0) }
            layers.append((numbers, weight.values, bias.values, weight.shape[1]))
        }
        layers.sort { $0.name.lexicographicallyPrecedes($1.name) }
        guard let first = layers.first else {
            throw SearchError(
                .malformed, "\(source) holds no dense layers: is it an accuracy predictor?")
        }
        guard (layers.flatMap(\.weights) + layers.flatMap(\.bias)).allSatisfy(\.isFinite) else {
            throw SearchError(.malformed, "\(source) holds numbers that are not finite")
        }
        let isPublished = Self.fingerprint(first.weights) == Self.published.fingerprint
        if isPublished, (space.coupling?.parent ?? space.name) != Self.published.space {
            throw SearchError(
                .outsideDomain,
                "\(source) is the published predictor of space \(Self.published.space), not of \(space.name)"
            )
        }
        let genes =
            space.layerCount * (space.kernelSizes.count + space.expandRatios.count)
        let sizes = first.inputs - genes
        guard (1...64).contains(sizes) else {
            throw SearchError(
                .malformed,
                "\(source) takes \(first.inputs) inputs; space \(space.name) has \(genes) for kernels and ratios"
            )
        }
        let encoder = ArchitectureEncoder(
            space, resolutions: (0..<sizes).map { 112 + 16 * $0 })
        let fitted = resolutions ?? Self.published.resolutions
        let allowed = isPublished ? Self.published.resolutions : encoder.resolutions
        for size in fitted where !allowed.contains(size) {
            throw SearchError(
                .outsideDomain,
                "\(source) was not fitted on resolution \(size), only on "
                    + allowed.map(String.init).joined(separator: ", "))
        }
        try self.init(
            layers: layers.map { ($0.weights, $0.bias) }, encoder: encoder, space: space,
            fittedResolutions: fitted)
    }

    /// A number that tells weights apart (FNV-1a over their bits).
    static func fingerprint(_ values: [Float]) -> UInt64 {
        values.reduce(0xCBF2_9CE4_8422_2325) { hash, value in
            (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
        }
    }
}
