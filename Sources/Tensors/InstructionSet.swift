// The instruction set of the kernels: the fastest that the processor supports, or the one in
// OFA_ISA.

import CKernels
import Foundation
import Intake

/// The kernels compiled for one instruction set.
public struct InstructionSet: @unchecked Sendable, CustomStringConvertible {
    // Safe because the table is a constant of the C library, never written and never freed.
    let table: UnsafePointer<ofa_kernels>

    /// All names, slowest first; "scalar" is the oracle.
    public static let names = ["scalar", "vector4", "avx2", "avx512"]

    /// The instruction sets that this processor supports, slowest first.
    public static var available: [InstructionSet] { names.compactMap { InstructionSet(named: $0) } }

    private init?(named name: String) {
        guard let table = ofa_kernels_named(name) else { return nil }
        self.table = table
    }

    /// The instruction set called `name`. Errors: `TensorError` listing the supported ones if this
    /// processor lacks it.
    public static func named(_ name: String) throws -> InstructionSet {
        if let set = InstructionSet(named: name) { return set }
        let can = available.map(\.description).joined(separator: ", ")
        throw TensorError(
            .unsupportedInstructionSet,
            "OFA_ISA: '\(Shown.excerpt(name))' cannot run on this machine",
            remedy: "set one of \(can), or unset it")
    }

    /// The instruction set in OFA_ISA, or the fastest.
    public static func fromEnvironment() throws -> InstructionSet {
        if let name = ProcessInfo.processInfo.environment["OFA_ISA"], !name.isEmpty {
            return try named(name)
        }
        return InstructionSet(table: ofa_kernels_best())
    }

    private init(table: UnsafePointer<ofa_kernels>) { self.table = table }

    /// Its name.
    public var description: String { String(cString: table.pointee.name) }
    /// Floats in a vector.
    public var lanes: Int { Int(table.pointee.lanes) }
}
