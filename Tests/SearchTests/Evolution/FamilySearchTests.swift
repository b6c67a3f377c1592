// Searches in other families than MobileNetV3: against all networks of small spaces.
import Devices
import Networks
import TestSupport
import Tensors
import Testing

@testable import Search

@Suite struct FamilySearchTests {
    private func space(_ name: String) throws -> SearchSpace {
        var space = try #require([smallProxyless, smallResNet].first { $0.name == name })
        space.resolutions = [space.resolutions[0]]
        return space
    }

    /// Larger is better, with interactions, so that genes cannot be chosen one by one.
    private func score(_ configs: [SubnetConfig]) -> [Double] {
        configs.map { config in
            var sum = config.expandRatios.reduce(0, +) + Double(config.depths.reduce(0, +))
            sum += Double(config.kernelSizes.reduce(0, +)) / 4
            for (place, width) in config.widths.enumerated() {
                sum += Double(width) * (place % 2 == 0 ? 1 : 0.4)
            }
            if config.depths[1] == config.depths[2] { sum += 0.7 }
            if config.widths.count > 3, config.widths[2] == config.widths[3] { sum += 0.9 }
            return sum
        }
    }

    private func macs(_ space: SearchSpace, share: Double) throws -> Int {
        let least = Double(try NetworkCost(space, space.smallest).macs)
        let most = Double(try NetworkCost(space, space.largest).macs)
        return Int(least + share * (most - least))
    }

    @Test(
        "every network comes once, in canonical form, and becomes genes and back",
        arguments: ["small-proxyless", "small-resnet"])
    func enumeration(name: String) throws {
        let space = try space(name), layout = try GeneLayout(space)
        var keys: Set<UInt128> = [], configs: Set<SubnetConfig> = []
        try layout.forEachNetwork { genes in
            let config = layout.config(genes)
            keys.insert(layout.key(genes))
            configs.insert(config)
            try space.validate(config)
            #expect(config == space.canonical(config))
            #expect(try layout.genes(config) == genes)
        }
        #expect(keys.count == configs.count && UInt128(keys.count) == space.networkCount)
    }

    @Test(
        "an evolution finds the best network within a limit, as scoring the whole space does",
        arguments: ["small-proxyless", "small-resnet"], [0.1, 0.3, 0.6])
    func best(name: String, share: Double) throws {
        let space = try space(name)
        let device = DeviceTarget(
            name: "d", kind: .phone, limits: .init(macsMax: try macs(space, share: share)))
        var options = EvolutionarySearch.Options()
        let whole = try EvolutionarySearch(space: space, device: device, options: options)
        let best = try whole.run(score: score)
        options.exhaustiveLimit = 0
        let search = try EvolutionarySearch(space: space, device: device, options: options)
        let found = try search.run(score: score)
        #expect(found.generations > 0 && best.generations == 0)
        #expect(found.predictedAccuracy == best.predictedAccuracy)
        #expect(found.metrics.macs <= device.limits.macsMax ?? 0)
    }

    @Test(
        "looked-up quantities are those of the networks",
        arguments: ["small-proxyless", "small-resnet"])
    func quantities(name: String) throws {
        let space = try space(name), layout = try GeneLayout(space)
        let device = DeviceTarget(name: "d", kind: .phone, limits: .init())
        let quantities: [Quantity] = [.macs, .params, .peakMemoryKB, .flashKB, .energyMJ]
        let limits = LimitCosts(
            layout, try LayerCosts(space, table: nil), device,
            quantities: quantities.map { ($0, .infinity) })
        var stream = RandomStream(seed: 8)
        for _ in 0..<200 {
            let config = space.sample(using: &stream), genes = try layout.genes(config)
            let metrics = device.metrics(try NetworkCost(space, config), latencyMs: nil)
            for (place, quantity) in quantities.enumerated() {
                let exact = try #require(metrics.value(of: quantity))
                #expect(abs(limits.value(place, genes) - exact) <= 1e-12 * exact, "\(quantity)")
            }
        }
    }

