// Predicts a network's accuracy from its genes, fitted on a few hundred measured networks. It knows
// what it was fitted on and refuses everything else: beyond their sizes such models are confidently
// wrong (the published one, fitted on 160…224 pixels, scores 112 pixels above 160).
import Networks
import Tensors

/// A network with the accuracy it was measured at.
public struct AccuracySample: Codable, Hashable, Sendable {
    /// The network.
    public var config: SubnetConfig
    /// Top-1 accuracy in 0…1 on held-out images.
    public var accuracy: Double

    /// Pairs a network with its accuracy.
    public init(config: SubnetConfig, accuracy: Double) {
        self.config = config
        self.accuracy = accuracy
    }
}

/// A fitted accuracy predictor with its domain and its measured quality.
public struct AccuracyPredictor: Sendable, Hashable {
    /// The kinds of model.
    public enum Method: Sendable, Hashable {
        /// Linear in the features, fitted in closed form.
        case ridge
        /// Dense layers with rectifiers, fitted by Adam.
        case multilayer(AdamOptions)
    }

    /// How networks become features.
    public let encoder: ArchitectureEncoder
    /// The resolutions among the networks it was fitted on, ascending; no other is predicted.
    public let fittedResolutions: [Int]
    /// Agreement on held-out networks, by a model fitted on the others; nil when unknown.
    public let quality: FitQuality?
    /// The fitted layers.
    let model: DenseNetwork

    /// The name of the search space it belongs to.
    public var space: String { encoder.space }

    /// A predictor of given layers, as read from bytes.
    init(
        encoder: ArchitectureEncoder, fittedResolutions: [Int], quality: FitQuality?,
        model: DenseNetwork
    ) {
        self.encoder = encoder
        self.fittedResolutions = fittedResolutions
        self.quality = quality
        self.model = model
    }

    /// Fits on measured networks of `space`.
    ///
    /// A seeded share of them is held out to measure the quality; the model returned is then fitted
    /// on all. Errors: `tooFewSamples` below 10, `outsideDomain` for a network of another space.
    public static func fit(
        _ samples: [AccuracySample], space: SearchSpace, method: Method = .ridge,
        heldOutShare: Double = 0.2, seed: UInt64 = 0
    ) throws -> AccuracyPredictor {
        guard samples.count >= 10 else {
            throw SearchError(
                .tooFewSamples,
                "\(samples.count) measured networks are too few to fit on: measure 10 or more"
            )
        }
        for sample in samples where !(0...1).contains(sample.accuracy) {
            throw SearchError(
                .invalidOption, "a measured accuracy is \(sample.accuracy); it must be in 0…1")
        }
        let sizes = Set(samples.map(\.config.resolution)).sorted()
        let encoder = ArchitectureEncoder(
            space, resolutions: Set(space.resolutions).union(sizes).sorted())
        var generator = RandomStream(seed: seed)
        let order = samples.shuffled(using: &generator)
        let heldOut = min(max(2, Int(Double(order.count) * heldOutShare)), order.count / 2)
        let trial = try model(Array(order[heldOut...]), encoder, method, seed)
        let predicted = trial.predict(try encoder.features(order[..<heldOut].map(\.config)))
        let quality = FitQuality(
            predicted: predicted.map(Double.init), measured: order[..<heldOut].map(\.accuracy),
            rows: samples.count)
        return AccuracyPredictor(
            encoder: encoder, fittedResolutions: sizes, quality: quality,
            model: try model(order, encoder, method, seed))
    }

    /// The predicted top-1 accuracies, in 0…1 as far as the model keeps it.
    ///
    /// Errors: `outsideDomain` for another space's network or a resolution not fitted on.
    public func predict(_ configs: [SubnetConfig]) throws -> [Double] {
        for config in configs { try checkResolution(config.resolution) }
        return model.predict(try encoder.features(configs)).map(Double.init)
    }

    /// Throws `outsideDomain` unless networks of `space` at all these resolutions can be predicted.
    public func checkDomain(space: SearchSpace, resolutions: [Int]) throws {
        guard encoder == ArchitectureEncoder(space, resolutions: encoder.resolutions) else {
            throw SearchError(
                .outsideDomain,
                "the predictor belongs to space \(self.space), not \(space.name): fit one for it"
            )
        }
        for resolution in resolutions { try checkResolution(resolution) }
    }

    private func checkResolution(_ resolution: Int) throws {
        guard fittedResolutions.contains(resolution) else {
            let known = fittedResolutions.map(String.init).joined(separator: ", ")
            throw SearchError(
                .outsideDomain,
                "the predictor was not fitted on resolution \(resolution), only on \(known)")
        }
    }

    private static func model(
        _ samples: [AccuracySample], _ encoder: ArchitectureEncoder, _ method: Method,
        _ seed: UInt64
    ) throws -> DenseNetwork {
        let features = try encoder.features(samples.map(\.config))
        let targets = samples.map(\.accuracy)
        return switch method {
        case .ridge: .ridge(features, targets)
        case .multilayer(let options): .fitted(features, targets, options: options, seed: seed)
        }
    }
}
