// Predictors fitted elsewhere: from named tensors (see PredictorStateDict) to one that searches ask. Which image
// sizes one was fitted on is not in its file: for the published one it is known, for others it has to be said.
import Foundation
import Intake
import Networks
import Tensors

extension AccuracyPredictor {
    /// The authors' predictor for the w1.2 supernet: its features know 112…224, its data were of 160…224.
    private static let published = (
        fingerprint: 0x6D17_4C41_F4BA_6114 as UInt64, space: "ofa-mbv3-w1.2",
        resolutions: [160, 176, 192, 208, 224],
        features: Array(stride(from: 112, through: 224, by: 16))
    )

    /// Makes a predictor of a state dict: the weights of every layer, (outputs, inputs), and its bias, by name.
    ///
    /// `resolutions` are those of its size inputs, in their order: as many as it has. Without them, eight inputs
    /// of the published form are 112…224 by 16, fitted on 160…224, and as many as the space has sizes are those.
    /// A file without size inputs answers at the one size given, or at every size the same.
    /// Errors: `malformed` naming a layer, `outsideDomain` for sizes and for the published predictor and another
    /// space.
    public init(
        stateDict tensors: [String: (shape: [Int], values: [Float])], space: SearchSpace,
        resolutions: [Int]? = nil, source: String
    ) throws {
        let file = try PredictorStateDict(tensors, source: source)
        let isPublished = Self.fingerprint(file.layers[0].weights) == Self.published.fingerprint
        if isPublished, (space.coupling?.parent ?? space.name) != Self.published.space {
            throw SearchError(
                .outsideDomain,
                "\(source) is the published predictor of space \(Self.published.space), not of \(space.name)"
            )
        }
        let genes = space.layerCount * (space.kernelSizes.count + space.expandRatios.count)
        let inputs = file.layers[0].inputs, count = inputs - genes
        guard (0...64).contains(count) else {
            throw SearchError(
                .malformed,
                "\(source) takes \(inputs) inputs; space \(space.name) has \(genes) for kernels and ratios"
            )
        }
        let sizes =
            try isPublished
            ? Self.publishedSizes(resolutions, source)
            : Self.sizes(resolutions, count: count, file.form, space, source)
        try self.init(
            layers: file.inPublishedOrder(sizes: count).map { ($0.weights, $0.bias) },
            encoder: ArchitectureEncoder(space, resolutions: sizes.features), space: space,
            fittedResolutions: sizes.fitted)
    }

    /// The sizes of the published predictor, which are known: `given` may only repeat those of its inputs.
    private static func publishedSizes(_ given: [Int]?, _ source: String) throws -> (
        features: [Int], fitted: [Int]
    ) {
        guard let given, given != published.features else {
            return (published.features, published.resolutions)
        }
        func listed(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: ", ") }
        throw SearchError(
            .outsideDomain,
            "\(source) has inputs for \(published.features.count) image sizes (\(listed(published.features))),"
                + " and \(given.count) were given (\(listed(given)))",
            remedy: "leave --resolutions out, the published"
                + " predictor was fitted on \(listed(published.resolutions))")
    }

    /// The sizes of `count` inputs, and those that may be predicted.
    private static func sizes(
        _ given: [Int]?, count: Int, _ form: PredictorStateDict.Form, _ space: SearchSpace,
        _ source: String
    ) throws -> (features: [Int], fitted: [Int]) {
        let many =
            "\(source) has inputs for \(count == 0 ? "no" : "\(count)") image size"
            + (count > 1 ? "s" : "")
        guard let given else {
            if count == 0 { return ([], space.resolutions) }
            if form == .published, count == published.features.count {
                return (published.features, published.resolutions)
            }
            if count == space.resolutions.count { return (space.resolutions, space.resolutions) }
            throw SearchError(
                .outsideDomain,
                "\(many) and does not say which",
                remedy: "ofa predictor import FILE --space \(space.name)"
                    + " --resolutions SIZE,… in the order of its inputs")
        }
        for (place, size) in given.enumerated() where given[..<place].contains(size) {
            throw SearchError(.invalidOption, "\(source): image size \(size) twice")
        }
        if count == 0, given.count == 1 { return ([], given) }
        guard given.count == count else {
            throw SearchError(
                .outsideDomain,
                "\(many), and \(given.count) were given"
                    + " (\(given.map(String.init).joined(separator: ", ")))",
                remedy: "give those it was fitted on,"
                    + " in the order of its inputs")
        }
        return (given, given)
    }

    /// A number that tells weights apart (FNV-1a over their bits).
    static func fingerprint(_ values: [Float]) -> UInt64 {
        values.reduce(0xCBF2_9CE4_8422_2325) { hash, value in
            (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
        }
    }
}

