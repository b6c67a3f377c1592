// How good a predictor gets with how many measured networks: the question before measuring more.
import Networks
import Tensors

/// The mean quality of predictors fitted on so many networks, on networks held out.
public struct LearningPoint: Codable, Hashable, Sendable {
    /// Networks fitted on.
    public var samples: Int
    /// Networks held out in each draw, and draws.
    public var heldOut, draws: Int
    /// Means over the draws of the figures of `FitQuality`.
    public var rmse, mae, spearman, kendall: Double
}

extension AccuracyPredictor {
    /// The learning curve: for each draw, `heldOut` networks are set aside at random, and the first of the others are
    /// fitted on, as many as `sizes` say; sizes for which there are too few are left out.
    ///
    /// Errors: `tooFewSamples` when nothing is left to fit on, and what fitting throws. `worked` is told of each size
    /// once a draw.
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
