// Rows of sums, with every instruction set, against the definition.
import Testing

@testable import Tensors

@Suite struct SumRowsTests {
    @Test("a row is raised to what another has further down, where that is larger", arguments: sets)
    func maxPlus(set: InstructionSet) throws {
        for width in [1, 3, 16, 17, 100] {
            for places in [0, 1, 2, 15, 99, 200] {
                let rows = try SumRows(count: 3, width: width, instructionSet: set)
                rows.fill(2, with: 7)
                for place in 0..<width {
                    rows[0, place] = Float(place * 37 % 11)
                    rows[1, place] = Float(place * 53 % 13)
                }
                rows.maxPlus(1, from: 0, by: places, plus: 1.5)
                for place in 0..<width {
                    let old = Float(place * 53 % 13)
                    let moved =
                        place < places ? old : Float((place - places) * 37 % 11) + 1.5
                    #expect(rows[1, place] == max(old, moved), "\(set), \(width), \(places)")
                    #expect(rows[0, place] == Float(place * 37 % 11) && rows[2, place] == 7)
                }
            }
        }
    }
}
