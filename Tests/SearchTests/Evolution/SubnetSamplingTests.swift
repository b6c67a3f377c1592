// Which subnets are measured first: different ones, of all image sizes, from small to large.
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct SubnetSamplingTests {
    private func macs(_ configs: some Sequence<SubnetConfig>, _ space: SearchSpace) throws -> [Int]
    {
        try configs.map { try NetworkCost(space, $0).macs }.sorted()
    }

    @Test(
        "sampled subnets are distinct, begin with the ends of the lowest and the highest size, and leave no gap",
        arguments: [SearchSpace.fashion.name, "ofa-mbv3-w1.0", "compofa-mbv3-w1.0"])
    func stratified(name: String) throws {
        let space = try SearchSpace.named(name), count = 200
        let chosen = try SubnetSampling.stratified(space, count: count, seed: 3)
        #expect(chosen.count == count && Set(chosen).count == count)
        for config in chosen { try space.validate(config) }
        let ends = try [#require(space.resolutions.first), #require(space.resolutions.last)]
            .flatMap { size in
                [space.largest, space.smallest].map {
                    var end = $0
                    end.resolution = size
                    return end
                }
            }
        #expect(Array(chosen.prefix(4)) == ends)
        // Every size has its share of the rest.
        let share = (count - 4) / space.resolutions.count
        for size in space.resolutions {
            #expect(
                (share...share + 1).contains(chosen.dropFirst(4).count { $0.resolution == size }))
        }
        let all = try macs(chosen, space), range = all[count - 1] - all[0]
        #expect(all.first == (try NetworkCost(space, space.smallest).macs))
        #expect(all.last == (try NetworkCost(space, space.largest).macs))
        // The ends lie apart from the rest, where hardly any network is; between them there is no gap.
        let steps = zip(all.dropFirst(), all.dropFirst(2).dropLast()).map { $1 - $0 }
        #expect((steps.max() ?? 0) < range / 8)
    }

    @Test(
        "forty subnets of 25 sizes cover every size and the range of MACs at small and at large sizes"
    )
    func prefix() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        let chosen = try SubnetSampling.stratified(space, count: 200, seed: 3)
        let forty = chosen.prefix(40)
        #expect(Set(forty.map(\.resolution)) == Set(space.resolutions))
        // Genes are spread, and not those of the ends.
        #expect(forty.count { Set($0.kernelSizes).count == 1 } <= 4)
        // Every tenth of the networks' MACs, as random networks have them, is met by 2 to 6 of 36.
        var random: [SubnetConfig] = [], stream = RandomStream(seed: 9)
        for _ in 0..<2000 { random.append(space.sample(using: &stream)) }
        let borders = try macs(random, space)
        var counts = [Int](repeating: 0, count: 10)
        for one in try macs(forty.dropFirst(4), space) {
            let rank = borders.firstIndex { $0 >= one } ?? borders.count - 1
            counts[min(9, rank * 10 / borders.count)] += 1
        }
        #expect(counts.allSatisfy { (1...7).contains($0) }, "\(counts)")
        // A size's own networks are spread over its MACs: of eight of a size both halves get three at least.
        for size in space.resolutions {
            let own = chosen.dropFirst(4).filter { $0.resolution == size }
            let at = try macs(
                random.map {
                    var config = $0
                    config.resolution = size
                    return config
                }, space)
            let low = try macs(own, space).count { $0 < at[at.count / 2] }
            #expect((own.count / 2 - 2...own.count / 2 + 2).contains(low), "\(size): \(low)")
        }
    }

    @Test("the seed decides, and a longer list begins with a shorter one")
    func seeds() throws {
        for space in [SearchSpace.fashion, try .named("compofa-mbv3-w1.0")] {
            let first = try SubnetSampling.stratified(space, count: 40, seed: 3)
            #expect(try SubnetSampling.stratified(space, count: 40, seed: 3) == first)
            #expect(
                try SubnetSampling.stratified(space, count: 12, seed: 3) == Array(first.prefix(12)))
            if space.coupling == nil {
                #expect(try SubnetSampling.stratified(space, count: 40, seed: 4) != first)
            }
        }
    }

    @Test("a small space is sampled to its last network, and never one twice")
    func all() throws {
        let count = tinyNetworks.count
        let all = try SubnetSampling.stratified(tinySpace, count: count, seed: 1)
        #expect(Set(all) == Set(tinyNetworks) && all.count == count)
        #expect(try SubnetSampling.stratified(tinySpace, count: count + 50, seed: 1).count == count)
        var one = tinySpace
        one.resolutions = [16]
        let few = try SubnetSampling.stratified(one, count: 12, seed: 1)
        #expect(Set(few).count == 12 && few.prefix(2) == [one.largest, one.smallest])
    }
}
