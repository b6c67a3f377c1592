// Arrays that show who reads or writes outside of them, and what every test of a kernel by itself shares.
import CKernels
import TestSupport

@testable import Tensors

/// An array of floats between borders of NaN: a write outside changes a border, a read outside spoils a result.
final class Bordered {
    private let memory: UnsafeMutablePointer<Float>
    private let start: Int
    /// How many floats lie between the borders.
    let count: Int
    private static let border = 64
    private static let mark = Float(bitPattern: 0x7fc0_5eed)

    /// Holds `values`, `shift` floats off an alignment of 64 bytes.
    init(_ values: [Float], shift: Int = 0) {
        count = values.count
        start = Self.border + shift
        let total = start + count + Self.border
        let raw = UnsafeMutableRawPointer.allocate(byteCount: 4 * total, alignment: 64)
        memory = raw.bindMemory(to: Float.self, capacity: total)
        memory.initialize(repeating: Self.mark, count: total)
        (memory + start).update(from: values, count: count)
    }

    /// Room for a result: NaN until it is written.
    convenience init(count: Int, shift: Int = 0) {
        self.init([Float](repeating: Self.mark, count: count), shift: shift)
    }

    deinit { memory.deallocate() }

    var pointer: UnsafeMutablePointer<Float> { memory + start }
    var constant: UnsafePointer<Float> { UnsafePointer(pointer) }
    var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

    /// Whether both borders are as they were.
    var isIntact: Bool {
        let outside = [0..<start, start + count..<start + count + Self.border].joined()
        return outside.allSatisfy { memory[$0].bitPattern == Self.mark.bitPattern }
    }
}

/// Numbers for tests that draw their own shapes; the seed is printed with every failure.
struct Draws: CustomStringConvertible {
    let seed: Int
    private var stream: RandomStream

    init(_ seed: Int) {
        self.seed = seed
        stream = RandomStream(seed: 1_000_003, seed)
    }

    var description: String { "seed \(seed)" }

    /// A number of `range`.
    mutating func integer(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &stream) }
    /// `count` numbers in -1..<1.
    mutating func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in 2 * stream.uniform() - 1 }
    }
    /// `count` numbers of size 0.5..<1.5, of either sign.
    mutating func factors(_ count: Int) -> [Float] {
        values(count).map { $0 < 0 ? $0 - 0.5 : $0 + 0.5 }
    }
    /// One of `choices`.
    mutating func one<Choice>(of choices: [Choice]) -> Choice {
        choices[integer(0...choices.count - 1)]
    }
}

extension InstructionSet {
    /// The plain loops that the others are compared with.
    static var oracle: InstructionSet { sets[0] }
    var kernels: ofa_kernels { table.pointee }
}

/// The bits of numbers, which tell NaN from NaN and 0 from -0.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
