// How real numbers become codes of eight bits. Every rule is exact: the same codes give the same codes on every machine.
// The rules are those that ONNX Runtime applies to models with QuantizeLinear and DequantizeLinear
// (https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html), so an exported model gives the same codes there.

/// The meaning of the codes of one map: code = real / scale + zero, rounded half to even and clamped to 0...255.
public struct Quantisation: Sendable, Equatable {
    /// The distance between the numbers of neighbouring codes, positive.
    public let scale: Float
    /// The code of the number 0.
    public let zero: UInt8

    /// Takes the scale, which must be positive and finite, and the code of 0.
    public init(scale: Float, zero: UInt8) {
        precondition(scale > 0 && scale.isFinite, "a scale of \(scale)")
        self.scale = scale
        self.zero = zero
    }

    /// Spreads the codes over `range`, extended to contain 0. A range of only 0 gets the scale 1 / 255.
    public init(covering range: ClosedRange<Float>) {
        let low = min(range.lowerBound, 0), high = max(range.upperBound, 0)
        let scale = (high - low) / 255
        guard scale >= .leastNormalMagnitude, scale.isFinite else {
            self.init(scale: 1 / 255, zero: 0)
            return
        }
        self.init(
            scale: scale,
            zero: UInt8(min(max((-low / scale).rounded(.toNearestOrEven), 0), 255)))
    }

    /// The smallest and the largest number that have a code of their own.
    public var range: ClosedRange<Float> { real(0)...real(255) }

    /// Returns the code of `real`; NaN counts as the smallest number.
    public func code(_ real: Float) -> UInt8 { clamped(real / scale) }

    /// Returns the code of the number `sum` · (its scale), where `factor` = (its scale) / `scale`.
    public func code(_ sum: Int32, times factor: Float) -> UInt8 { clamped(Float(sum) * factor) }

    /// Returns the number of `code`.
    public func real(_ code: UInt8) -> Float { Float(offset(code)) * scale }

    /// Returns `code` - `zero`.
    public func offset(_ code: UInt8) -> Int32 { Int32(code) - Int32(zero) }

    private func clamped(_ quotient: Float) -> UInt8 {
        let low = -Float(zero), high = 255 - Float(zero)
        // `maximum` returns `low` for NaN, unlike `max`.
        let inside = Float.minimum(Float.maximum(quotient, low), high)
        return UInt8(Int32(inside.rounded(.toNearestOrEven)) + Int32(zero))
    }
}

/// A function of single numbers, which becomes a table of codes.
public enum CodeFunction: Sendable, Equatable {
    /// x · hardSigmoid(x).
    case hSwish
    /// x / 6 + 1/2, between 0 and 1.
    case hardSigmoid

    /// Returns the value at `x`, in the order of operations of ONNX's function bodies.
    public func callAsFunction(_ x: Float) -> Float {
        let gate = min(max(Float(1) / 6 * x + 0.5, 0), 1)
        return self == .hSwish ? x * gate : gate
    }

    /// Returns the output's code for each of the 256 codes of the input.
    public func table(from input: Quantisation, to output: Quantisation) -> [UInt8] {
        (0...255).map { output.code(self(input.real(UInt8($0)))) }
    }
}

/// How the codes of two maps are added. Products and sums are fused, as in ONNX Runtime's kernel for x86-64 processors:
/// a sum in the middle between two codes is rounded by the last bit.
public struct CodeSum: Sendable, Equatable {
    /// The number to which the codes' products are added, and the factors of both maps' codes.
    public let base, first, second: Float

    /// Prepares the sum of maps with `first` and `second`, whose codes are those of `output`.
    public init(_ first: Quantisation, _ second: Quantisation, to output: Quantisation) {
        self.first = first.scale / output.scale
        self.second = second.scale / output.scale
        base =
            Float(output.zero)
            - (self.second * Float(second.zero)).addingProduct(self.first, Float(first.zero))
    }

    /// Returns the sum's code.
    public func code(_ a: UInt8, _ b: UInt8) -> UInt8 {
        let sum = base.addingProduct(Float(b), second).addingProduct(Float(a), first)
        return UInt8(min(max(sum.rounded(.toNearestOrEven), 0), 255))
    }
}

/// How the codes of two maps are multiplied.
public struct CodeProduct: Sendable, Equatable {
    /// The codes of 0 of both factors and of the product.
    public let first, second, zero: UInt8
    /// (first scale · second scale) / output scale.
    public let factor: Float

    /// Prepares the product of maps with `first` and `second`, whose codes are those of `output`.
    public init(_ first: Quantisation, _ second: Quantisation, to output: Quantisation) {
        self.first = first.zero
        self.second = second.zero
        zero = output.zero
        factor = first.scale * second.scale / output.scale
    }

    /// Returns the product's code.
    public func code(_ a: UInt8, _ b: UInt8) -> UInt8 {
        let product = (Int32(a) - Int32(first)) * (Int32(b) - Int32(second))
        let sum = Float(product) * factor + Float(zero)
        return UInt8(min(max(sum.rounded(.toNearestOrEven), 0), 255))
    }
}
