// Splits an integer into integers that add up to the same number, so that tables of costs add up
// exactly.

/// The largest-remainder method (Hamilton's apportionment).
public enum LargestRemainder {
    /// Splits `total` in proportion to `weights`; the parts are integers and add up to `total`.
    ///
    /// Each part is its exact share rounded down. The remaining units go, one each, to the parts
    /// with the largest remainders; on ties, to earlier parts first. If all weights are zero, the
    /// last part gets everything. `total` and the weights must not be negative, and there must be
    /// at least one weight.
    public static func split(_ total: Int64, weights: [Int64]) -> [Int64] {
        precondition(
            total >= 0 && !weights.isEmpty, "a split needs a total of at least 0, and a weight")
        precondition(weights.allSatisfy { $0 >= 0 }, "weights are at least 0")
        let sum = weights.reduce(UInt128(0)) { $0 + UInt128($1) }
        var parts = [Int64](repeating: 0, count: weights.count)
        guard sum > 0 else {
            parts[parts.count - 1] = total
            return parts
        }
        var remainders = [(remainder: UInt128, index: Int)]()
        var left = total
        for (index, weight) in weights.enumerated() {
            let (quotient, remainder) = (UInt128(total) * UInt128(weight)).quotientAndRemainder(
                dividingBy: sum)
            parts[index] = Int64(quotient)
            left -= parts[index]
            remainders.append((remainder, index))
        }
        remainders.sort {
            $0.remainder != $1.remainder ? $0.remainder > $1.remainder : $0.index < $1.index
        }
        for (_, index) in remainders.prefix(Int(left)) { parts[index] += 1 }
        return parts
    }
}
