// Predicts a network's accuracy from its genes by a model fitted on a few hundred measured networks. The predictor
// records the space, image sizes and genes that it was fitted on (its domain). Networks outside of the domain are
// refused, because such models extrapolate badly: the published predictor, fitted on 160…224 pixels, predicts higher
// accuracies at 112 pixels than at 160.
import Devices
import Networks
import Tensors

/// A network with its measured accuracy.
public struct AccuracySample: Codable, Hashable, Sendable {
    /// The network.
    public var config: SubnetConfig
    /// Top-1 accuracy in 0…1 on held-out images.
    public var accuracy: Double

    /// Makes a sample; `accuracy` must be in 0…1.
    public init(config: SubnetConfig, accuracy: Double) {
        self.config = config
        self.accuracy = accuracy
    }
}

/// A fitted accuracy predictor with its domain and its measured quality.
public struct AccuracyPredictor: Sendable, Hashable {
    /// The kinds of model.
    public enum Method: Sendable, Hashable {
        /// A sum of terms for the genes, plus a quadratic in the logarithm of the multiply-accumulates, fitted in
        /// closed form.
        case ridge
        /// The model of `ridge`, and this many bootstrap models; the standard deviation of their predictions gives the
        /// uncertainty.
        case ensemble(Int)
        /// Dense layers with rectifiers, fitted by Adam.
        case multilayer(AdamOptions)
    }

    /// A function called repeatedly during a fit with the number of rows processed since the last call; it cancels the
    /// fit by throwing.
    public typealias Worked = (Double) throws -> Void

    /// The kinds of fitted model.
    enum Model: Sendable, Hashable {
        case additive(AdditiveEnsemble)
        case dense(DenseNetwork)
    }

    /// The accuracies of a held-out network: measured, and predicted by a model fitted on other networks.
    public struct HeldOut: Codable, Hashable, Sendable {
        /// The measured and the predicted accuracy.
        public var measured, predicted: Double
        /// The predicted standard deviation of the prediction's error; nil if the model predicts no deviation.
        public var uncertainty: Double?
    }

    /// The encoding of networks as features.
    public let encoder: ArchitectureEncoder
    /// The resolutions that the predictor was fitted on; networks at other resolutions are refused.
    public let fittedResolutions: [Int]
    /// The trained domain of the supernet whose networks the predictor was fitted on; networks outside of that domain
    /// are refused. Nil if unknown.
    public var trained: TrainedDomain?
    /// The bits of the networks whose accuracies the predictor was fitted on: 8 after post-training quantisation, or 32
    /// for floats.
    public var bits = 32
    /// How well a model that was fitted without the held-out networks predicts their measured accuracies; nil if
    /// unknown.
    public let quality: FitQuality?
    /// The fitted model.
    let model: Model

    /// The space whose networks the predictor was fitted on.
    public var definition: SearchSpace { encoder.space }
    /// The name of the space whose networks the predictor was fitted on.
    public var space: String { encoder.space.name }

    /// The kind of model, for messages.
    public var methodName: String {
        switch model {
        case .dense(let network):
            "dense layers of \(network.sizes.map(String.init).joined(separator: "-"))"
        case .additive(let ensemble) where ensemble.members.isEmpty: "ridge"
        case .additive(let ensemble): "ensemble of \(ensemble.members.count)"
        }
    }

    /// Makes a predictor from its parts.
    init(
        encoder: ArchitectureEncoder, fittedResolutions: [Int], quality: FitQuality?, model: Model,
        trained: TrainedDomain? = nil
    ) {
        self.encoder = encoder
        self.fittedResolutions = fittedResolutions
        self.quality = quality
        self.model = model
        self.trained = trained
    }

    /// Makes a predictor of dense layers that another program fitted, with rectifiers except after the last layer;
    /// weights are (outputs, inputs). Errors: `malformed` for layers whose widths do not match each other or the
    /// encoder's features.
    public init(
        layers: [(weights: [Float], bias: [Float])], encoder: ArchitectureEncoder,
        fittedResolutions: [Int]
    ) throws {
        var width = encoder.featureCount
        var weights: [Matrix] = []
        for (place, layer) in layers.enumerated() {
            guard !layer.bias.isEmpty, layer.weights.count == width * layer.bias.count else {
                throw SearchError(
                    .malformed,
                    "layer \(place) has \(layer.weights.count) weights, which do not take \(width) inputs to"
                        + " \(layer.bias.count) outputs: this is no predictor of space \(encoder.space.name)"
                )
            }
            weights.append(
                Matrix(rows: layer.bias.count, columns: width, values: layer.weights).transposed)
            width = layer.bias.count
        }
        guard !layers.isEmpty, width == 1 else {
            throw SearchError(.malformed, "a predictor ends with one number, not with \(width)")
        }
        self.init(
            encoder: encoder, fittedResolutions: fittedResolutions.sorted(), quality: nil,
            model: .dense(DenseNetwork(weights: weights, biases: layers.map(\.bias))))
    }

