// The numbers that a network's values take on calibration images, and the ranges that codes of eight bits should cover.
import Tensors

/// A rule that chooses the range of a value from its histogram.
public enum RangeRule: Sendable, Equatable, CustomStringConvertible {
    /// The range that contains this share of the numbers, the rest at both ends in equal parts.
    case percentile(Double)
    /// The range with the least mean-square error of the codes.
    case leastSquares

    /// The two rules of which a calibration keeps the better.
    public static let both: [RangeRule] = [.percentile(0.9999), .leastSquares]

    /// The rule in words.
    public var description: String {
        switch self {
        case .percentile(let share): "percentile \(100 * share)"
        case .leastSquares: "least squares"
        }
    }
}

/// One histogram per value of a graph, over calibration images.
public struct ActivationHistograms: Sendable {
    private var histograms: [Histogram]

    /// Runs `batches` of calibration images through `graph` on `engine`, twice: first to find the limits of each value.
    public init(_ graph: OperatorGraph, batches: [FeatureMap], engine: any Engine) {
        let pass = GraphPass(graph, engine: engine), bounds = ValueBounds(graph)
        var limits = Array(repeating: Float(0)...Float(0), count: graph.nodes.count + 1)
        for batch in batches {
            pass.run(batch) { value, map in
                var (low, high) = (limits[value].lowerBound, limits[value].upperBound)
                for number in engine.download(map.tensor) {
                    // Comparisons with NaN are false, so NaN is passed on as infinity.
                    if !number.isFinite { (low, high) = (-.infinity, .infinity) }
                    low = min(low, number)
                    high = max(high, number)
                }
                limits[value] = low...high
            }
        }
        guard limits.allSatisfy({ $0.lowerBound.isFinite && $0.upperBound.isFinite }) else {
            histograms = limits.map { Histogram($0) }
            return
        }
        histograms = limits.enumerated().map { Histogram(bounds.bounded($1, of: $0)) }
        for batch in batches {
            pass.run(batch) { value, map in
                histograms[value].add(engine.download(map.tensor))
            }
        }
    }

    /// Returns the range of each value by `rule`.
    public func ranges(_ rule: RangeRule) -> [ClosedRange<Float>] {
        histograms.map { $0.range(rule) }
    }
}

/// The numbers of one value in bins of equal widths.
struct Histogram: Sendable {
    static let bins = 2048
    private let limits: ClosedRange<Float>
    private var counts = [Int](repeating: 0, count: Self.bins)

    /// Counts numbers within `limits`; those beyond count as the nearest limit.
    init(_ limits: ClosedRange<Float>) { self.limits = limits }

    private var width: Float { (limits.upperBound - limits.lowerBound) / Float(Self.bins) }

    /// Adds `numbers`.
    mutating func add(_ numbers: [Float]) {
        let low = limits.lowerBound, width = width
        guard width > 0 else { return }
        let factor = 1 / width
        for number in numbers {
            let place = min(max((number - low) * factor, 0), Float(Self.bins - 1))
            counts[Int(place)] += 1
        }
    }

    /// Returns the range that `rule` chooses.
    func range(_ rule: RangeRule) -> ClosedRange<Float> {
        guard width > 0, width.isFinite else { return limits }
        switch rule {
        case .percentile(let share): return percentile(share)
        case .leastSquares: return leastSquares()
        }
    }

    private func percentile(_ share: Double) -> ClosedRange<Float> {
        let all = counts.reduce(0, +), beyond = Double(all) * (1 - share) / 2
        func first(_ places: some Sequence<Int>) -> Int {
            var passed = 0.0
            for place in places {
                passed += Double(counts[place])
                if passed > beyond { return place }
            }
            return 0
        }
        let low = first(0..<Self.bins), high = first((0..<Self.bins).reversed())
        return edge(low)...edge(max(high, low) + 1)
    }

    /// Lowers first the upper end, then the lower end, in steps of 1/64 of its distance from 0.
    private func leastSquares() -> ClosedRange<Float> {
        var best = limits, least = error(limits)
        for isUpper in [true, false] {
            let start = best
            for step in 1..<64 {
                let factor = Float(64 - step) / 64
                let tried =
                    isUpper
                    ? min(start.lowerBound, start.upperBound * factor)...start.upperBound * factor
                    : start.lowerBound
                        * factor...max(
                            start.upperBound, start.lowerBound * factor)
                let found = error(tried)
                if found < least { (best, least) = (tried, found) }
            }
        }
        return best
    }

    private func error(_ range: ClosedRange<Float>) -> Double {
        let codes = Quantisation(covering: range)
        var sum = 0.0
        for place in 0..<Self.bins where counts[place] > 0 {
            let number = edge(place) + width / 2
            let difference = Double(number - codes.real(codes.code(number)))
            sum += Double(counts[place]) * difference * difference
        }
        return sum
    }

    private func edge(_ place: Int) -> Float { limits.lowerBound + Float(place) * width }
}
