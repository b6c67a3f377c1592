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
        /// A sum over the genes and a curve over the multiply-accumulates, fitted in closed form.
        case ridge
        /// The same with this many others fitted on resampled networks, whose spread is an uncertainty.
        case ensemble(Int)
        /// Dense layers with rectifiers, fitted by Adam.
        case multilayer(AdamOptions)
    }

    /// Told while a model is fitted of how many rows more have been fitted on, many times a second; throws to end it.
    public typealias Worked = (Double) throws -> Void

    /// What predicts.
    enum Model: Sendable, Hashable {
        case additive(AdditiveEnsemble)
        case dense(DenseNetwork)
    }

    /// A network that was held out, with what a model fitted on the others says about it.
    public struct HeldOut: Codable, Hashable, Sendable {
        /// Its measured and its predicted accuracy.
        public var measured, predicted: Double
        /// The deviation that its error should have; nil when the model does not say.
        public var uncertainty: Double?
    }

    /// How networks become features.
    public let encoder: ArchitectureEncoder
    /// The resolutions among the networks it was fitted on, ascending; no other is predicted.
    public let fittedResolutions: [Int]
    /// What the supernet of the networks it was fitted on was trained for, and thus what it may be asked about; nil
    /// where nothing says.
    public var trained: TrainedDomain?
    /// Agreement on held-out networks, by a model fitted on the others; nil when unknown.
    public let quality: FitQuality?
    /// The space it was fitted on, widths and all; nil when only its name is known.
    let definition: SearchSpace?
    /// The fitted model.
    let model: Model

    /// The name of the search space it belongs to.
    public var space: String { encoder.space }

    /// What kind of model it is, in words.
    public var methodName: String {
        switch model {
        case .dense(let network):
            "dense layers of \(network.sizes.map(String.init).joined(separator: "-"))"
        case .additive(let ensemble) where ensemble.members.isEmpty: "ridge"
        case .additive(let ensemble): "ensemble of \(ensemble.members.count)"
        }
    }

    /// A predictor of given parts, as read from bytes.
    init(
        encoder: ArchitectureEncoder, fittedResolutions: [Int], quality: FitQuality?,
        definition: SearchSpace?, model: Model, trained: TrainedDomain? = nil
    ) {
        self.encoder = encoder
        self.fittedResolutions = fittedResolutions
        self.quality = quality
        self.definition = definition
        self.model = model
        self.trained = trained
    }

    /// A predictor of dense layers fitted elsewhere, rectified except for the last; weights are (outputs, inputs).
    ///
    /// Errors: `malformed` for layers that do not follow each other or do not begin with the encoder's features.
    public init(
        layers: [(weights: [Float], bias: [Float])], encoder: ArchitectureEncoder,
        space: SearchSpace, fittedResolutions: [Int]
    ) throws {
        var width = encoder.featureCount
        var weights: [Matrix] = []
        for (place, layer) in layers.enumerated() {
            guard !layer.bias.isEmpty, layer.weights.count == width * layer.bias.count else {
                throw SearchError(
                    .malformed,
                    "layer \(place) has \(layer.weights.count) weights, which do not take \(width) inputs to"
                        + " \(layer.bias.count) outputs: this is no predictor of space \(space.name)"
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
            definition: space.uncoupled,
            model: .dense(DenseNetwork(weights: weights, biases: layers.map(\.bias))))
    }

    /// Fits on measured networks of `space`; as `evaluated`, without the held-out networks.
    public static func fit(
        _ samples: [AccuracySample], space: SearchSpace, method: Method = .ridge,
        heldOutShare: Double = 0.2, seed: UInt64 = 0
    ) throws -> AccuracyPredictor {
        try evaluated(
            samples, space: space, method: method, heldOutShare: heldOutShare, seed: seed
        ).predictor
    }

    /// Fits on measured networks of `space`, and says how a model of some predicted the others.
    ///
    /// A seeded share of them is held out to measure the quality; the model returned is then fitted
    /// on all. Errors: `tooFewSamples` below 10, `outsideDomain` for a network of another space. `worked` is told of as
    /// many rows as there are samples, and of those not held out.
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
                quality: quality, definition: space, model: final.model), rows
        )
    }

    /// Fits on all samples and holds none out, so its quality stays unknown.
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
            encoder: encoder, fittedResolutions: sizes, quality: nil, definition: space,
            model: model)
    }

    /// What the model says about measured networks. A size among them that it was not fitted on is compared too.
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

    /// The predicted top-1 accuracies, in 0…1 as far as the model keeps it.
    ///
    /// Errors: `outsideDomain` for another space's network, a resolution not fitted on, and a gene that its supernet
    /// was not trained for.
    public func predict(_ configs: [SubnetConfig]) throws -> [Double] {
        for config in configs { try checkDomain(config) }
        return try unguarded(configs)
    }

    /// The deviation that the error of each prediction should have; nil when the model does not say.
    public func uncertainties(_ configs: [SubnetConfig]) throws -> [Double]? {
        guard case .additive(let ensemble) = model, let definition else { return nil }
        return try configs.map { config in
            let ones = try encoder.ones(config)
            let macs = Double(try NetworkCost(definition.uncoupled, config).macs)
            let spread = AdditiveFit.spread(
                ensemble.members.map { $0.predict(ones: ones, macs: macs) })
            return ensemble.members.isEmpty
                ? ensemble.floor
                : ensemble.factor * (spread * spread + ensemble.floor * ensemble.floor).squareRoot()
        }
    }

    private func unguarded(_ configs: [SubnetConfig]) throws -> [Double] {
        switch model {
        case .dense(let network):
            // Few networks are not worth packing the weights for.
            guard configs.count > 16, network.weights.count > 1 else {
                return network.predict(try encoder.features(configs)).map(Double.init)
            }
            let rows = try configs.map { try encoder.ones($0) }
            var ends: [Int] = []
            for row in rows { ends.append((ends.last ?? 0) + row.count) }
            return try network.stack().outputs(ones: rows.joined().map(Int32.init), ends: ends)
                .map(Double.init)
        case .additive(let ensemble):
            guard let definition else { return [] }
            let space = definition.uncoupled
            return try configs.map { config in
                let ones = try encoder.ones(config)
                return ensemble.model.predict(
                    ones: ones, macs: Double(try NetworkCost(space, config).macs))
            }
        }
    }

    /// Throws `outsideDomain` for a network that it may not be asked about.
    public func checkDomain(_ config: SubnetConfig) throws {
        try checkResolution(config.resolution)
        guard let gene = trained?.outside(config) else { return }
        throw SearchError(
            .outsideDomain,
            "\(gene): the predictor knows nothing of a network that its supernet was not trained for",
            remedy: "ask about one within \(trained?.words ?? "")"
        )
    }

    /// The part of `space` that its supernet was trained for; all of it where nothing says.
    ///
    /// Errors: `outsideDomain` where they have nothing in common.
    public func trainedPart(of space: SearchSpace) throws -> SearchSpace {
        guard let trained else { return space }
        do {
            return try space.restricted(to: trained)
        } catch let error as NetworkError {
            throw SearchError(
                .outsideDomain, "\(error.message), which its supernet was trained for")
        }
    }

    /// Throws `outsideDomain` unless every network of `space` is one that it may be asked about.
    func checkSearch(_ space: SearchSpace) throws {
        try checkDomain(space: space, resolutions: space.resolutions)
        guard let trained, trained.union(TrainedDomain(space)) != trained else { return }
        throw SearchError(
            .outsideDomain,
            "the predictor's supernet was trained for \(trained.words), and space \(space.name) has"
                + " \(TrainedDomain(space).words)", remedy: "search what was trained")
    }

    /// Throws `outsideDomain` unless networks of `space` at all these resolutions can be predicted.
    public func checkDomain(space: SearchSpace, resolutions: [Int]) throws {
        var own = ArchitectureEncoder(space, resolutions: encoder.resolutions)
        if let parent = space.coupling?.parent, encoder.space == parent {
            own = own.renamed(parent)
        }
        guard encoder.covers(own) else {
            throw SearchError(
                .outsideDomain,
                self.space == space.name
                    ? "the predictor belongs to a space \(space.name) of other sizes, kernels or stages"
                    : "the predictor belongs to space \(self.space), not \(space.name)",
                remedy: "fit one for it"
            )
        }
        if let definition, !definition.hasSameLayers(as: space) {
            throw SearchError(
                .outsideDomain,
                "the predictor was fitted on a space \(space.name) of other widths",
                remedy: "fit one for this"
            )
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

    /// The image sizes of `space` that it was fitted on. Errors: `outsideDomain` where there is none.
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

extension SearchSpace {
    /// Leaves only choices that `other` has too.
    private mutating func narrow(to other: SearchSpace) {
        resolutions = []
        layersPerStage = nil
        kernelSizes = kernelSizes.filter(other.kernelSizes.contains)
        expandRatios = expandRatios.filter(other.expandRatios.contains)
        depths = depths.filter(other.depths.contains)
    }

    /// Whether layers and widths agree, whatever the names, the resolutions and the choices of either are.
    fileprivate func hasSameLayers(as other: SearchSpace) -> Bool {
        var (left, right) = (uncoupled, other.uncoupled)
        (left.name, right.name) = ("", "")
        left.narrow(to: other)
        right.narrow(to: self)
        return left == right
    }
}
