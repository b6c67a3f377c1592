// Maps of 16-bit values: an operator gives on them what it gives on the same values as floats, rounded when written.
import CKernels
import TestSupport
import Testing

@testable import Tensors

/// The nearest 16-bit value, the even one of two that are equally near: found by comparing both neighbours in double.
func nearestHalf(_ value: Float) -> UInt16 {
    let lower = UInt16(value.bitPattern >> 16)
    if value.isNaN { return lower | 0x40 }
    if value.isInfinite { return lower }
    func wide(_ half: UInt16) -> Double {
        let float = Float(bitPattern: UInt32(half) << 16)
        // What is rounded to infinity is nearer to 2^128 than to the largest value.
        return float.isInfinite ? (float < 0 ? -0x1p128 : 0x1p128) : Double(float)
    }
    let below = abs(Double(value) - wide(lower)), above = abs(Double(value) - wide(lower + 1))
    if below == above { return lower % 2 == 0 ? lower : lower + 1 }
    return below < above ? lower : lower + 1
}

func rounded(_ value: Float) -> Float { Float(bitPattern: UInt32(nearestHalf(value)) << 16) }

extension FeatureMap {
    /// The values as floats, whatever the format.
    var floats: [Float] {
        if format == .float32 { return tensor.values }
        let from = UnsafeRawPointer(tensor.pointer)
        return (0..<count).map {
            Float(bitPattern: UInt32(from.load(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
        }
    }

    /// A map of these values, rounded to 16 bits.
    var halved: FeatureMap {
        let other = FeatureMap(
            Storage(count: tensor.count).all, images: images, height: height, width: width,
            channels: channels, format: .bfloat16)
        let to = UnsafeMutableRawPointer(other.tensor.pointer)
        for (i, value) in floats.enumerated() {
            to.storeBytes(of: nearestHalf(value), toByteOffset: 2 * i, as: UInt16.self)
        }
        return other
    }

    /// A map of floats with these values.
    var widened: FeatureMap {
        FeatureMap(
            Tensor(floats), images: images, height: height, width: width, channels: channels)
    }
}

@Suite struct MapFormatTests {
    /// Numbers of all sizes, ties between two 16-bit values, infinities, NaN and denormal numbers.
    private static func numbers(_ count: Int) -> [Float] {
        var stream = RandomStream(seed: 17, count)
        let special: [UInt32] = [
            0, 0x8000_0000, 0x3f80_8000, 0x3f81_8000, 0xbf80_8000, 0x3f80_8001, 0x3f80_7fff,
            0x7f7f_ffff, 0x7f7f_7fff, 0xff7f_8000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000,
            0x7f80_0001, 0xffff_ffff, 1, 0x8000, 0x0001_8000, 0x007f_ffff, 0x8000_8001,
        ]
        return (0..<count).map {
            $0 % 3 == 0
                ? Float(bitPattern: special[$0 / 3 % special.count])
                : Float(bitPattern: UInt32(truncatingIfNeeded: stream.next()))
        }
    }

    @Test("values are rounded to the nearest, ties to even, wherever they begin", arguments: sets)
    func rounding(set: InstructionSet) {
        for count in [1, 5, 31, 32, 33, 64, 100, 700] {
            let values = Self.numbers(count), from = Tensor(values)
            for shift in [0, 1, 2, 7, 31] {
                for all in [count, 1 << 24] {
                    var got = [UInt16](repeating: 0xabcd, count: count + 96)
                    withExtendedLifetime(from) {
                        got.withUnsafeMutableBytes {
                            let to = $0.baseAddress.map { $0 + 2 * (32 + shift) }
                            set.kernels.write_out(
                                from.pointer, Int64(count), Int64(all),
                                ofa_target(values: to, format: MapFormat.bfloat16.code))
                        }
                    }
                    let place = 32 + shift..<32 + shift + count
                    let what = "\(set): \(count) values at \(shift), \(all) in all"
                    #expect(Array(got[place]) == values.map(nearestHalf), "\(what)")
                    let outside = [0..<place.lowerBound, place.upperBound..<got.count].joined()
                    #expect(outside.allSatisfy { got[$0] == 0xabcd }, "\(what)")
                }
            }
        }
    }

    /// The operators that take maps of either format.
    private static let names: Set = [
        "pointwise", "pointwise gradient", "depthwise", "depthwise gradient", "convolution",
        "dense convolution", "passes",
    ]

    @Test(
        "an operator on 16-bit maps gives the bits that it gives on the same floats, rounded where it writes a map",
        arguments: sets)
    func operators(set: InstructionSet) throws {
        let entries = OperatorTable.operators.filter { Self.names.contains($0.name) }
        #expect(entries.count == Self.names.count)
        for entry in entries where !entry.name.hasPrefix("pointwise") || !set.multipliesHalves {
            for (number, item) in entry.cases.enumerated()
            where item.size <= 57 && (number % 5 == 0 || entry.cases.count < 100) {
                let engine = try CPUEngine(threads: item.threads, instructionSet: set)
                func run(_ format: MapFormat) -> OperatorTable.Left {
                    entry.run(
                        OperatorTable.Numbers(
                            engine: engine, item: item, format: format, isRounded: true))
                }
                let half = run(.bfloat16), whole = run(.float32), maps = whole.mapValues
                let expected = whole.values.prefix(maps).map(rounded) + whole.values.dropFirst(maps)
                let what = "\(set) \(entry.name) \(item)"
                #expect(bits(half.values) == bits(expected), "\(what)")
                #expect(half.sums == whole.sums, "\(what)")
            }
        }
    }

    @Test(
        "products of 16-bit factors stay within the rounding of factors and results",
        arguments: sets.filter(\.multipliesHalves))
    func pointwise(set: InstructionSet) throws {
        // Both factors and the result are rounded by at most 2^-8 of their size each; slopes are at most 1.5, and a
        // gradient's value goes through two of them. Sums of squares have twice the error of two factors.
        let each = 4.1 * 1.5 * 1.5 * 0x1p-8
        for entry in OperatorTable.operators where entry.name.hasPrefix("pointwise") {
            for item in entry.cases where item.size <= 28 {
                let engine = try CPUEngine(threads: item.threads, instructionSet: set)
                func run(_ format: MapFormat, isAbsolute: Bool = false) -> OperatorTable.Left {
                    entry.run(
                        OperatorTable.Numbers(
                            engine: engine, item: item, isAbsolute: isAbsolute, format: format,
                            isRounded: true))
                }
                let half = run(.bfloat16), whole = run(.float32)
                let size = run(.float32, isAbsolute: true)
                let what = "\(set) \(entry.name) \(item)"
                let far = firstBeyond(
                    half.values, whole.values, bounds: size.values.map { each * Double($0) })
                #expect(far == nil, "\(what)")
                let off = half.sums.indices.first {
                    !(abs(half.sums[$0] - whole.sums[$0]) <= each * size.sums[$0])
                }
                #expect(off == nil, "\(what)")
                // Another path than that of floats: else this test would show nothing.
                if item.channels % 2 == 0 && item.outChannels % 2 == 0 && item.rows > 1 {
                    #expect(half.sums != whole.sums, "\(what)")
                }
            }
        }
    }

    @Test(
        "a gradient is added to one that is there, in either format", arguments: sets,
        MapFormat.allCases)
    func accumulated(set: InstructionSet, format: MapFormat) throws {
        let item = KernelCase(4, images: 3, size: 7, channels: 8, outChannels: 20)
        let engine = try CPUEngine(threads: 2, instructionSet: set)
        let numbers = OperatorTable.Numbers(
            engine: engine, item: item, format: format, isRounded: true)
        func gradient(accumulate: Bool) -> [Float] {
            let dx = numbers.map(8, 9)
            engine.pointwiseGradient(
                Upstream(numbers.map(20, 0), y: numbers.map(20, 1)), norm: numbers.norm(20, 2),
                input: numbers.map(8, 5),
                weight: MatrixSlice(numbers.tensor(160, 6), rows: 20, columns: 8, stride: 8),
                inputGradient: dx, accumulate: accumulate,
                weightGradient: MatrixSlice(
                    Storage(count: 160).all, rows: 20, columns: 8, stride: 8))
            return dx.floats
        }
        let alone = gradient(accumulate: false), before = numbers.map(8, 9).floats
        // The sum and the gradient alone are rounded to the map's format.
        let relative = format == .bfloat16 ? 0x1p-8 : unit
        let bounds = zip(alone, before).map { 2.1 * relative * Double(abs($0) + abs($1)) }
        let far = firstBeyond(
            gradient(accumulate: true), zip(alone, before).map { $0 + $1 }, bounds: bounds)
        #expect(far == nil)
    }
}
