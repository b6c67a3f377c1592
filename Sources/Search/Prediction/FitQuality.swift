// The agreement of predictions with measurements: error sizes and rank correlations.

/// Agreement of predicted with measured accuracies, both in 0…1.
public struct FitQuality: Codable, Hashable, Sendable {
    /// Number of networks the final model was fitted on.
    public var rows: Int
    /// Number of held-out networks that the figures below are computed on.
    public var heldOut: Int
    /// Root of the mean squared error.
    public var rmse: Double
    /// Mean of the absolute errors.
    public var mae: Double
    /// Mean of predicted minus measured accuracy.
    public var offset: Double
    /// Spearman's rank correlation; 0 if all predicted or all measured accuracies are equal.
    public var spearman: Double
    /// Kendall's rank correlation (tau-b); 0 if all predicted or all measured accuracies are equal.
    public var kendall: Double

    /// Compares `predicted` with `measured`, the accuracies of the same held-out networks in the same order. `rows` is
    /// the number of networks that the final model was fitted on.
    public init(predicted: [Double], measured: [Double], rows: Int) {
        precondition(predicted.count == measured.count && !predicted.isEmpty)
        let count = Double(predicted.count)
        let errors = zip(predicted, measured).map { $0 - $1 }
        self.rows = rows
        heldOut = predicted.count
        rmse = (errors.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
        mae = errors.reduce(0) { $0 + abs($1) } / count
        offset = errors.reduce(0, +) / count
        spearman = Self.correlation(Self.ranks(predicted), Self.ranks(measured))
        kendall = Self.kendall(predicted, measured)
    }

    /// Whether the figures are possible; figures read from a file may be impossible.
    var isPossible: Bool {
        let correlations = -1.000_001...1.000_001
        return rows > 0 && heldOut > 0 && (0...1e6).contains(rmse) && (0...1e6).contains(mae)
            && abs(offset) <= 1e6 && correlations.contains(spearman)
            && correlations.contains(kendall)
    }

    /// Returns the ranks of `values`, from 1; equal values share the mean of their ranks.
    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = Array(repeating: 0.0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count && values[order[end]] == values[order[start]] { end += 1 }
            for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
            start = end
        }
        return ranks
    }

    private static func correlation(_ left: [Double], _ right: [Double]) -> Double {
        let leftMean = left.reduce(0, +) / Double(left.count)
        let rightMean = right.reduce(0, +) / Double(right.count)
        var (both, leftSquare, rightSquare) = (0.0, 0.0, 0.0)
        for (a, b) in zip(left, right) {
            both += (a - leftMean) * (b - rightMean)
            leftSquare += (a - leftMean) * (a - leftMean)
            rightSquare += (b - rightMean) * (b - rightMean)
        }
        let scale = (leftSquare * rightSquare).squareRoot()
        return scale > 0 ? both / scale : 0
    }

    private static func kendall(_ left: [Double], _ right: [Double]) -> Double {
        var (agreement, leftPairs, rightPairs) = (0.0, 0.0, 0.0)
        for i in left.indices {
            for j in 0..<i {
                let a = sign(left[i] - left[j])
                let b = sign(right[i] - right[j])
                agreement += a * b
                leftPairs += a * a
                rightPairs += b * b
            }
        }
        let scale = (leftPairs * rightPairs).squareRoot()
        return scale > 0 ? agreement / scale : 0
    }

    private static func sign(_ value: Double) -> Double { value > 0 ? 1 : value < 0 ? -1 : 0 }
}
