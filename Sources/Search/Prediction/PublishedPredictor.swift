// Reads predictors that other programs fitted, from named tensors (see `PredictorStateDict`). A file of tensors does
// not state the image sizes that its predictor was fitted on. The sizes of the published predictor are stated here; for
// another predictor, `resolutions` gives the sizes, or the space's sizes are assumed.
import Foundation
import Intake
import Networks
import Tensors

extension AccuracyPredictor {
    /// The authors' predictor for the ofa-mbv3-w1.2 supernet: it has features for 112…224 pixels and was fitted on
    /// 160…224.
    private static let published = (
        fingerprint: 0x6D17_4C41_F4BA_6114 as UInt64, space: "ofa-mbv3-w1.2",
        resolutions: [160, 176, 192, 208, 224],
        features: Array(stride(from: 112, through: 224, by: 16))
    )

    /// Makes a predictor from a state dict: weights (outputs, inputs) and biases of every layer, by name.
    ///
    /// `resolutions` are the image sizes that the predictor has inputs for, in the order of these inputs. Without
    /// `resolutions`, a predictor of the published form with eight size inputs is assumed to have inputs for 112…224 in
    /// steps of 16 and to be fitted on 160…224; any other predictor with size inputs must have one input for each size
    /// of the space. A predictor without size inputs predicts only at the one size given; without `resolutions`, it
    /// predicts the same at every size of the space. Errors: `malformed` for tensors that are no predictor of `space`,
    /// `outsideDomain` for sizes that do not fit the inputs and for the published predictor with another space,
    /// `invalidOption` for a size given twice.
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
        let genes = ArchitectureEncoder(space, resolutions: []).featureCount
        let inputs = file.layers[0].inputs, count = inputs - genes
        guard (0...64).contains(count) else {
            throw SearchError(
                .malformed,
                "\(source) takes \(inputs) inputs; space \(space.name) has \(genes) for genes"
            )
        }
        let sizes =
            try isPublished
            ? Self.publishedSizes(resolutions, source)
            : Self.sizes(resolutions, count: count, file.form, space, source)
        try self.init(
            layers: file.inPublishedOrder(sizes: count).map { ($0.weights, $0.bias) },
            encoder: ArchitectureEncoder(space, resolutions: sizes.features),
            fittedResolutions: sizes.fitted)
    }

    /// Returns the image sizes that the published predictor has inputs for and those that it was fitted on. Errors:
    /// `outsideDomain` if `given` differs from the sizes of the predictor's inputs.
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

    /// Returns the image sizes that `count` inputs stand for, and the image sizes that may be predicted.
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

    /// Returns a hash of weights (FNV-1a over their bits).
    static func fingerprint(_ values: [Float]) -> UInt64 {
        values.reduce(0xCBF2_9CE4_8422_2325) { hash, value in
            (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
        }
    }
}

extension AccuracyPredictor {
    /// Returns the range of the unlimited predictions for a hundred random networks of `space` at the sizes that the
    /// predictor was fitted on; an infinite range if a prediction is not finite.
    func range(_ space: SearchSpace) throws -> ClosedRange<Double> {
        var stream = RandomStream(seed: 23)
        let known = try trainedPart(of: space)
        let configs = (0..<100).map { number in
            var config = known.sample(using: &stream)
            config.resolution = fittedResolutions[number % fittedResolutions.count]
            return config
        }
        let answers = try unlimited(configs)
        guard let least = answers.min(), let most = answers.max(),
            answers.allSatisfy(\.isFinite)
        else { return -Double.infinity...Double.infinity }
        return least...most
    }

    /// Throws `outsideDomain` if a prediction for a random network is not in 0…1; the message says if the predictions
    /// look like percent. For a predictor fitted by this program, the allowed range is wider by 0.5 at both ends: its
    /// predictions for networks far from its samples may be slightly outside 0…1.
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

    /// Returns this predictor, which another program fitted in percent, with its predictions divided by 100. Errors:
    /// `invalidOption` if this program fitted the predictor or no prediction for a random network exceeds 1,
    /// `outsideDomain` if such predictions are outside 0 to 100.
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
            model: .dense(network), trained: trained)
    }
}
