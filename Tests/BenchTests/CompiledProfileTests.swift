// Rooflines and profiles of compiled networks, on numbers worked out by hand; and a profile of a real pass.
import Foundation
import Networks
import Tensors
import Testing

@testable import ofa_bench

@Suite struct CompiledProfileTests {
    private static func rates(_ threads: Int) -> Roofline.Rates {
        let n = Double(threads)
        return Roofline.Rates(
            threads: threads, gflopPerS: 100 * n, productGflopPerS: 90 * n,
            levels: [
                .init(name: "L2", bytes: 1_000_000 * threads, gbPerS: 100 * n),
                .init(name: "memory", bytes: nil, gbPerS: 10 * n),
            ])
    }
    private let roofline = Roofline(one: rates(1), all: rates(2))
    private let weights = Roofline.WeightRates(one: 20, all: 40)

    private func cost(
        _ name: String, macs: Int, weights: Int, maps: Int, shared: Bool = false,
        place: String = "a"
    ) -> StepCost {
        StepCost(
            place: place, name: name, macs: macs, weightBytes: weights, mapBytes: maps,
            isShared: shared)
    }

    @Test("the floor is the longer of computing and reading, by the threads and the level")
    func floor() {
        func floor(_ macs: Int, _ read: Int, _ maps: Int, shared: Bool = false) -> Roofline.Floor {
            roofline.floor(
                cost("x", macs: macs, weights: read, maps: maps, shared: shared), weights)
        }
        // 50,000 multiply-adds at 100 GFLOP/s take 1 µs.
        #expect(floor(50_000, 0, 0) == .init(us: 1, bound: "compute"))
        #expect(floor(50_000, 0, 0, shared: true) == .init(us: 0.5, bound: "compute"))
        // 20,000 bytes of weights at 20 GB/s take 1 µs, and at 40 half of it.
        #expect(floor(1000, 20_000, 0) == .init(us: 1, bound: "weights"))
        #expect(floor(1000, 20_000, 0, shared: true) == .init(us: 0.5, bound: "weights"))
        // Maps of 500 KB are in L2; of 2 MB in memory, or in the L2 of two cores.
        #expect(floor(1000, 0, 500_000) == .init(us: 5, bound: "L2"))
        #expect(floor(1000, 0, 2_000_000) == .init(us: 200, bound: "memory"))
        #expect(floor(1000, 0, 2_000_000, shared: true) == .init(us: 10, bound: "L2"))
        #expect(floor(1000, 20_000, 200_000) == .init(us: 3, bound: "L2"))
    }

    @Test(
        "rows add up the operators of a kind and of a place, and the total stands beside the pass")
    func rows() {
        let profile = CompiledProfile(
            [
                cost("pointwise", macs: 50_000, weights: 4000, maps: 6000),
                cost("dense", macs: 1000, weights: 20_000, maps: 0, place: "b"),
                cost("pointwise", macs: 100_000, weights: 1000, maps: 9000, place: "b"),
            ], microseconds: [2, 3, 5], passUs: 9, roofline, weights)
        #expect(profile.passUs == 9 && profile.operatorsUs == 10)
        #expect(profile.operators.map(\.name) == ["pointwise", "dense"])
        #expect(profile.places.map(\.name) == ["a", "b"])
        #expect(profile.parts.map(\.name) == ["a pointwise", "b dense", "b pointwise"])
        let first = profile.operators[0]
        #expect(first.calls == 2 && first.us == 7 && abs(first.share - 0.7) < 1e-12)
        #expect(first.macs == 150_000 && first.weightBytes == 5000 && first.mapBytes == 15_000)
        #expect(abs(first.gflopPerS - 300.0 / 7) < 1e-9 && abs(first.gbPerS - 20.0 / 7) < 1e-9)
        #expect(first.floorUs == 3 && abs(first.floorShare - 3.0 / 7) < 1e-12)
        #expect(first.bound == "compute" && profile.operators[1].bound == "weights")
        #expect(profile.total.us == 10 && profile.total.floorUs == 4 && profile.total.share == 1)
        #expect(profile.total.calls == 3)
    }

    @Test("a compiled network's profile has its operators, and its fields are in the JSON answer")
    func network() throws {
        let space = try SearchSpace.named("fashion-mbv3")
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.spreadStatistics()
        let engine = try CPUEngine(threads: 1)
        let supernet = try Network(supernet: weights, of: space, engine: engine)
        let shape = try NetworkShape(space, space.smallest)
        let subnet = CompiledSubnet(
            weights, shape, images: SubnetPass(supernet, shape, batch: 2).images, engine: engine)
        let profile = try subnet.profile(runs: 1, roofline)
        #expect(profile.total.calls == subnet.network.pass.costs.count)
        #expect(profile.total.macs == 2 * NetworkCost(shape).macs)
        #expect(profile.passUs > 0 && profile.weightRates.one > 0)
        #expect(subnet.milliseconds(runs: 3, warmup: 1).count == 3)
        let text = try Output.encoded(Headline(ms: [1]), BenchProfile.compiled(profile))
        let fields = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let rows = try #require(fields["operators"] as? [[String: Any]])
        for row in rows {
            #expect(
                row.keys.sorted() == [
                    "bound", "calls", "floor_share", "floor_us", "gb_per_s", "gflop_per_s", "macs",
                    "map_bytes", "name", "share", "us", "weight_bytes",
                ])
        }
        #expect(Set(rows.compactMap { $0["name"] as? String }).contains("expandDepthwise"))
        for name in ["pass_us", "operators_us", "total", "places", "parts", "weight_rates"] {
            #expect(fields[name] != nil, "\(name)")
        }
    }

    @Test("cache sizes are read from the system's folder; instruction caches are left out")
    func caches() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer {
            #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) }
        }
        for (place, (level, type, size)) in [
            ("3", "Unified", "32M"), ("1", "Data", "48K"), ("1", "Instruction", "32K"),
            ("2", "Unified", "1024K"),
        ].enumerated() {
            let index = folder.appending(path: "index\(place)")
            try FileManager.default.createDirectory(at: index, withIntermediateDirectories: true)
            for (name, text) in [("level", level), ("type", type), ("size", size)] {
                try Data("\(text)\n".utf8).write(to: index.appending(path: name))
            }
        }
        #expect(
            CacheSize.all(in: folder.path) == [
                .init(level: 1, bytes: 48 << 10), .init(level: 2, bytes: 1 << 20),
                .init(level: 3, bytes: 32 << 20),
            ])
        #expect(CacheSize.all(in: "/nowhere").isEmpty && CacheSize.bytes("many") == nil)
    }
}
