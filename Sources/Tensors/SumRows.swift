// Rows of sums for dynamic programming over costs: each element is the largest sum found so far for its cost.
// Everything runs on the caller's thread.

import CKernels

/// Rows of sums, all of the same width. Only one thread at a time may use this object.
public final class SumRows {
    /// Number of sums per row.
    public let width: Int
    private let table: UnsafePointer<ofa_kernels>
    private let sums: Storage

    /// Makes `count` rows of `width` zeros. Errors: `TensorError` `unsupportedInstructionSet`, if
    /// OFA_ISA names a set that this machine lacks.
    public init(count: Int, width: Int, instructionSet: InstructionSet? = nil) throws {
        table = try (instructionSet ?? InstructionSet.fromEnvironment()).table
        self.width = width
        sums = Storage(count: count * width)
    }

    /// The sum at `place` of row `row`.
    public subscript(row: Int, place: Int) -> Float {
        get {
            precondition((0..<width).contains(place), "place \(place) of rows of \(width)")
            return sums.all[row * width + place]
        }
        set {
            precondition((0..<width).contains(place), "place \(place) of rows of \(width)")
            sums.all[row * width + place] = newValue
        }
    }

    /// Sets every sum of row `row`.
    public func fill(_ row: Int, with value: Float) {
        sums.all.slice(row * width, width).fill(with: value)
    }

    /// Sets row[i + places] = max(row[i + places], other[i] + value) for every i with i + places <
    /// `width`.
    public func maxPlus(_ row: Int, from other: Int, by places: Int, plus value: Float) {
        precondition(places >= 0, "sums move up, not by \(places) places")
        guard places < width else { return }
        let from = sums.all.slice(other * width, width), to = sums.all.slice(row * width, width)
        table.pointee.max_plus(
            from.pointer, value, Int64(width - places), to.pointer + places)
    }
}
