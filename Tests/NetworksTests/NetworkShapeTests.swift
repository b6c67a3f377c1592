// Geometry: block numbers, feature sizes, skips and squeeze-and-excite widths.
import Networks
import Testing

@Suite struct NetworkShapeTests {
    @Test("blocks are numbered as in the supernet, with gaps where layers are skipped")
    func numbering() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        var config = space.largest
        config.depths = [2, 3, 4, 2, 2]
        let shape = try NetworkShape(space, config)
        #expect(shape.blocks.map(\.number) == [0, 1, 2, 5, 6, 7, 9, 10, 11, 12, 13, 14, 17, 18])
        #expect(shape.blocks.map { $0.stage ?? -1 } == [-1, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4])
    }

    @Test("feature sizes follow the strides, odd sizes included")
    func sizes() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        var config = space.largest
        config.resolution = 33
        let shape = try NetworkShape(space, config)
        #expect(shape.convolutions[0].outSize == 17)
        #expect(shape.blocks[0].outSize == 17)
        let firsts = [1, 5, 9, 13, 17].map { shape.blocks[$0] }
        #expect(firsts.map(\.outSize) == [9, 5, 3, 3, 2])
        #expect(firsts.map(\.hasSkip) == [false, false, false, false, false])
        #expect(shape.convolutions[1].inSize == 2)
    }

    @Test(
        "the first block has no expansion and a skip; squeeze-and-excite is a quarter of the middle"
    )
    func blocks() throws {
        let shape = try NetworkShape(
            SearchSpace.named("ofa-mbv3-w1.0"), SearchSpace.named("ofa-mbv3-w1.0").largest)
        #expect(!shape.blocks[0].hasExpansion)
        #expect(shape.blocks[0].hasSkip)
        #expect(shape.blocks[2].hasSkip)
        #expect(shape.blocks[1].seHidden == nil)
        #expect(shape.blocks[5].middleWidth == 144)
        #expect(shape.blocks[5].seHidden == 40)
        #expect(shape.blocks[1].activation == .relu)
        #expect(shape.blocks[9].activation == .hSwish)
    }

    @Test("the first layer of a stage skips when neither width nor size changes")
    func fashionSkip() throws {
        let shape = try NetworkShape(.fashion, SearchSpace.fashion.largest)
        #expect(shape.convolutions[0].inWidth == 1)
        #expect(shape.blocks[1].hasSkip)
        #expect(!shape.blocks[4].hasSkip)
        #expect(shape.convolutions[1].inSize == 4)
    }

    @Test("an invalid gene is refused before anything is resolved")
    func invalid() {
        var config = SearchSpace.fashion.largest
        config.kernelSizes[0] = 4
        #expect(throws: NetworkError.self) { try NetworkShape(.fashion, config) }
    }
}
