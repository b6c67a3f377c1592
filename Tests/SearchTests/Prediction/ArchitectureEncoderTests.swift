// Features: one kernel and one ratio a layer, nothing for skipped layers, one resolution.
import Networks
import TestSupport
import Testing

@testable import Search

@Suite struct ArchitectureEncoderTests {
    @Test("the published layout has 128 features: 60 kernels, 60 ratios, 8 resolutions")
    func published() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.2")
        let encoder = ArchitectureEncoder.published(space)
        #expect(encoder.featureCount == 128)
        var config = space.smallest
        config.resolution = 160
        config.kernelSizes[1] = 7
        config.expandRatios[19] = 6
        config.depths = [2, 2, 2, 2, 4]
        // The smallest network skips these: their genes are 0 until they are set.
        (config.kernelSizes[18], config.kernelSizes[19], config.expandRatios[18]) = (3, 3, 3)
        let active = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 18, 19]
        let expected =
            active.map { 3 * $0 + ($0 == 1 ? 2 : 0) }
            + active.map { 60 + 3 * $0 + ($0 == 19 ? 2 : 0) } + [120 + 3]
        #expect(Set(try encoder.ones(config)) == Set(expected))
    }

    @Test("genes of skipped layers do not matter")
    func skipped() throws {
        let encoder = ArchitectureEncoder(tinySpace)
        var config = tinySpace.largest
        config.depths = [1, 2]
        let ones = try encoder.ones(config)
        config.kernelSizes[1] = 3
        #expect(try encoder.ones(config) == ones)
        #expect(try encoder.ones(tinySpace.canonical(config)) == ones)
        let matrix = try encoder.features([config, tinySpace.smallest])
        #expect(matrix.rows == 2)
        #expect(matrix.values[..<encoder.featureCount].reduce(0, +) == Float(ones.count))
    }

    @Test("what has no feature is refused by name")
    func refused() {
        let encoder = ArchitectureEncoder(tinySpace)
        func message(_ change: (inout SubnetConfig) -> Void) -> String {
            var config = tinySpace.largest
            change(&config)
            return #expect(throws: SearchError.self) { try encoder.ones(config) }?.message ?? ""
        }
        #expect(message { $0.resolution = 20 } == "r is 20; the predictor knows 16, 24")
        #expect(message { $0.kernelSizes[2] = 7 } == "ks[2] is 7; the predictor knows 3, 5")
        #expect(message { $0.depths = [1] }.contains("not one of space tiny"))
    }
}
