// What every comparison here needs: maps from arrays, and a check whose tolerance is a number for every value.
import Tensors
import Testing
import TestSupport

/// The relative error of one float32 rounding.
let unit = 0x1p-24

extension FeatureMap {
    /// A map of its own memory.
    init(_ values: [Float], images: Int, size: Int, channels: Int) {
        self.init(Tensor(values), images: images, height: size, width: size, channels: channels)
    }

    /// A map of zeros.
    init(images: Int, size: Int, channels: Int, format: MapFormat = .float32) {
        self.init(
            Storage(count: images * size * size * channels).all, images: images, height: size,
            width: size, channels: channels, format: format)
    }
}

/// The first value that is further from what is expected than its bound; nil when there is none.
func firstBeyond(_ got: [Float], _ expected: [Float], bounds: [Double]) -> String? {
    precondition(got.count == expected.count && got.count == bounds.count)
    for i in got.indices where !(abs(Double(got[i]) - Double(expected[i])) <= bounds[i] + 1e-30) {
        return "at \(i): \(got[i]), expected \(expected[i]) ± \(bounds[i])"
    }
    return nil
}

/// Sums of values and of products per channel, with the bound of what float sums of that many terms can lose when
/// each value is itself off by its `errors`.
struct ExpectedSums {
    var sums: [Double]
    var bounds: [Double]

    /// sum(v) and sum(v * (from - center)), with `from` nil read as v itself: sum((v - center)^2) with the first
    /// sum about the center.
    init(_ values: [Float], errors: [Double], from: [Float]? = nil, center: [Float]) {
        let channels = center.count
        sums = .init(repeating: 0, count: 2 * channels)
        bounds = sums
        let terms = Double(values.count / channels + 4)
        for i in values.indices {
            let c = i % channels
            let value = Double(values[i]) - (from == nil ? Double(center[c]) : 0)
            let factor = from.map { Double($0[i]) - Double(center[c]) } ?? value
            let size = from == nil ? abs(Double(values[i])) + abs(Double(center[c])) : abs(value)
            sums[c] += value
            sums[channels + c] += value * factor
            bounds[c] += errors[i] + terms * unit * size
            bounds[channels + c] += (2 * errors[i] + terms * unit * size) * abs(factor)
        }
    }

    /// The first sum beyond its bound, or nil.
    func firstBeyond(_ got: [Double]) -> String? {
        for i in sums.indices where !(abs(got[i] - sums[i]) <= bounds[i]) {
            return "sum \(i): \(got[i]), expected \(sums[i]) ± \(bounds[i])"
        }
        return nil
    }
}

/// How far off the mean over each image's `pixels` may be, (images, channels), when `values` are off by `errors`: two
/// float sums of them lose a rounding a pixel each.
func meanBounds(_ values: [Float], errors: [Double], pixels: Int, channels: Int) -> [Double] {
    var bounds = [Double](repeating: 0, count: values.count / pixels)
    for (i, error) in errors.enumerated() {
        let lost = Double(2 * pixels + 8) * unit * Double(abs(values[i]))
        bounds[i / (pixels * channels) * channels + i % channels] += (error + lost) / Double(pixels)
    }
    return bounds
}

/// The instruction sets of this machine, for tests to be repeated over.
let sets = InstructionSet.available
/// Those that are compared with the oracle.
let vectorSets = sets.filter { $0.description != "scalar" }