extension AccuracyPredictor {
    /// The least and the largest answer about a hundred random networks of `space` at the sizes it was fitted on.
    func range(_ space: SearchSpace) throws -> ClosedRange<Double> {
        var stream = RandomStream(seed: 23)
        let known = try trainedPart(of: space)
        let configs = (0..<100).map { number in
            var config = known.sample(using: &stream)
            config.resolution = fittedResolutions[number % fittedResolutions.count]
            return config
        }
        let answers = try predict(configs)
        guard let least = answers.min(), let most = answers.max(),
            answers.allSatisfy(\.isFinite)
        else { return -Double.infinity...Double.infinity }
        return least...most
    }

    /// Throws `outsideDomain` for a predictor whose answers are no shares of 1, saying where they look like percent. A
    /// fit of this program may reach somewhat over the ends, far from what it was fitted on.
    public func checkScale(_ space: SearchSpace, _ source: String) throws {
        let found = try range(space), beyond = quality == nil ? 0 : 0.5
        if found.lowerBound >= -beyond, found.upperBound <= 1 + beyond { return }
        let text = String(format: "%.4g to %.4g", found.lowerBound, found.upperBound)
        let isPercent = quality == nil && found.lowerBound >= 0 && found.upperBound <= 100
        throw SearchError(
            .outsideDomain,
            "\(source) predicts \(text) for a hundred random networks, and accuracies are 0 to 1: "
                + (isPercent
                    ? "it answers in percent"
                    : "it was not fitted on accuracies of space \(space.name)"),
            remedy: isPercent ? "say --percent" : nil)
    }

    /// A predictor fitted elsewhere that answers in percent, with its answers divided by 100.
    ///
    /// Errors: `invalidOption` for one that was fitted by this program or answers within 0 to 1,
    /// `outsideDomain` where answers lie outside 0 to 100.
    public func inPercent(_ space: SearchSpace, _ source: String) throws -> AccuracyPredictor {
        guard quality == nil, case .dense(var network) = model else {
            throw SearchError(
                .invalidOption,
                "\(source) was fitted by this program on accuracies of 0 to 1",
                remedy: "leave --percent out")
        }
        let found = try range(space)
        guard found.upperBound > 1 else {
            throw SearchError(
                .invalidOption,
                "\(source) predicts at most \(String(format: "%.4g", found.upperBound)) for a hundred"
                    + " random networks, which is not in percent", remedy: "leave --percent out")
        }
        guard found.lowerBound >= 0, found.upperBound <= 100 else {
            let text = String(format: "%.4g to %.4g", found.lowerBound, found.upperBound)
            throw SearchError(
                .outsideDomain,
                "\(source) predicts \(text) for a hundred random networks, which is not in percent: it was"
                    + " not fitted on accuracies of space \(space.name)")
        }
        let last = network.weights.count - 1
        network.weights[last].values = network.weights[last].values.map { $0 / 100 }
        network.biases[last] = network.biases[last].map { $0 / 100 }
        return AccuracyPredictor(
            encoder: encoder, fittedResolutions: fittedResolutions, quality: nil,
            definition: definition, model: .dense(network), trained: trained)
    }
}
