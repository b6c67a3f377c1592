// The numbers of a network: what they begin with, and what may be loaded.
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct WeightsTests {
    private let space = SearchSpace.tiny()

    private func arrays(_ weights: Weights) -> [String: (shape: [Int], values: [Float])] {
        Dictionary(
            uniqueKeysWithValues: weights.named.map {
                ($0.parameter.name, ($0.parameter.shape, $0.values))
            })
    }

    @Test("what was saved is loaded, and a copy has memory of its own")
    func roundTrip() throws {
        let weights = try Weights(supernetOf: space, seed: 1)
        weights.shake()
        let other = try Weights(supernetOf: space, seed: 2)
        try other.load(arrays(weights))
        #expect(other.parameters.all.values == weights.parameters.all.values)
        #expect(other.statistics.all.values == weights.statistics.all.values)
        let copy = weights.copy()
        try copy.set("classifier.linear.bias", to: [1, 2, 3, 4, 5])
        #expect(try weights.values("classifier.linear.bias") != [1, 2, 3, 4, 5])
    }

    @Test("a missing, an unknown and a wrongly shaped array are errors that name it")
    func loadErrors() throws {
        let weights = try Weights(supernetOf: space, seed: 1),
            name = "feature_mix_layer.conv.weight"
        func message(_ change: (inout [String: (shape: [Int], values: [Float])]) -> Void) -> String
        {
            var changed = arrays(weights)
            change(&changed)
            let error = #expect(throws: NetworkError.self) { try weights.load(changed) }
            #expect(error?.code == .invalidWeights)
            return error?.message ?? ""
        }
        #expect(message { $0[name] = nil }.contains("no \(name)"))
        #expect(message { $0["blocks.9.x"] = ([1], [0]) }.contains("blocks.9.x"))
        let wrong = message { $0[name] = ([24, 16, 1, 1], .init(repeating: 0, count: 384)) }
        #expect(
            wrong.contains(name) && wrong.contains("[24, 16, 1, 1]")
                && wrong.contains("[16, 24, 1, 1]"))
        let longer = message { arrays in arrays[name]?.values.append(0) }
        #expect(longer.contains(name))
        #expect(
            message { $0["first_conv.bn.running_var"] = nil }.contains("first_conv.bn.running_var"))
    }

    @Test(
        "a network trained alone goes into a supernet, and extraction gives it back; the rest stays",
        arguments: SearchSpace.tinyFamilies)
    func inserted(space: SearchSpace) throws {
        let supernet = try Weights(supernetOf: space, seed: 1), fresh = supernet.copy()
        for config in [space.smallest, space.largest] {
            let shape = try NetworkShape(space, config)
            let layout = ParameterLayout(shape, naming: .extracted)
            let alone = Weights(layout, seed: 2)
            let cut = fresh.extract(shape, statistics: fresh.statistics)
            #expect(arrays(alone).keys == arrays(cut).keys)
            alone.shake()
            supernet.insert(alone, as: shape)
            let back = supernet.extract(shape, statistics: supernet.statistics)
            for (parameter, values) in alone.named {
                #expect(try back.values(parameter.name) == values, "\(parameter.name)")
            }
            guard config == space.smallest else { continue }
            // As many values changed as the network has, none outside it.
            let changed = zip(supernet.named, fresh.named).reduce(0) { sum, pair in
                sum + zip(pair.0.values, pair.1.values).count { $0 != $1 }
            }
            let own = alone.named.reduce(0) { $0 + $1.values.count }
            #expect(changed <= own && changed > own * 9 / 10, "\(changed) of \(own)")
        }
    }

    @Test("setting or asking for an unknown name, or a wrong number of values, is an error")
    func names() throws {
        let weights = try Weights(supernetOf: space, seed: 1)
        #expect(throws: NetworkError.self) { try weights.values("nothing") }
        let error = #expect(throws: NetworkError.self) {
            try weights.set("classifier.linear.bias", to: [1])
        }
        #expect(error?.message.contains("classifier.linear.bias has 1 values") == true)
    }

    @Test("initial values follow the reference, and the seed alone")
    func initialisation() throws {
        let weights = try Weights(supernetOf: .fashion, seed: 1)
        for (parameter, values) in weights.named {
            let n = Double(values.count), mean = values.reduce(0.0) { $0 + Double($1) } / n
            let variance = values.reduce(0.0) { $0 + Double($1) * Double($1) } / n
            switch parameter.role {
            case .norm:
                #expect(values.allSatisfy { $0 == (parameter.name.hasSuffix("weight") ? 1 : 0) })
            case .statistic:
                #expect(values.allSatisfy { $0 == (parameter.name.hasSuffix("var") ? 1 : 0) })
            case .transform:
                let side = parameter.shape[0]
                #expect(
                    values.indices.allSatisfy { values[$0] == ($0 / side == $0 % side ? 1 : 0) })
            case .bias where parameter.name.hasPrefix("blocks"):
                #expect(values.allSatisfy { $0 == 0 })
            case .weight where parameter.shape.count == 4:
                // Normal of variance 2 / (k k out); five deviations of the estimates from n values.
                let expected =
                    2 / Double(parameter.shape[0] * parameter.shape[2] * parameter.shape[3])
                #expect(
                    abs(variance / expected - 1) < 5 * (2 / n).squareRoot(), "\(parameter.name)")
                #expect(abs(mean) < 5 * (expected / n).squareRoot(), "\(parameter.name)")
            case .weight, .bias:
                #expect(values.allSatisfy { abs($0) <= 1 / Float(256).squareRoot() })
                #expect(values.contains { $0 != 0 })
            }
        }
        #expect(
            try Weights(supernetOf: .fashion, seed: 1).parameters.all.values
                == weights.parameters.all.values)
        #expect(
            try Weights(supernetOf: .fashion, seed: 2).parameters.all.values
                != weights.parameters.all.values)
    }

    @Test("arrays of the arena do not overlap and begin on 64 bytes")
    func layout() throws {
        let layout = try Weights.layout(supernetOf: .fashion)
        var end = 0
        for parameter in layout.parameters {
            let range = layout.range(of: parameter)
            #expect(
                range.lowerBound == end && range.lowerBound % 16 == 0
                    && range.count >= parameter.count)
            end = range.upperBound
        }
        #expect(end == layout.parameterCount)
    }
}
