// The quality of predictors by the number of measured networks, to decide whether to measure more networks.
import Networks
import Tensors

/// The mean quality, on held-out networks, of predictors fitted on `samples` networks.
public struct LearningPoint: Codable, Hashable, Sendable {
    /// The number of networks that each predictor was fitted on.
    public var samples: Int
    /// The number of networks held out in each draw, and the number of draws.
    public var heldOut, draws: Int
    /// Means over the draws of the figures of `FitQuality`.
    public var rmse, mae, spearman, kendall: Double
}

extension AccuracyPredictor {
    /// Returns the learning curve, a point for each of `sizes`. Each draw holds out `heldOut` random networks; for each
    /// size, a predictor is fitted on that many of the other networks. Sizes below 2 and sizes larger than the number
    /// of other networks are left out. The numbers given to `worked` add up to the sum of the remaining sizes, times
    /// `draws`. Errors: `tooFewSamples` if no size remains, and the errors of fitting.
    public static func learningCurve(
        _ samples: [AccuracySample], space: SearchSpace, method: Method = .ridge, sizes: [Int],
        heldOut: Int, draws: Int, seed: UInt64 = 0, worked: Worked = { _ in }
    ) throws -> [LearningPoint] {
        let possible = sizes.filter { $0 >= 2 && $0 + heldOut <= samples.count }
        guard !possible.isEmpty, heldOut > 0, draws > 0 else {
            throw SearchError(
                .tooFewSamples,
                "\(samples.count) measured networks are too few for a learning curve with \(heldOut) held out"
            )
        }
        var qualities = [[FitQuality]](repeating: [], count: possible.count)
        for draw in 0..<draws {
            var stream = RandomStream(seed: seed, draw, 0, 0x1c)
            let order = stream.shuffled(samples)
            let test = Array(order[..<heldOut])
            for (place, size) in possible.enumerated() {
                let fitted = try plain(
                    Array(order[heldOut..<heldOut + size]), space, method, seed, worked)
                let rows = try fitted.compare(test)
                qualities[place].append(
                    FitQuality(
                        predicted: rows.map(\.predicted), measured: rows.map(\.measured),
                        rows: size))
            }
        }
        return zip(possible, qualities).map { size, all in
            func mean(_ value: (FitQuality) -> Double) -> Double {
                all.reduce(0) { $0 + value($1) } / Double(all.count)
            }
            return LearningPoint(
                samples: size, heldOut: heldOut, draws: draws, rmse: mean(\.rmse), mae: mean(\.mae),
                spearman: mean(\.spearman), kendall: mean(\.kendall))
        }
    }
}
