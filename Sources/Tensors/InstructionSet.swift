// Which build of the kernels runs: the fastest that the processor can, or the one that OFA_ISA names.

import CKernels
import Foundation
import Intake

/// One build of the kernels.
public struct InstructionSet: @unchecked Sendable, CustomStringConvertible {
    // Safe because the table is a constant of the C library, never written and never freed.
    let table: UnsafePointer<ofa_kernels>

    /// Every name that some processor has, slowest first; "scalar" is the oracle.
    public static let names = ["scalar", "vector4", "avx2", "avx512"]

    /// The builds that this processor can run, slowest first.
    public static var available: [InstructionSet] { names.compactMap { InstructionSet(named: $0) } }

    private init?(named name: String) {
        guard let table = ofa_kernels_named(name) else { return nil }
        self.table = table
    }

    /// The build called `name`; one that this processor cannot run is an error that lists those it can.
    public static func named(_ name: String) throws -> InstructionSet {
        if let set = InstructionSet(named: name) { return set }
        let can = available.map(\.description).joined(separator: ", ")
        throw TensorError(
            .unsupportedInstructionSet,
            "OFA_ISA: '\(Shown.excerpt(name))' cannot run on this machine",
            remedy: "set one of \(can), or unset it")
    }

    /// What OFA_ISA names, or the fastest.
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
