// The search: right against enumeration, repeatable, always feasible, and clear about what cannot
// be met.
import Charts
import Devices
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct EvolutionarySearchTests {
    /// A score with interactions, so that genes cannot be chosen one by one.
    private func score(_ configs: [SubnetConfig]) -> [Double] {
        configs.map { config in
            let sum =
                Double(config.kernelSizes.reduce(0, +)) + 2 * config.expandRatios.reduce(0, +)
            let bonus = config.kernelSizes[0] == 3 && config.expandRatios[2] == 6 ? 3.0 : 0
            return (sum + bonus) / 100 + Double(config.resolution) / 200
        }
    }

    /// A latency table of the tiny space: a millisecond per hundred thousand multiply-accumulates,
    /// and a little.
    private func table(_ space: SearchSpace) throws -> LatencyTable {
        var table = LatencyTable()
        for resolution in space.resolutions {
            for key in try LatencyKey.all(in: space, resolution: resolution) {
                var ms = 0.01
                if let layer = key.layers.first, layer.block != nil {
                    ms += Double(NetworkCost(layer).macs) / 1e5
                }
                table[resolution, key] = .init(count: 3, mean: ms, std: 0)
            }
        }
        return table
    }

    private func device(_ limits: Constraints) -> DeviceTarget {
        DeviceTarget(name: "d", kind: .microcontroller, limits: limits)
    }

    @Test("looked-up costs are those of the network itself")
    func layerCosts() throws {
        let space = SearchSpace.fashion
        let table = try table(space)
        let costs = try LayerCosts(space, table: table)
        let device = device(.init())
        var generator = RandomStream(seed: 9)
        for _ in 0..<300 {
            let config = space.sample(using: &generator)
            let shape = try NetworkShape(space, config)
            let found = costs.metrics(config, on: device)
            let latency = try table.latencyMs(shape)
            #expect(abs(try #require(found.latencyMs) - latency) < 1e-9 * latency)
            #expect(found == device.metrics(NetworkCost(shape), latencyMs: found.latencyMs))
        }
    }

    @Test(
        "under any limit the best of a small space is found, and it is feasible",
        arguments: [
            Constraints(), Constraints(macsMax: 500_000), Constraints(paramsMax: 20_000),
            Constraints(peakMemoryKBMax: 9), Constraints(latencyMsMax: 4.5),
            Constraints(latencyMsMax: 6, flashKBMax: 21, macsMax: 900_000),
            Constraints(paramsMax: 30_000, energyMJMax: 0.01),
        ])
    func enumeration(limits: Constraints) throws {
        #expect(tinyNetworks.count == 2 * 20 * 20)
        let table = try table(tinySpace)
        for exhaustive in [true, false] {
            var options = EvolutionarySearch.Options()
            if !exhaustive { options.exhaustiveLimit = 0 }
            let search = try EvolutionarySearch(
                space: tinySpace, device: device(limits), latencyTable: table, options: options)
            let feasible = try tinyNetworks.filter { limits.areMet(by: try search.metrics($0)) }
            let best = try #require(score(feasible).max())
            let result = try search.run(score: score)
            #expect(result.predictedAccuracy == best)
            #expect(limits.areMet(by: result.metrics))
            #expect(result.evaluations <= tinyNetworks.count)
            #expect(!exhaustive || result.evaluations == feasible.count)
            #expect(result.metrics == (try search.metrics(result.arch)))
        }
    }

    @Test("no network is scored twice, and the answer is the best that is within the limits")
    func distinct() throws {
        let limits = Constraints(macsMax: 3_000_000)
        var options = EvolutionarySearch.Options()
        options.generations = 30
        let search = try EvolutionarySearch(
            space: .fashion, device: device(limits), options: options)
        var scored: [SubnetConfig] = []
        func score(_ config: SubnetConfig) -> Double { Double(config.kernelSizes.reduce(0, +)) }
        let result = try search.run { configs in
            scored += configs
            return configs.map(score)
        }
        #expect(Set(scored).count == scored.count)
        #expect(scored.count == result.evaluations)
        let feasible = try scored.filter { limits.areMet(by: try search.metrics($0)) }
        #expect(result.predictedAccuracy == feasible.map(score).max())
        #expect(limits.areMet(by: result.metrics))
        // Those beyond are looked at because they are one change away.
        #expect(feasible.count < scored.count && 4 * feasible.count > scored.count)
    }

    @Test("a seed repeats the search, another one takes another way")
    func seeds() throws {
        func run(_ seed: UInt64) throws -> ([SubnetConfig], SearchResult) {
            var options = EvolutionarySearch.Options()
            options.generations = 5
            options.seed = seed
            let search = try EvolutionarySearch(
                space: .fashion, device: device(.init(macsMax: 5_000_000)), options: options)
            var scored: [SubnetConfig] = []
            let result = try search.run { configs in
                scored += configs
                return configs.map { Double($0.expandRatios.reduce(0, +)) }
            }
            return (scored, result)
        }
        let (first, result) = try run(1)
        let (again, same) = try run(1)
        #expect(first == again)
        #expect(result == same)
        #expect(try run(2).0 != first)
    }

    @Test("what is scored last counts")
    func lastGeneration() throws {
        var options = EvolutionarySearch.Options()
        options.evaluations = 2000
        let search = try EvolutionarySearch(
            space: .fashion, device: device(.init()), options: options)
        var count = 0
        let result = try search.run { configs in
            configs.map { _ in
                count += 1
                return Double(count)
            }
        }
        #expect(result.evaluations == 2000 && count == 2000)
        #expect(result.predictedAccuracy == 2000)
    }

    @Test("limits that no network meets are answered at once with the smallest reachable values")
    func infeasible() throws {
        let smallest = try NetworkCost(tinySpace, tinySpace.smallest)
        let error = #expect(throws: DeviceError.self) {
            try EvolutionarySearch(
                space: tinySpace,
                device: device(.init(latencyMsMax: 100, macsMax: 1000, paramsMax: 10)),
                latencyTable: try table(tinySpace))
        }
        #expect(error?.code == .infeasible)
        #expect(
            error?.message.contains("macs ≤ 1000: the smallest reachable is \(smallest.macs)")
                == true)
        #expect(
            error?.message.contains("params ≤ 10: the smallest reachable is \(smallest.parameters)")
                == true)
        #expect(error?.message.contains("latency_ms") == false)
    }

    @Test(
        "limits that pull apart are met wherever some network meets them; elsewhere each one's least is said",
        arguments: [false, true])
    func jointly(isThree: Bool) throws {
        let ms = try table(tinySpace)
        // What is fast takes much energy.
        let top = ms.entries.values.flatMap { $0.values.map(\.mean) }.max() ?? 0
        let mj = LatencyTable(
            entries: ms.entries.mapValues { parts in
                parts.mapValues { LatencyEntry(count: 1, mean: 1.1 * top - $0.mean, std: 0) }
            })
        func search(_ limits: Constraints) throws -> EvolutionarySearch {
            try EvolutionarySearch(
                space: tinySpace, device: device(limits), latencyTable: ms, energyTable: mj)
        }
        let open = try search(.init())
        let all = try tinyNetworks.map { try open.metrics($0) }
        let small = zip(tinyNetworks, all).filter { $0.0.depths == [1, 1] }.map(\.1)
        func least(_ limits: Constraints, _ value: (NetworkMetrics) -> Double?) -> Double? {
            all.filter(limits.areMet).compactMap(value).min()
        }
        var stream = RandomStream(seed: 77)
        var counts = [0, 0]
        for _ in 0..<200 {
            // Each limit can be met: some network of the least depth has that value.
            func drawn() -> NetworkMetrics {
                small[Int.random(in: 0..<small.count, using: &stream)]
            }
            var limits = Constraints(latencyMsMax: drawn().latencyMs, energyMJMax: drawn().energyMJ)
            if isThree { limits.paramsMax = drawn().params }
            if all.contains(where: limits.areMet) {
                counts[0] += 1
                let anchor = try search(limits).anchor
                #expect(limits.areMet(by: try open.metrics(anchor)), "\(limits)")
                continue
            }
            counts[1] += 1
            let error = #expect(throws: DeviceError.self) { try search(limits) }
            let message = try #require(error?.message)
            var rest = limits
            rest.latencyMsMax = nil
            let said = message.split(separator: "latency_ms ≤ ").last?.split(separator: ": ")
                .dropFirst().first?.prefix { $0.isNumber || $0 == "." }
            if let smallest = least(rest, \.latencyMs) {
                let number = try #require(said.flatMap { Double($0) }, "\(message)")
                // Rounded up to four decimals.
                #expect(number >= smallest && number < smallest + 2e-4, "\(message)")
            } else {
                #expect(message.contains(": the others exclude each other"))
            }
        }
        #expect(counts.allSatisfy { $0 > 20 }, "\(counts)")
    }

    @Test("the search ends when nothing better comes")
    func convergence() throws {
        let search = try EvolutionarySearch(space: .fashion, device: device(.init()))
        let result = try search.run { configs in configs.map { Double($0.depths.reduce(0, +)) } }
        #expect(result.predictedAccuracy == 9)
        // The starts have found it: they and the last child score some thousands at most.
        #expect(result.evaluations < search.options.patience + 4000)
    }

    @Test("a score that is no number is never chosen; none at all is an error")
    func notFinite() throws {
        let search = try EvolutionarySearch(space: tinySpace, device: device(.init()))
        let result = try search.run { configs in
            configs.map { $0.resolution == 24 ? .nan : Double($0.depths[0]) }
        }
        #expect(result.arch.resolution == 16 && result.predictedAccuracy == 2)
        #expect(throws: SearchError.self) { try search.run { $0.map { _ in .nan } } }
    }

    @Test("the front of a small space is that of its enumeration")
    func front() throws {
        let search = try EvolutionarySearch(space: tinySpace, device: device(.init()))
        let front = try search.front(score: score)
        let all = try tinyNetworks.map {
            (macs: try NetworkCost(tinySpace, $0).macs, score: score([$0])[0])
        }
        for network in front.networks {
            #expect(
                !all.contains {
                    $0.macs <= network.metrics.macs && $0.score > network.predictedAccuracy
                })
        }
        #expect(front.networks.last?.predictedAccuracy == all.map(\.score).max())
        #expect(front.best(atMost: 1) == nil)
        let plot = ScatterChart.front(front, title: "tiny").svg()
        #expect(plot.components(separatedBy: "<circle").count == front.networks.count + 1)
    }

    @Test("the smallest reachable value can be reached")
    func smallestReachable() throws {
        let smallest = try NetworkCost(tinySpace, tinySpace.smallest)
        let search = try EvolutionarySearch(
            space: tinySpace,
            device: device(.init(macsMax: smallest.macs, paramsMax: smallest.parameters)))
        let result = try search.run(score: score)
        #expect(result.arch == tinySpace.smallest)
        #expect(result.evaluations == 1)
    }

    @Test("what is asked to stop a search ends it before another network is scored")
    func stopped() throws {
        struct Stop: Error {}
        let samples = tinyNetworks.map { AccuracySample(config: $0, accuracy: 0.5) }
        let predictor = try AccuracyPredictor.fit(samples, space: tinySpace)
        for limit in [0, EvolutionarySearch.Options().exhaustiveLimit] {
            var options = EvolutionarySearch.Options()
            options.exhaustiveLimit = limit
            let search = try EvolutionarySearch(
                space: tinySpace, device: device(.init()), options: options)
            var asked = 0
            #expect(throws: Stop.self) {
                try search.run(predictor: predictor) {
                    asked += 1
                    if asked == 1 { throw Stop() }
                }
            }
            #expect(asked == 1)
            // The front as well, though the space be scored whole.
            #expect(throws: Stop.self) {
                try search.front(predictor: predictor) { _ in throw Stop() }
            }
        }
    }

    @Test("small limits and what is reachable are told with all the digits they need")
    func smallNumbers() throws {
        var table = LatencyTable()
        for resolution in tinySpace.resolutions {
            for key in try LatencyKey.all(in: tinySpace, resolution: resolution) {
                table[resolution, key] = .init(count: 3, mean: 0.000_123_456, std: 0)
            }
        }
        let error = #expect(throws: DeviceError.self) {
            try EvolutionarySearch(
                space: tinySpace, device: device(.init(latencyMsMax: 0.000_01)), latencyTable: table
            )
        }
        let message = try #require(error?.message)
        #expect(
            message.contains("latency_ms ≤ 0.00001: the smallest reachable is 0.00"), "\(message)")
        let told = try #require(message.split(separator: " ").last.flatMap { Double($0) })
        #expect(throws: Never.self) {
            try EvolutionarySearch(
                space: tinySpace, device: device(.init(latencyMsMax: told)), latencyTable: table)
        }
    }

    @Test("a latency limit without a table, a missing resolution and bad options are refused")
    func refused() throws {
        func code(_ make: () throws -> EvolutionarySearch) -> String? {
            let error = #expect(throws: (any Error).self) { try make() }
            return (error as? DeviceError)?.code.rawValue ?? (error as? SearchError)?.code.rawValue
        }
        let table = try table(tinySpace)
        #expect(
            code {
                try EvolutionarySearch(space: tinySpace, device: device(.init(latencyMsMax: 5)))
            }
                == "missingLatency")
        #expect(
            code {
                try EvolutionarySearch(
                    space: tinySpace, resolutions: [20], device: device(.init()),
                    latencyTable: table)
            } == "missingLatency")
        #expect(
            code {
                try EvolutionarySearch(space: tinySpace, resolutions: [], device: device(.init()))
            }
                == "invalidOption")
        #expect(
            code { try EvolutionarySearch(space: tinySpace, device: device(.init(macsMax: -1))) }
                == "invalidOption")
        var options = EvolutionarySearch.Options()
        options.population = 0
        #expect(
            code {
                try EvolutionarySearch(space: tinySpace, device: device(.init()), options: options)
            } == "invalidOption")
    }

    @Test("a predictor that was not fitted on the searched sizes is refused before the search")
    func domain() throws {
        let samples = tinyNetworks.filter { $0.resolution == 24 }.map {
            AccuracySample(config: $0, accuracy: 0.5)
        }
        let predictor = try AccuracyPredictor.fit(samples, space: tinySpace)
        let wide = try EvolutionarySearch(space: tinySpace, device: device(.init()))
        #expect(throws: SearchError.self) { try wide.run(predictor: predictor) }
        let narrow = try EvolutionarySearch(
            space: tinySpace, resolutions: [24], device: device(.init()))
        #expect(try narrow.run(predictor: predictor).arch.resolution == 24)
    }
}
