// Which subnets are measured: different ones, from small to large.
import Networks
import Testing

@testable import Search

@Suite struct SubnetSamplingTests {
    @Test(
        "sampled subnets are distinct and cover the range of MACs",
        arguments: [SearchSpace.fashion.name, "ofa-mbv3-w1.0"])
    func stratified(name: String) throws {
        let space = try SearchSpace.named(name), count = 200
        let chosen = try SubnetSampling.stratified(space, count: count, seed: 3)
        #expect(chosen.count == count && Set(chosen).count == count)
        for config in chosen { try space.validate(config) }
        for resolution in space.resolutions {
            for var end in [space.largest, space.smallest] {
                end.resolution = resolution
                #expect(chosen.contains(end))
            }
        }
        let drawn = try chosen.dropFirst(2 * space.resolutions.count).map {
            try NetworkCost(space, $0).macs
        }
        let (low, high) = (
            try NetworkCost(space, space.smallest).macs, try NetworkCost(space, space.largest).macs
        )
        #expect(drawn == drawn.sorted() && drawn.allSatisfy { (low...high).contains($0) })
        // One from each of equally likely parts: the steps between neighbours are small.
        let steps = zip(drawn, drawn.dropFirst()).map { $1 - $0 }
        #expect((steps.max() ?? 0) < (high - low) / 8)
        #expect((drawn.last ?? 0) - (drawn.first ?? 0) > (high - low) / 3)
    }

    @Test("the seed decides, and few subnets begin with the ends")
    func seeds() throws {
        let space = SearchSpace.fashion
        let first = try SubnetSampling.stratified(space, count: 40, seed: 3)
        #expect(try SubnetSampling.stratified(space, count: 40, seed: 3) == first)
        #expect(try SubnetSampling.stratified(space, count: 40, seed: 4) != first)
        #expect(
            try SubnetSampling.stratified(space, count: 4, seed: 3) == Array(first.prefix(4)))
    }
}
