// Which build of the kernels runs.
import Foundation
import Testing

@testable import Tensors

@Suite struct InstructionSetTests {
    @Test("the oracle and the four-lane build run everywhere, slowest first")
    func available() {
        let names = InstructionSet.available.map(\.description)
        #expect(names.prefix(2) == ["scalar", "vector4"])
        #expect(names == InstructionSet.names.filter(names.contains))
        #expect(
            InstructionSet.available.map(\.lanes) == InstructionSet.available.map(\.lanes).sorted())
    }

    @Test(
        "a name that no build has is an error naming those that can run",
        arguments: ["avx3", "AVX2", ""])
    func unknown(name: String) {
        let error = #expect(throws: TensorError.self) { try InstructionSet.named(name) }
        #expect(error?.code == .unsupportedInstructionSet)
        for set in InstructionSet.available {
            #expect(error?.message.contains(set.description) == true)
        }
        #expect(error?.message.contains("OFA_ISA: '\(name)'") == true)
    }

    @Test("without a wish the fastest build runs")
    func fastest() throws {
        guard ProcessInfo.processInfo.environment["OFA_ISA"] == nil else { return }
        #expect(
            try InstructionSet.fromEnvironment().description
                == InstructionSet.available.last?.description)
    }
}
