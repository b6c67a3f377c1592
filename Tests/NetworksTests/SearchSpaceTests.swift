// The published search spaces: their counts, widths, and what they refuse.
import Foundation
import Networks
import Tensors
import Testing

@Suite struct SearchSpaceTests {
    @Test(
        "makeDivisible rounds to multiples of 8, never below 90 percent",
        arguments: [
            (4.0, 8), (5.6, 8), (10.0, 16), (11.9, 16), (20.0, 24), (19.2, 24), (28.8, 32),
            (12.0, 16),
            (91.0, 88), (97.0, 96), (134.4, 136), (1152.0, 1152),
        ])
    func divisible(value: Double, expected: Int) {
        #expect(SearchSpace.makeDivisible(value) == expected)
    }

    @Test("the width 1.2 space has the published widths")
    func widths() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let shape = try NetworkShape(space, space.largest)
        #expect(shape.convolutions.map(\.outWidth) == [24, 1152])
        #expect(shape.blocks[0].outWidth == 24)
        #expect([1, 5, 9, 13, 17].map { shape.blocks[$0].outWidth } == [32, 48, 96, 136, 192])
        #expect(shape.layers.suffix(2).map(\.outWidth) == [1536, 1000])
    }

    @Test("the published space holds 21758655492572485851 architectures")
    func count() throws {
        #expect(try SearchSpace.named("ofa-mbv3-w1.0").architectureCount == "21758655492572485851")
        #expect(try SearchSpace.named("ofa-mbv3-w1.2").architectureCount == "21758655492572485851")
        #expect(try SearchSpace.named("fashion-mbv3").architectureCount == "531441000")
    }

    @Test("a count above 2^128 is an error")
    func countOverflow() throws {
        var space = try SearchSpace.named("ofa-mbv3-w1.0")
        space.layers.insert(contentsOf: space.layers[2..<7], at: 2)
        let error = #expect(throws: NetworkError.self) { try space.architectureCount }
        #expect(error?.code == .overflow)
    }

    @Test("an unknown space lists the names there are")
    func unknown() {
        let error = #expect(throws: NetworkError.self) { try SearchSpace.named("ofa-mbv9") }
        #expect(error?.code == .unknownSpace)
        for space in SearchSpace.published {
            #expect(error?.message.contains(space.name) == true)
        }
    }

    @Test("a wrong kernel is named with its place and the values allowed")
    func wrongKernel() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        var config = space.largest
        config.kernelSizes[3] = 4
        let error = #expect(throws: NetworkError.self) { try space.validate(config) }
        #expect(error?.code == .invalidGene)
        #expect(error?.message == "ks[3] is 4; space ofa-mbv3-w1.0 allows 3, 5, 7")
    }

    @Test("wrong ratios, depths, lengths and resolutions are named")
    func wrongGenes() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        func message(_ change: (inout SubnetConfig) -> Void) -> String {
            var config = space.largest
            change(&config)
            return #expect(throws: NetworkError.self) { try space.validate(config) }?.message ?? ""
        }
        #expect(message { $0.expandRatios[19] = 5 }.hasPrefix("e[19] is 5; "))
        #expect(message { $0.depths[1] = 1 }.hasPrefix("d[1] is 1; "))
        #expect(message { $0.kernelSizes.removeLast() }.hasPrefix("ks has 19 values; "))
        #expect(message { $0.expandRatios = [] }.hasPrefix("e has 0 values; "))
        #expect(message { $0.depths.append(2) }.hasPrefix("d has 6 values; "))
        #expect(message { $0.resolution = 130 }.contains("128…224 step 4"))
        #expect(message { $0.resolution = 0 }.contains("1 to 4096"))
    }

    @Test("a skipped layer may hold 0, an active one may not")
    func skippedGenes() throws {
        let space = try SearchSpace.named("fashion-mbv3")
        var config = space.largest
        config.depths[0] = 2
        try space.validate(space.canonical(config))
        #expect(space.canonical(config).kernelSizes == [7, 7, 0, 7, 7, 7, 7, 7, 7])
        config.kernelSizes[1] = 0
        #expect(throws: NetworkError.self) { try space.validate(config) }
    }

    @Test("samples are valid, repeat with the seed and reach every value")
    func samples() throws {
        let space = try SearchSpace.named("fashion-mbv3")
        var generator = RandomStream(seed: 7)
        let first = (0..<200).map { _ in space.sample(using: &generator) }
        var again = RandomStream(seed: 7)
        #expect(first == (0..<200).map { _ in space.sample(using: &again) })
        for config in first { try space.validate(config) }
        // Genes of skipped layers are 0.
        #expect(Set(first.flatMap(\.kernelSizes)) == [0, 3, 5, 7])
        #expect(Set(first.flatMap(\.expandRatios)) == [0, 3, 4, 6])
        #expect(Set(first.flatMap(\.depths)) == [2, 3])
        #expect(Set(first.map(\.resolution)) == [20, 24, 28])
    }

    @Test("a space survives JSON")
    func json() throws {
        for space in SearchSpace.published {
            let data = try JSONEncoder().encode(space)
            #expect(try JSONDecoder().decode(SearchSpace.self, from: data) == space)
        }
    }

    @Test("the coupled space holds 243 networks whose ratios go with their depths")
    func coupled() throws {
        let space = try SearchSpace.named("compofa-mbv3-w1.0")
        #expect(try space.architectureCount == "243")
        let largest = space.largest
        #expect(largest.expandRatios == Array(repeating: 6, count: 20))
        #expect(largest.kernelSizes == [3, 5, 3, 3, 5].flatMap { Array(repeating: $0, count: 4) })
        var config = space.smallest
        #expect(config.expandRatios == (0..<20).map { $0 % 4 < 2 ? 3 : 0 })
        try space.validate(config)
        config.expandRatios[0] = 4
        let error = #expect(throws: NetworkError.self) { try space.validate(config) }
        #expect(error?.message == "e[0] is 4; space compofa-mbv3-w1.0 allows 3")
        try space.uncoupled.validate(config)
        #expect(space.canonical(config) == space.smallest)
        let json = try JSONEncoder().encode(space)
        #expect(try JSONDecoder().decode(SearchSpace.self, from: json) == space)
    }
}
