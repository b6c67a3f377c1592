// Timing one network in several goes.
import Foundation
import Networks
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Devices

@Suite struct LatencyMeasurementTests {
    @Test("all goes count together, and before the first there is no timing", arguments: [1, 2])
    func goes(threads: Int) throws {
        let shape = try NetworkShape(tinySpace, tinySpace.smallest)
        let timer = WholeNetworkTimer(
            try LatencyMeasurement(
                supernet: try Weights(supernetOf: tinySpace, seed: 1), batch: 1, threads: threads
            ).compiled(shape))
        #expect(timer.timing == nil && timer.threads == threads)
        for _ in 0..<3 { timer.time(repeats: 5) }
        let timing = try #require(timer.timing)
        #expect(timing.sorted.count == 15)
        #expect(timing.sorted.allSatisfy { $0 > 0 } && timing.steady <= timing.sorted[14])
    }

    @Test("a network in eight bits is timed as one in floats", arguments: [1, 2])
    func eightBits(threads: Int) throws {
        let supernet = try Weights(supernetOf: tinySpace, seed: 1)
        let shape = try NetworkShape(tinySpace, tinySpace.smallest)
        let weights = supernet.extract(shape, statistics: supernet.statistics)
        let graph = try OperatorGraph(shape, weights), engine = try CPUEngine(threads: threads)
        let storage = Storage(
            count: 4 * shape.resolution * shape.resolution * shape.inputChannels)
        for index in 0..<storage.count { storage.all[index] = Float(index % 7) - 3 }
        let histograms = ActivationHistograms(
            graph, batches: [Network.input(shape, images: 4, storage: storage)], engine: engine)
        let quantised = try QuantisedGraph(graph, ranges: histograms.ranges(.leastSquares))
        let timer = WholeNetworkTimer(
            CompiledQuantisedNetwork(quantised, images: 2, engine: engine), shape)
        #expect(timer.timing == nil && timer.threads == threads)
        timer.time(repeats: 5)
        let timing = try #require(timer.timing)
        #expect(timing.sorted.count == 5 && timing.sorted.allSatisfy { $0 > 0 })
    }

    @Test(
        "the parts of a pass are those of the table's keys, for every family and on several threads",
        arguments: SearchSpace.tinyFamilies, [1, 2])
    func parts(space: SearchSpace, threads: Int) throws {
        let measurement = try LatencyMeasurement(
            supernet: try Weights(supernetOf: space, seed: 1), batch: 2, threads: threads)
        #expect(measurement.threads == threads)
        for config in [space.largest, space.smallest] {
            let shape = try NetworkShape(space, config)
            let passes = measurement.parts(shape, passes: 3)
            #expect(passes.count >= 3)
            for pass in passes {
                #expect(pass.count == shape.latencyKeys.count)
                #expect(pass.reduce(0, +) > 0)
            }
        }
    }

    @Test("only the caller's thread has a clock of its processor time")
    func clocks() throws {
        let shape = try NetworkShape(
            .named("ofa-mbv3-w1.0"), SearchSpace.named("ofa-mbv3-w1.0").largest)
        let weights = try Weights(supernetOf: tinySpace, seed: 1)
        let large = try NetworkShape(tinySpace, tinySpace.largest)
        for threads in [1, 2] {
            let measurement = try LatencyMeasurement(supernet: weights, batch: 1, threads: threads)
            #expect(measurement.countsProcessorTime(shape) == (threads == 1))
            #expect(!measurement.countsProcessorTime(large))
        }
    }

    @Test("every thread of a timed network can be pinned")
    func eachThread() throws {
        let measurement = try LatencyMeasurement(
            supernet: try Weights(supernetOf: tinySpace, seed: 1), batch: 1, threads: 3)
        let threads = Mutex<Set<ObjectIdentifier>>([])
        measurement.onEachThread {
            _ = threads.withLock { $0.insert(ObjectIdentifier(Thread.current)) }
        }
        #expect(threads.withLock { $0.count } == 3)
    }

    @Test("a quiet go tells the latency where all others were disturbed")
    func quiet() {
        let quiet = [1.00, 1.01, 1.02, 1.03], disturbed = (0..<16).map { 1.6 + 0.05 * Double($0) }
        let timing = LatencyMeasurement.Timing(disturbed + quiet)
        #expect(abs(timing.steady - 1.015) < 1e-12)
        #expect(timing.sorted[10] > 1.8)
    }
}
