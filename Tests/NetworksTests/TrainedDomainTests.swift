// What a supernet was trained for, and the part of a space that this leaves.
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct TrainedDomainTests {
    private let space = SearchSpace.tiny()

    @Test("phases add up; what lies outside is named with what was trained")
    func union() {
        let full = TrainedDomain(
            kernelSizes: [7], expandRatios: [4], depths: [2], resolutions: [10])
        let kernel = TrainedDomain(
            kernelSizes: [7, 3], expandRatios: [4], depths: [2], resolutions: [8])
        let both = full.union(kernel)
        #expect(both.kernelSizes == [3, 7] && both.resolutions == [8, 10])
        #expect(both.union(full) == both)
        var config = space.largest
        #expect(both.outside(config, in: space) == nil)
        config.kernelSizes[1] = 5
        #expect(both.outside(config, in: space) == "ks[1] is 5; trained values are 3, 7")
        config = space.largest
        config.depths[1] = 1
        #expect(both.outside(config, in: space) == "d[1] is 1; trained values are 2")
        // Genes of skipped layers are no genes of the network.
        config.depths[1] = 2
        config.resolution = 9
        #expect(both.outside(config, in: space) == "r is 9; trained values are 8, 10")
    }

    @Test("the domain of networks has the genes that occur in active layers")
    func covering() throws {
        let domain = try TrainedDomain(covering: [space.largest, space.smallest], of: space)
        #expect(domain.kernelSizes == [3, 7] && domain.depths == [1, 2])
        #expect(
            domain.resolutions == [
                space.resolutions[0], space.resolutions[space.resolutions.count - 1],
            ])
        let one = try TrainedDomain(covering: [space.smallest], of: space)
        #expect(one.kernelSizes == [3] && one.outside(space.smallest, in: space) == nil)
        #expect(one.outside(space.largest, in: space) != nil)
        #expect(throws: NetworkError.self) { try TrainedDomain(covering: [], of: space) }
    }

    @Test("networks of a restricted space are networks of the whole, in the same places")
    func restricted() throws {
        let domain = TrainedDomain(
            kernelSizes: [3, 5], expandRatios: [3], depths: [1], resolutions: [8])
        let small = try space.restricted(to: domain)
        #expect(small.layerCount == space.layerCount && small.networkCount == 4)
        var generator = RandomStream(seed: 1)
        for _ in 0..<20 {
            let config = small.sample(using: &generator)
            try space.validate(config)
            try small.validate(config)
            #expect(domain.outside(config, in: space) == nil)
        }
        #expect(small.largest.kernelSizes == [5, 0, 5, 0] && small.largest.depths == [1, 1])
        #expect(try space.restricted(to: TrainedDomain(space)) == space)
        #expect(throws: NetworkError.self) {
            try space.restricted(
                to: TrainedDomain(
                    kernelSizes: [9], expandRatios: [3], depths: [1], resolutions: [8]))
        }
    }

    @Test("coupled genes stay those of their depths where depths are left out")
    func coupled() throws {
        for space in SearchSpace.published where space.coupling != nil {
            var domain = TrainedDomain(space)
            domain.depths.removeFirst()
            let small = try space.restricted(to: domain)
            for config in [small.smallest, small.largest] {
                try space.validate(config)
                #expect(domain.outside(config, in: space) == nil)
            }
            #expect(small.smallest.depths.allSatisfy { $0 == domain.depths[0] })
        }
    }
}