    /// Fits on measured networks of `space`, as `evaluated` does, and returns the predictor without the held-out
    /// networks.
    public static func fit(
        _ samples: [AccuracySample], space: SearchSpace, method: Method = .ridge,
        heldOutShare: Double = 0.2, seed: UInt64 = 0
    ) throws -> AccuracyPredictor {
        try evaluated(
            samples, space: space, method: method, heldOutShare: heldOutShare, seed: seed
        ).predictor
    }

    /// Fits on measured networks of `space`; returns the predictor, and the held-out networks with their predictions.
    /// There are two fits. The first fit leaves out a share of the samples (`heldOutShare`, drawn by `seed`); its
    /// predictions for these samples measure the quality. The second fit, whose model is returned, uses all samples.
    /// The numbers given to `worked` add up to the samples of both fits. Errors: `tooFewSamples` below 10 samples,
    /// `invalidOption` for an accuracy outside 0…1, `outsideDomain` for a network of another space.
    public static func evaluated(
        _ samples: [AccuracySample], space: SearchSpace, method: Method = .ridge,
        heldOutShare: Double = 0.2, seed: UInt64 = 0, worked: Worked = { _ in }
    ) throws -> (predictor: AccuracyPredictor, heldOut: [HeldOut]) {
        try check(samples)
        var generator = RandomStream(seed: seed)
        let order = generator.shuffled(samples)
        let heldOut = min(max(2, Int(Double(order.count) * heldOutShare)), order.count / 2)
        let trial = try plain(Array(order[heldOut...]), space, method, seed, worked)
        let rows = try trial.compare(Array(order[..<heldOut]))
        let final = try plain(order, space, method, seed, worked)
        let quality = FitQuality(
            predicted: rows.map(\.predicted), measured: rows.map(\.measured), rows: samples.count)
        return (
            AccuracyPredictor(
                encoder: final.encoder, fittedResolutions: final.fittedResolutions,
                quality: quality, model: final.model), rows
        )
    }

    /// Fits on all `samples` without a held-out set, so the predictor's quality is unknown.
    static func plain(
        _ samples: [AccuracySample], _ space: SearchSpace, _ method: Method, _ seed: UInt64,
        _ worked: Worked = { _ in }
    ) throws -> AccuracyPredictor {
        let sizes = Set(samples.map(\.config.resolution)).sorted()
        let encoder = ArchitectureEncoder(
            space, resolutions: Set(space.resolutions).union(sizes).sorted())
        let model: Model
        switch method {
        case .ridge:
            model = .additive(
                try AdditiveFit(samples, encoder, space).ensemble(
                    members: 0, seed: seed, worked: worked))
        case .ensemble(let members):
            model = .additive(
                try AdditiveFit(samples, encoder, space).ensemble(
                    members: members, seed: seed, worked: worked))
        case .multilayer(let options):
            let features = try encoder.features(samples.map(\.config))
            model = .dense(
                try .fitted(
                    features, samples.map(\.accuracy), options: options, seed: seed,
                    worked: worked))
        }
        return AccuracyPredictor(
            encoder: encoder, fittedResolutions: sizes, quality: nil, model: model)
    }

    /// Returns the measured and predicted accuracies of `samples`, also at sizes that the model was not fitted on.
    func compare(_ samples: [AccuracySample]) throws -> [HeldOut] {
        let configs = samples.map(\.config)
        let predicted = try unguarded(configs)
        let deviations = try uncertainties(configs)
        return samples.indices.map {
            HeldOut(
                measured: samples[$0].accuracy, predicted: predicted[$0],
                uncertainty: deviations?[$0])
        }
    }

    /// Returns the predicted top-1 accuracies of `configs`, limited to 0…1. Errors: `outsideDomain` for a network of
    /// another space, a resolution that the predictor was not fitted on, or a gene outside the trained domain.
    public func predict(_ configs: [SubnetConfig]) throws -> [Double] {
        try unlimited(configs).map(Self.limited)
    }

    /// Returns the predictions of `predict` without the limits: predictions of the model may lie outside 0…1, most of
    /// all for the networks with the highest predictions.
    func unlimited(_ configs: [SubnetConfig]) throws -> [Double] {
        for config in configs { try checkDomain(config) }
        return try unguarded(configs)
    }

    /// Returns the prediction of a model, limited to 0…1, the range of accuracies.
    static func limited(_ prediction: Double) -> Double { min(1, max(0, prediction)) }

    /// Returns the predicted standard deviation of each prediction's error; nil for a model of dense layers.
    public func uncertainties(_ configs: [SubnetConfig]) throws -> [Double]? {
        guard case .additive(let ensemble) = model else { return nil }
        let space = definition.uncoupled
        return try configs.map { config in
            let ones = try encoder.ones(config)
            let macs = Double(try NetworkCost(space, config).macs)
            let deviation = AdditiveFit.deviation(
                ensemble.members.map { $0.predict(ones: ones, macs: macs) })
            return ensemble.members.isEmpty
                ? ensemble.floor
                : ensemble.factor
                    * (deviation * deviation + ensemble.floor * ensemble.floor).squareRoot()
        }
    }

