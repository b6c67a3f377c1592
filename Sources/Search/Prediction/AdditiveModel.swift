// An additive predictor: the sum of a weight for every feature of a network, such as a layer's kernel or ratio, plus a
// quadratic in the logarithm of the network's multiply-accumulates. The quadratic is needed because accuracy saturates.
// Ridge regression fits the model. Further features are every stage's sum of kernel sizes, sum of ratios and number of
// layers: if there are few rows, the model can estimate one effect for all layers of a stage.
//
// On the 1,357 measured subnets of the w1.0 supernet (500 held out, mean of 20 draws) the model's RMSE with 100, 200
// and 400 rows is 0.160, 0.116 and 0.098 points; one-hot features alone give 0.317, 0.227 and 0.190
// (ops/docs/results.md).
import Foundation
import Networks
import Tensors

/// A fitted additive model.
struct AdditiveModel: Sendable, Hashable, Codable {
    /// The constant term.
    var bias: Double
    /// The weight of every feature of the encoder.
    var shares: [Double]
    /// Centre and scale of the logarithm of the multiply-accumulates: z = (ln macs − centre) / scale.
    var centre, scale: Double
    /// Coefficients of z and of z².
    var slope, bend: Double

    /// Returns the prediction for a network with the features at indices `ones` and with `macs` multiply-accumulates.
    func predict(ones: [Int], macs: Double) -> Double {
        var sum = bias + curve(macs)
        for one in ones { sum += shares[one] }
        return sum
    }

    /// Returns the value of the quadratic for a network of `macs` multiply-accumulates.
    func curve(_ macs: Double) -> Double {
        if slope == 0 && bend == 0 { return 0 }
        let z = (log(max(macs, 1)) - centre) / scale
        return z * (slope + z * bend)
    }
}

/// An additive model, and bootstrap models; the standard deviation of their predictions estimates the uncertainty of a
/// prediction.
struct AdditiveEnsemble: Sendable, Hashable {
    /// The model that is fitted on all rows and makes the predictions.
    var model: AdditiveModel
    /// The models fitted on rows drawn with replacement; only the standard deviation of their predictions is used.
    var members: [AdditiveModel]
    /// The uncertainty is `factor` · √(deviation² + `floor`²); without members it is `floor`.
    var floor, factor: Double
}

/// The regression problem: rows of features and accuracies.
struct AdditiveFit {
    private let encoder: ArchitectureEncoder
    private let ones: [[Int]]
    private let targets: [Double]
    private let logMACs: [Double]
    /// For each derived feature (such as a stage's sum of kernel sizes), the contribution of every one-hot feature.
    private let derived: [[Double]]

    /// Squared scale of a derived feature relative to a one-hot feature.
    private static let derivedWeight = 0.3

    /// Encodes the samples; throws `outsideDomain` for a network of another space.
    init(_ samples: [AccuracySample], _ encoder: ArchitectureEncoder, _ space: SearchSpace) throws {
        self.encoder = encoder
        ones = try samples.map { try encoder.ones($0.config) }
        targets = samples.map(\.accuracy)
        logMACs = try samples.map { log(Double(try NetworkCost(space, $0.config).macs)) }
        derived = Self.derivedFeatures(encoder)
    }

    /// Fits a model on the rows at indices `places`; returns the model and its leave-one-out RMSE.
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

    /// Fits a model on all rows, and `members` bootstrap models. The uncertainty is scaled so that its root mean square
    /// over the rows equals the leave-one-out RMSE. `worked` is called after each model and cancels by throwing. The
    /// numbers given to `worked` are equal and add up to the number of rows.
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
        let deviations = targets.indices.map { row in
            Self.deviation(members.map { $0.predict(ones: ones[row], macs: exp(logMACs[row])) })
        }
        let square = deviations.reduce(0) { $0 + $1 * $1 } / Double(deviations.count)
        let floor = max(square.squareRoot(), 1e-9)
        return AdditiveEnsemble(
            model: model, members: members, floor: floor,
            factor: error / (square + floor * floor).squareRoot())
    }

    /// Returns the standard deviation of `values`, the members' predictions.
    static func deviation(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(max(values.count, 1))
        let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (square / Double(max(values.count - 1, 1))).squareRoot()
    }

    /// Returns the derived features. For each stage and for the network: the number of layers, the sum of kernel sizes
    /// and the sum of ratios, over the active layers. With width genes also: each width, as a share of the gene's
    /// largest width, and the sum of these shares.
    private static func derivedFeatures(_ encoder: ArchitectureEncoder) -> [[Double]] {
        let space = encoder.space, none = [Double](repeating: 0, count: encoder.featureCount)
        var all: [[Double]] = []
        let stages = space.stages.indices.filter { !space.stages[$0].places.isEmpty }
        for numbers in stages.map({ [$0] }) + [stages] {
            var layers = none, kernelSum = none, ratioSum = none, hasKernels = false
            for number in numbers {
                let stage = space.stages[number]
                for layer in stage.places {
                    for kernel in stage.kernelSizes {
                        guard let one = encoder.feature(kernel: kernel, of: layer) else { continue }
                        layers[one] = 1
                        kernelSum[one] = Double(kernel)
                        hasKernels = true
                    }
                    for ratio in stage.expandRatios {
                        guard let one = encoder.feature(ratio: ratio, of: layer) else { continue }
                        if stage.kernelSizes.isEmpty { layers[one] = 1 }
                        ratioSum[one] = ratio
                    }
                }
            }
            all += hasKernels ? [layers, kernelSum, ratioSum] : [layers, ratioSum]
        }
        guard !space.widthGenes.isEmpty else { return all }
        var total = none
        for (gene, widths) in space.widthGenes.enumerated() {
            var own = none
            for (index, width) in widths.enumerated() {
                guard let one = encoder.feature(width: index, of: gene) else { continue }
                own[one] = Double(width) / Double(max(1, widths.max() ?? 1))
                total[one] = own[one]
            }
            all.append(own)
        }
        return all + [total]
    }
}
