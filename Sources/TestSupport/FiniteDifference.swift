// FiniteDifference: a numerical derivative with its uncertainty, so that gradient tests need no
// tolerance of their own.
import Tensors

/// The derivative of a loss along a direction, by central differences at two steps.
public struct FiniteDifference: Sendable {
    /// Richardson's extrapolation of the two central differences.
    public let slope: Double
    /// The uncertainty of `slope`: the difference between the two central differences, plus the
    /// rounding error.
    public let uncertainty: Double

    /// Differentiates `loss` at `values` along `direction`; `values` is restored.
    ///
    /// `loss` returns the loss's value and size; the size is the sum of the absolute values of the loss's terms. The
    /// engine works in float32, so the uncertainty includes a rounding error: that of `roundings` operations on numbers
    /// of this size, divided by `step`.
    public init(
        of values: Tensor, along direction: [Float], step: Float, roundings: Double,
        loss: () throws -> (value: Double, size: Double)
    ) rethrows {
        let start = values.values
        var size = 0.0
        func at(_ distance: Float) throws -> Double {
            values.fill(from: zip(start, direction).map { $0 + distance * $1 })
            let found = try loss()
            size = max(size, found.size)
            return found.value
        }
        let coarse = (try at(step) - at(-step)) / Double(2 * step)
        let fine = (try at(step / 2) - at(-step / 2)) / Double(step)
        values.fill(from: start)
        slope = (4 * fine - coarse) / 3
        uncertainty = abs(fine - coarse) + roundings * 0x1p-24 * size / Double(step)
    }

    /// Returns a direction of `count` normal numbers, different for every `draw`.
    public static func direction(_ count: Int, draw: Int) -> [Float] {
        var stream = RandomStream(seed: 97, draw)
        return (0..<count).map { _ in stream.normal() }
    }
}

extension Array where Element == Float {
    /// Returns the sum of the products of the elements, in double precision.
    public func dot(_ other: [Float]) -> Double {
        zip(self, other).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    /// The Euclidean length.
    public var length: Double { dot(self).squareRoot() }
}
