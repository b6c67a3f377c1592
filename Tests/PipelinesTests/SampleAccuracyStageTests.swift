// Which subnets are measured together.
import Networks
import Testing

@testable import Pipelines

@Suite struct SampleAccuracyStageTests {
    @Test("groups have one image size, and at most 64 subnets and 512 MB of weights")
    func groups() throws {
        func shapes(_ name: String, _ count: Int) throws -> [NetworkShape] {
            let space = try SearchSpace.named(name)
            return try (0..<count).map { number in
                var config = number % 5 == 0 ? space.largest : space.smallest
                config.resolution = space.resolutions[number % 2]
                return try NetworkShape(space, config)
            }
        }
        for (name, count) in [("fashion-mbv3", 300), ("ofa-mbv3-w1.0", 120)] {
            let subnets = try shapes(name, count)
            let groups = SampleAccuracyStage.groups(subnets, sharing: true)
            #expect(groups.flatMap(\.self).sorted() == Array(0..<count))
            for group in groups {
                #expect(Set(group.map { subnets[$0].resolution }).count == 1)
                let weights = group.map { NetworkCost(subnets[$0]).parameters }.reduce(0, +)
                #expect(group.count <= 64 && weights <= 1 << 27)
            }
            #expect(groups.count < count / 8)
            #expect(
                SampleAccuracyStage.groups(subnets, sharing: false) == (0..<count).map { [$0] })
        }
    }
}
