// The instruction set of the kernels: the set that OFA_ISA names, or else the widest that the
// processor supports.

import CKernels
import Foundation
import Intake

/// The kernels compiled for one instruction set.
public struct InstructionSet: @unchecked Sendable, CustomStringConvertible {
    // Safe because the table is a constant of the C library, never written and never freed.
    let table: UnsafePointer<ofa_kernels>
    /// The products of 16-bit values that this processor has with the set; nil if it has none.
    var pairs: UnsafePointer<ofa_pairs>? { ofa_pairs_named(table.pointee.name) }
    /// Whether products of 16-bit maps multiply 16-bit values; otherwise these are widened and multiplied as floats.
    public var multipliesHalves: Bool { pairs != nil }

    /// The names of all instruction sets, by width of vectors; "scalar" is the reference with which tests compare the
    /// others.
    public static let names = ["scalar", "vector4", "avx2", "avx512"]

    /// The instruction sets that this processor supports, by width of vectors.
    public static var available: [InstructionSet] { names.compactMap { InstructionSet(named: $0) } }

    private init?(named name: String) {
        guard let table = ofa_kernels_named(name) else { return nil }
        self.table = table
    }

    /// Returns the instruction set called `name`. Errors: `TensorError`
    /// `unsupportedInstructionSet`, with a list of the supported sets, if this processor lacks the
    /// set.
    public static func named(_ name: String) throws -> InstructionSet {
        if let set = InstructionSet(named: name) { return set }
        let can = available.map(\.description).joined(separator: ", ")
        throw TensorError(
            .unsupportedInstructionSet,
            "OFA_ISA: '\(Shown.excerpt(name))' cannot run on this machine",
            remedy: "set one of \(can), or unset it")
    }

    /// Returns the instruction set that OFA_ISA names or, if OFA_ISA is unset or empty, the widest.
    /// Errors: `TensorError` `unsupportedInstructionSet`.
    public static func fromEnvironment() throws -> InstructionSet {
        if let name = ProcessInfo.processInfo.environment["OFA_ISA"], !name.isEmpty {
            return try named(name)
        }
        return InstructionSet(table: ofa_kernels_best())
    }

    private init(table: UnsafePointer<ofa_kernels>) { self.table = table }

    /// The name of the set.
    public var description: String { String(cString: table.pointee.name) }
    /// Floats in a vector.
    public var lanes: Int { Int(table.pointee.lanes) }
}