    @Test(
        "a knapsack finds the best network of its widths", arguments: 1...4 as ClosedRange<UInt64>)
    func knapsack(seed: UInt64) throws {
        let space = try space("small-resnet"), layout = try GeneLayout(space)
        var stream = RandomStream(seed: seed)
        func value() -> Float { Float(stream.below(2001)) / 1000 - 1 }
        let values = Knapsack.Values(
            layers: (0..<layout.layers * layout.choices).map { _ in value() },
            depths: (0..<layout.stages * layout.depths).map { _ in value() })
        let device = DeviceTarget(
            name: "d", kind: .phone, limits: .init(macsMax: try macs(space, share: 0.5)))
        let limits = LimitCosts(layout, try LayerCosts(space, table: nil), device)
        let like = try layout.genes(space.sample(using: &stream))
        let steps = try #require(
            limits.knapsackSteps(like, weights: [1], steps: Knapsack.steps))
        func sum(_ genes: Genes) -> (value: Float, cost: Int)? {
            var sum: Float = 0, cost = 0
            for stage in 0..<layout.stages {
                let place = stage * layout.depths + Int(genes[layout.depthGene(stage)])
                if steps.depths[place] < 0 { return nil }
                sum += values.depths[place]
                cost += Int(steps.depths[place])
                for layer in layout.activeLayers(stage, genes) {
                    let place = layer * layout.choices + Int(genes[layer])
                    if steps.layers[place] < 0 { return nil }
                    sum += values.layers[place]
                    cost += Int(steps.layers[place])
                }
            }
            return (sum, cost)
        }
        var best = -Float.infinity
        layout.forEachNetwork { genes in
            let isLike = (0..<layout.widths).allSatisfy {
                genes[layout.widthGene($0)] == like[layout.widthGene($0)]
            }
            guard isLike, let found = sum(genes), found.cost <= Knapsack.steps else { return }
            best = max(best, found.value)
        }
        var knapsack = try Knapsack(layout)
        knapsack.solve(values, costs: steps)
        let cost = try #require(
            (0...Knapsack.steps).max { knapsack.best($0) < knapsack.best($1) })
        // Sums of some twenty numbers below 2 in another order.
        #expect(abs(knapsack.best(cost) - best) < 2e-5)
        let network = knapsack.network(cost, like: like)
        let found = try #require(sum(network))
        #expect(found.cost == cost && abs(found.value - best) < 2e-5)
    }

    @Test(
        "a front has nothing that a search of one limit beats",
        arguments: ["small-proxyless", "small-resnet"])
    func front(name: String) throws {
        let space = try space(name)
        var options = EvolutionarySearch.Options()
        (options.exhaustiveLimit, options.frontEvaluations) = (0, 20_000)
        let search = try EvolutionarySearch(
            space: space, device: DeviceTarget(name: "d", kind: .phone, limits: .init()),
            options: options)
        let front = try search.front(score: score)
        options.exhaustiveLimit = 1 << 40
        let whole = try EvolutionarySearch(
            space: space, device: DeviceTarget(name: "d", kind: .phone, limits: .init()),
            options: options
        ).front(score: score)
        #expect(front.networks.count > 5)
        // An evolution may miss parts of a front; not its ends, and not most of it.
        #expect(front.networks.last?.predictedAccuracy == whole.networks.last?.predictedAccuracy)
        let same = front.networks.filter { one in
            whole.best(atMost: Double(one.metrics.macs))?.predictedAccuracy == one.predictedAccuracy
        }
        #expect(Double(same.count) > 0.8 * Double(front.networks.count))
    }

    @Test(
        "a predictor of each family learns a sum of genes, survives its bytes and scores genes alike",
        arguments: ["small-proxyless", "small-resnet"])
    func predictor(name: String) throws {
        let space = try space(name)
        var stream = RandomStream(seed: 2)
        let samples = (0..<200).map { _ -> AccuracySample in
            let config = space.sample(using: &stream)
            let sum = config.expandRatios.reduce(0, +) + Double(config.depths.reduce(0, +))
            return AccuracySample(
                config: config,
                accuracy: 0.3 + 0.004 * sum + 0.01 * Double(config.widths.reduce(0, +)))
        }
        var adam = AdamOptions()
        (adam.hidden, adam.steps) = ([16], 100)
        for method in [AccuracyPredictor.Method.ridge, .multilayer(adam)] {
            let predictor = try AccuracyPredictor.fit(samples, space: space, method: method)
            if method == .ridge { #expect(predictor.quality?.spearman ?? 0 > 0.98) }
            let again = try AccuracyPredictor(bytes: try predictor.encoded(), source: "p")
            let configs = samples.prefix(40).map(\.config), layout = try GeneLayout(space)
            let predicted = try predictor.predict(configs)
            #expect(try again.predict(configs) == predicted)
            let scored = try predictor.score(layout)(configs.map { try layout.genes($0) })
            for (one, other) in zip(predicted, scored) { #expect(abs(one - other) < 1e-5) }
        }
    }

    @Test("the features of ResNet50 are those of the reference's encoder")
    func features() throws {
        let space = try SearchSpace.named("ofa-resnet50")
        let encoder = ArchitectureEncoder(space, resolutions: [192, 224])
        // Two for the stem's optional layer, 6 x 3 widths, 18 x 3 ratios, then the sizes.
        #expect(encoder.featureCount == 2 + 18 + 54 + 2)
        var config = space.largest
        config.resolution = 224
        (config.depths, config.widths) = ([0, 2, 0, 2, 2], [0, 1, 2, 2, 2, 2])
        let ones = Set(try encoder.ones(space.canonical(config)))
        #expect(ones.intersection(0..<2) == [0])
        #expect(ones.intersection(2..<20) == [2, 6, 10, 13, 16, 19])
        // Stage 2 has its two blocks of four; every ratio is the largest.
        let layers = (0..<18).filter { !(6..<8).contains($0) }
        #expect(ones.intersection(20..<74) == Set(layers.map { 20 + 3 * $0 + 2 }))
        #expect(ones.intersection(74..<76) == [75])
    }
}
