// IDX: dimensions are believed only when the bytes agree.
import Datasets
import Testing

@Suite struct IDXTests {
    private func code(_ bytes: [UInt8], rank: Int = 1) -> DatasetError.Code? {
        #expect(throws: DatasetError.self) { try IDX(bytes: bytes, rank: rank, source: "x") }?.code
    }

    @Test("values come with their dimensions")
    func values() throws {
        let idx = try IDX(bytes: Scratch.idx([2, 3, 1], [1, 2, 3, 4, 5, 6]), rank: 3, source: "x")
        #expect(idx.dimensions == [2, 3, 1])
        #expect(idx.values == [1, 2, 3, 4, 5, 6])
    }

    @Test("another magic, type or rank is another format")
    func format() {
        #expect(code([1, 0, 8, 1, 0, 0, 0, 1, 5]) == .wrongFormat)
        #expect(code([0, 0, 13, 1, 0, 0, 0, 1, 5]) == .wrongFormat)
        #expect(code(Scratch.idx([2], [1, 2]), rank: 3) == .wrongFormat)
        let error = #expect(throws: DatasetError.self) {
            try IDX(bytes: Scratch.idx([2], [1, 2]), rank: 3, source: "labels.gz")
        }
        #expect(error?.message.hasPrefix("labels.gz begins with 00000801, not 00000803") == true)
    }

    @Test("too few values are truncated, too many are a contradiction")
    func counts() {
        #expect(code([0, 0]) == .truncated)
        #expect(code([0, 0, 8, 1, 0, 0]) == .truncated)
        #expect(code(Scratch.idx([3], [1, 2])) == .truncated)
        #expect(code(Scratch.idx([1], [1, 2])) == .wrongDimensions)
        #expect(code(Scratch.idx([0], [])) == .wrongDimensions)
        let huge = [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF]
        #expect(code(Scratch.idx(huge, [1]), rank: 3) == .wrongDimensions)
    }
}