    private func unguarded(_ configs: [SubnetConfig]) throws -> [Double] {
        switch model {
        case .dense(let network):
            // For few networks, packing the weights takes longer than it saves.
            guard configs.count > 16, network.weights.count > 1 else {
                return network.predict(try encoder.features(configs)).map(Double.init)
            }
            let rows = try configs.map { try encoder.ones($0) }
            var ends: [Int] = []
            for row in rows { ends.append((ends.last ?? 0) + row.count) }
            return try network.stack().outputs(ones: rows.joined().map(Int32.init), ends: ends)
                .map(Double.init)
        case .additive(let ensemble):
            let space = definition.uncoupled
            return try configs.map { config in
                let ones = try encoder.ones(config)
                return ensemble.model.predict(
                    ones: ones, macs: Double(try NetworkCost(space, config).macs))
            }
        }
    }

    /// Throws `outsideDomain` for a network outside the predictor's domain.
    public func checkDomain(_ config: SubnetConfig) throws {
        try checkResolution(config.resolution)
        guard let gene = trained?.outside(config, in: definition) else { return }
        throw SearchError(
            .outsideDomain,
            "\(gene): the predictor was fitted on other networks",
            remedy: "ask about one within \(trained?.words ?? "")"
        )
    }

    /// Throws `outsideDomain` if the predicted accuracies are those of eight bits, and networks of `device` compute in
    /// floats. A predictor of float accuracies serves every device: eight bits change accuracies little.
    public func checkBits(of device: DeviceTarget) throws {
        guard bits == 8, device.bits != 8 else { return }
        throw SearchError(
            .outsideDomain,
            "the predictor was fitted on accuracies in 8 bits, and networks"
                + (device.name.isEmpty ? "" : " of device \(device.name)")
                + " compute in floats: \(device.bytesPerWeight) bytes a weight",
            remedy:
                "search with a predictor of float accuracies, or for a device with one byte a weight"
        )
    }

    /// Returns the part of `space` within the trained domain; all of `space` if the domain is unknown. Errors:
    /// `outsideDomain` if `space` and the domain have nothing in common.
    public func trainedPart(of space: SearchSpace) throws -> SearchSpace {
        guard let trained else { return space }
        do {
            return try space.restricted(to: trained)
        } catch let error as NetworkError {
            throw SearchError(
                .outsideDomain, "\(error.message), which the predictor was fitted for")
        }
    }

    /// Throws `outsideDomain` unless every network of `space` is within the predictor's domain.
    func checkSearch(_ space: SearchSpace) throws {
        try checkDomain(space: space, resolutions: space.resolutions)
        guard let trained, !trained.covers(space) else { return }
        throw SearchError(
            .outsideDomain,
            "the predictor was fitted for \(trained.words), and space \(space.name) has"
                + " \(TrainedDomain(space).words)", remedy: "search among these")
    }

    /// Throws `outsideDomain` unless networks of `space` at all `resolutions` can be predicted: `space` must be the
    /// space that the predictor was fitted on, a part of that space, or a space of coupled genes within that space.
    public func checkDomain(space: SearchSpace, resolutions: [Int]) throws {
        guard self.space == space.name || self.space == space.coupling?.parent else {
            throw SearchError(
                .outsideDomain, "the predictor belongs to space \(self.space), not \(space.name)",
                remedy: "fit one for it")
        }
        if let difference = try space.uncoupled.part(of: definition).difference(from: definition) {
            throw SearchError(
                .outsideDomain,
                "the predictor was fitted on another space named \(self.space): \(difference)",
                remedy: "fit one for this")
        }
        for resolution in resolutions { try checkResolution(resolution) }
        guard !encoder.resolutions.isEmpty || Set(resolutions).count < 2 else {
            throw SearchError(
                .outsideDomain,
                "the predictor knows no image sizes, so it cannot compare networks of several",
                remedy: "name one"
                    + " of \(fittedResolutions.map(String.init).joined(separator: ", "))")
        }
    }

    /// Returns the image sizes of `space` that the predictor was fitted on. Errors: `outsideDomain` if there are none.
    public func resolutions(in space: SearchSpace) throws -> [Int] {
        let sizes = fittedResolutions.filter(space.resolutions.contains)
        guard sizes.isEmpty else { return sizes }
        throw SearchError(
            .outsideDomain,
            "the predictor was fitted on image sizes \(SearchSpace.listed(fittedResolutions)), and space"
                + " \(space.name) has \(SearchSpace.listed(space.resolutions))")
    }

    private func checkResolution(_ resolution: Int) throws {
        guard fittedResolutions.contains(resolution) else {
            let known = fittedResolutions.map(String.init).joined(separator: ", ")
            throw SearchError(
                .outsideDomain,
                "the predictor was not fitted on resolution \(resolution), only on \(known)")
        }
    }

    private static func check(_ samples: [AccuracySample]) throws {
        guard samples.count >= 10 else {
            throw SearchError(
                .tooFewSamples,
                "\(samples.count) measured networks are too few to fit on",
                remedy: "measure 10 or more"
            )
        }
        for sample in samples where !(0...1).contains(sample.accuracy) {
            throw SearchError(
                .invalidOption, "a measured accuracy is \(sample.accuracy); it must be in 0…1")
        }
    }
}
