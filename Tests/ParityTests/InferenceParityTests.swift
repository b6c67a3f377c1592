// Inference, recalibration and channel sorting against the reference.

import Foundation
import Networks
import Tensors
import TestSupport
import Testing
import Training

@Suite(.enabled(if: !SharedFolders.fixtures.isEmpty, Comment(rawValue: SharedFolders.fixturesHint)))
struct InferenceParityTests {
    @Test(
        "every subnet's logits equal the reference's, on every instruction set and with 1 or 2 threads",
        arguments: ParityFixture.all)
    func logits(fixture: ParityFixture) throws {
        for set in InstructionSet.available {
            for threads in [1, 2] {
                let network = try fixture.network(threads: threads, instructionSet: set)
                for item in fixture.cases("infer") {
                    let shape = try fixture.shape(
                        try #require(item.arch), try #require(item.resolution))
                    let logits = network.forward(
                        try fixture.images("infer.\(item.id).input"), shape, mode: .running)
                    let error = relativeError(
                        logits.values, try fixture.values("infer.\(item.id).logits"))
                    #expect(
                        error <= fixture.tolerance.logits,
                        "infer \(item.id), \(set), \(threads) threads")
                }
            }
        }
    }

    @Test(
        "every subnet has the reference's parameters and MACs", arguments: ParityFixture.all)
    func costs(fixture: ParityFixture) throws {
        let cases = fixture.cases("infer")
        #expect(!cases.isEmpty)
        for item in cases {
            let cost = NetworkCost(
                try fixture.shape(try #require(item.arch), try #require(item.resolution)))
            #expect(cost.parameters == item.params, "case \(item.id)")
            #expect(cost.macs == item.macs, "case \(item.id)")
        }
    }

    @Test(
        "an extracted subnet computes what the supernet computes for it",
        arguments: ParityFixture.all)
    func extraction(fixture: ParityFixture) throws {
        let network = try fixture.network()
        for item in fixture.cases("infer") {
            let shape = try fixture.shape(try #require(item.arch), try #require(item.resolution))
            let subnet = network.extract(shape, statistics: network.weights.statistics)
            let learned = subnet.layout.parameters.reduce(0) { $0 + $1.count }
            #expect(learned == item.params)
            let renumbered = shape.renumbered
            let alone = Network(subnet, widest: renumbered, engine: network.engine)
            let images = try fixture.images("infer.\(item.id).input")
            let got = alone.forward(images, renumbered, mode: .running).values
            #expect(
                relativeError(got, try fixture.values("infer.\(item.id).logits"))
                    <= fixture.tolerance.logits)
        }
    }

    @Test(
        "a compiled subnet, from the supernet's weights or its own, gives the reference's logits",
        arguments: ParityFixture.all)
    func compiled(fixture: ParityFixture) throws {
        for set in InstructionSet.available {
            for threads in [1, 2] {
                let network = try fixture.network(threads: threads, instructionSet: set)
                let engine = try #require(network.engine as? CPUEngine)
                for item in fixture.cases("infer") {
                    let shape = try fixture.shape(
                        try #require(item.arch), try #require(item.resolution))
                    let images = try fixture.images("infer.\(item.id).input")
                    let own = network.extract(shape, statistics: network.weights.statistics)
                    for (weights, shape) in [(network.weights, shape), (own, shape.renumbered)] {
                        let compiled = CompiledNetwork(
                            weights, shape, images: images.images, engine: engine)
                        let error = relativeError(
                            compiled.forward(images).values,
                            try fixture.values("infer.\(item.id).logits"))
                        #expect(
                            error <= fixture.tolerance.logits,
                            "infer \(item.id), \(set), \(threads) threads")
                    }
                }
            }
        }
    }

    @Test(
        "recalibrated statistics and the logits after them equal the reference's",
        arguments: ParityFixture.all)
    func recalibration(fixture: ParityFixture) throws {
        let network = try fixture.network()
        let item = try #require(fixture.cases("recal").first)
        let shape = try fixture.shape(try #require(item.arch), try #require(item.resolution))
        let before = network.weights.statistics.all.values
        let (_, statistics) = try network.withOwnStatistics {
            for batch in 0..<3 {
                _ = network.forward(
                    try fixture.images("recal.\(batch).input"), shape,
                    mode: .calibrate(share: 1 / Double(batch + 1)))
            }
        }
        #expect(
            network.weights.statistics.all.values == before, "calibration left the supernet alone")
        let subnet = network.extract(shape, statistics: statistics)
        for name in fixture.statisticNames {
            let error = relativeError(
                try subnet.values(name), try fixture.values("recal.stats.\(name)"))
            #expect(error <= fixture.tolerance.recalibrated, "\(name)")
        }
        let logits = try network.withStatistics(statistics) {
            network.forward(try fixture.images("recal.eval.input"), shape, mode: .running).values
        }
        #expect(
            relativeError(logits, try fixture.values("recal.eval.logits"))
                <= fixture.tolerance.logits)
    }

    @Test(
        "channel sorting keeps the full network's logits and gives the small one the reference's",
        arguments: ParityFixture.all)
    func sorting(fixture: ParityFixture) throws {
        for (stage, keeping) in [
            (0, [Double]()), (1, [fixture.space.expandRatios.sorted(by: >)[1]]),
        ] {
            let network = try fixture.network()
            try ChannelSort.sort(network.weights, of: fixture.space, keepingRatios: keeping)
            for (id, name) in [(0, "full"), (1, "small")]
            where fixture.has("sort\(stage).\(name).logits") {
                let item = try #require(fixture.cases("infer").first { $0.id == id })
                let shape = try fixture.shape(
                    try #require(item.arch), try #require(item.resolution))
                let logits = network.forward(
                    try fixture.images("infer.\(id).input"), shape, mode: .running
                ).values
                let expected = try fixture.values("sort\(stage).\(name).logits")
                #expect(
                    relativeError(logits, expected) <= fixture.tolerance.logits,
                    "sort\(stage).\(name)")
            }
        }
    }
}
