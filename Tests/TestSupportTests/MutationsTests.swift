// The mutator of the fuzz tests: repeatable case by case, and it finds what it should.

import TestSupport
import Testing

@Suite struct MutationsTests {
    private struct Refused: Error, CustomStringConvertible {
        let description: String
    }

    private let mutations = Mutations("mutations-tests", of: ["key: 1\nother: 2\n", "[1, 2]"])

    @Test("a case depends on the seed and its number alone")
    func repeatable() {
        let again = Mutations("again", of: ["key: 1\nother: 2\n", "[1, 2]"])
        let other = Mutations("other", of: ["key: 1\nother: 2\n", "[1, 2]"], seed: 17)
        for number in [0, 7, 99_999] {
            #expect(mutations.input(number) == again.input(number))
        }
        #expect((0..<50).contains { mutations.input($0) != other.input($0) })
        #expect(Set((0..<1000).map { mutations.input($0) }).count > 700)
    }

    @Test("errors of the stated type pass; another type, and one without a message, name the case")
    func found() throws {
        try mutations.run(200, throwing: Refused.self) { _ in throw Refused(description: "no") }
        let silent = #expect(throws: MutationFailure.self) {
            try mutations.run(200, throwing: Refused.self) { _ in throw Refused(description: "") }
        }
        #expect(silent?.description.contains("seed 16, case 0: Refused") == true)
        let bare = #expect(throws: MutationFailure.self) {
            try mutations.run(2000, throwing: Refused.self) { input in
                if input.contains(0) { throw CancellationError() }
            }
        }
        #expect(bare?.description.contains("CancellationError") == true)
    }
}
