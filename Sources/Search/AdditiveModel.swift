// A predictor that adds up: one number for every kernel, ratio and resolution a network has, and a curve over the
// logarithm of its multiply-accumulates, because accuracy saturates. Fitted by ridge, with the sums of kernels,
// ratios and layers of every stage as further features: with few rows the layers of a stage share what is known.
//
// Learning curve on the 1,357 measured subnets of the w1.0 supernet (500 held out, mean of 20 draws; RMSE in points at
// 100, 200, 400 rows): one-hot ridge .317 .227 .190; this .160 .116 .098 (`ofa-bench search`, ops/docs/results.md).
import Foundation
import Networks
import Tensors

/// One fitted sum.
struct AdditiveModel: Sendable, Hashable, Codable {
    /// What every network has.
    var bias: Double
    /// The share of every feature of the encoder.
    var shares: [Double]
    /// Centre and scale of the logarithm of the multiply-accumulates: z = (ln macs − centre) / scale.
    var centre, scale: Double
    /// Weights of z and of z².
    var slope, bend: Double

    /// The prediction for the features that a network has and its multiply-accumulates.
    func predict(ones: [Int], macs: Double) -> Double {
        var sum = bias + curve(macs)
        for one in ones { sum += shares[one] }
        return sum
    }

    /// The part of the prediction that depends on the multiply-accumulates.
    func curve(_ macs: Double) -> Double {
        if slope == 0 && bend == 0 { return 0 }
        let z = (log(max(macs, 1)) - centre) / scale
        return z * (slope + z * bend)
    }
}

/// A sum with others fitted on resampled rows, whose spread says how sure it is.
struct AdditiveEnsemble: Sendable, Hashable {
    /// Fitted on all rows; predicts.
    var model: AdditiveModel
    /// Fitted on rows drawn with replacement; only their spread counts.
    var members: [AdditiveModel]
    /// Added to the spread, and what the root of both squares is multiplied with to give an error's deviation.
    var floor, factor: Double
}

/// Rows of features and accuracies, and what fits models to them.
struct AdditiveFit {
    private let encoder: ArchitectureEncoder
    private let ones: [[Int]]
    private let targets: [Double]
    private let logMACs: [Double]
    /// By derived feature: the amount of it that every one-hot feature brings.
    private let derived: [[Double]]

    /// How much a derived feature counts beside a one-hot one: the squares of their scales.
    private static let derivedWeight = 0.3

    /// Encodes the samples; throws `outsideDomain` for a network of another space.
    init(_ samples: [AccuracySample], _ encoder: ArchitectureEncoder, _ space: SearchSpace) throws {
        self.encoder = encoder
        ones = try samples.map { try encoder.ones($0.config) }
        targets = samples.map(\.accuracy)
        logMACs = try samples.map { log(Double(try NetworkCost(space, $0.config).macs)) }
        derived = Self.derivedFeatures(encoder)
    }

    /// The model of the rows at these places, and its leave-one-out error.
    func model(_ places: [Int]) -> (model: AdditiveModel, error: Double) {
        let count = Double(places.count)
        func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
            let mean = values.reduce(0, +) / count
            let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
            return (mean, max(square.squareRoot(), 1e-9))
        }
        let centre = moments(places.map { logMACs[$0] })
        let z = places.map { (logMACs[$0] - centre.mean) / centre.deviation }
        let bend = moments(z.map { $0 * $0 })
        let sums = derived.map { amounts in
            places.map { row in ones[row].reduce(0) { $0 + amounts[$1] } }
        }
        let scales = sums.map { Self.derivedWeight.squareRoot() / moments($0).deviation }
        let sizeScale = 2 * Self.derivedWeight.squareRoot()
        let rows = places.indices.map { index -> [Double] in
            var row = [Double](repeating: 0, count: encoder.featureCount)
            for one in ones[places[index]] { row[one] = 1 }
            for (sum, scale) in zip(sums, scales) { row.append(sum[index] * scale) }
            row.append(z[index] * sizeScale)
            row.append(z[index] * z[index] / bend.deviation * sizeScale)
            return row
        }
        let fit = Ridge(rows, places.map { targets[$0] })
        var shares = Array(fit.weights[..<encoder.featureCount])
        for (place, amounts) in derived.enumerated() {
            let weight = fit.weights[encoder.featureCount + place] * scales[place]
            for feature in shares.indices { shares[feature] += weight * amounts[feature] }
        }
        let size = fit.weights.suffix(2).map { $0 * sizeScale }
        let model = AdditiveModel(
            bias: fit.bias, shares: shares, centre: centre.mean, scale: centre.deviation,
            slope: size[0], bend: size[1] / bend.deviation)
        return (model, fit.leaveOneOutRMSE)
    }

    /// The model of all rows with `members` others of resampled rows; the uncertainty is scaled to the errors of the
    /// rows that a member did not see.
    ///
    /// `worked` is told after each model of how many rows it was worth; what it throws ends the fit.
    func ensemble(
        members count: Int, seed: UInt64, worked: AccuracyPredictor.Worked = { _ in }
    ) throws -> AdditiveEnsemble {
        let worth = Double(targets.count) / Double(count + 1)
        let (model, error) = model(Array(targets.indices))
        try worked(worth)
        var members: [AdditiveModel] = []
        for member in 0..<count {
            var stream = RandomStream(seed: seed, member, 0, 0xba6)
            members.append(
                self.model(targets.indices.map { _ in stream.below(targets.count) }).model)
            try worked(worth)
        }
        guard !members.isEmpty else {
            return AdditiveEnsemble(model: model, members: [], floor: error, factor: 1)
        }
        let spreads = targets.indices.map { row in
            Self.spread(members.map { $0.predict(ones: ones[row], macs: exp(logMACs[row])) })
        }
        let square = spreads.reduce(0) { $0 + $1 * $1 } / Double(spreads.count)
        let floor = max(square.squareRoot(), 1e-9)
        return AdditiveEnsemble(
            model: model, members: members, floor: floor,
            factor: error / (square + floor * floor).squareRoot())
    }

    /// The deviation of the members' predictions.
    static func spread(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(max(values.count, 1))
        let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (square / Double(max(values.count - 1, 1))).squareRoot()
    }

    /// Layers, kernel sizes and ratios summed over every stage and over the network.
    private static func derivedFeatures(_ encoder: ArchitectureEncoder) -> [[Double]] {
        let kernels = encoder.kernelSizes.count, ratios = encoder.expandRatios.count
        var all: [[Double]] = []
        for stages in (0..<encoder.stageCount).map({ [$0] }) + [Array(0..<encoder.stageCount)] {
            var layers = [Double](repeating: 0, count: encoder.featureCount)
            var kernelSum = layers, ratioSum = layers
            for layer in 0..<encoder.layerCount where stages.contains(layer / encoder.maxDepth) {
                for (place, kernel) in encoder.kernelSizes.enumerated() {
                    layers[layer * kernels + place] = 1
                    kernelSum[layer * kernels + place] = Double(kernel)
                }
                for (place, ratio) in encoder.expandRatios.enumerated() {
                    ratioSum[encoder.layerCount * kernels + layer * ratios + place] = Double(ratio)
                }
            }
            all += [layers, kernelSum, ratioSum]
        }
        return all
    }
}
