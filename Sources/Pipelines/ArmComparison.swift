// Compares arms, which are ways of training, by the accuracies of the same networks over several seeds.
// ArmComparison+Read.swift reads the figures of a run; ArmComparison+Tables.swift shows them.

import Foundation

/// The accuracies of several networks, each trained in several ways.
public struct ArmComparison: Encodable, Sendable, Equatable {
    /// The values of a figure over the seeds.
    public struct Spread: Encodable, Sendable, Equatable {
        /// The values in the order of the comparison's seeds; nil for a seed without one.
        public let values: [Double?]
        /// The values that are known.
        public var known: [Double] { values.compactMap(\.self) }
        /// Their mean.
        public var mean: Double { known.reduce(0, +) / Double(known.count) }
        /// Their sample standard deviation; nil for a single value.
        public var deviation: Double? {
            guard known.count > 1 else { return nil }
            let mean = mean
            let squares = known.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return (squares / Double(known.count - 1)).squareRoot()
        }

        /// Returns nil if no value is known.
        init?(_ values: [Double?]) {
            guard values.contains(where: { $0 != nil }) else { return nil }
            self.values = values
        }

        private enum CodingKeys: CodingKey { case values, mean, deviation }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(values, forKey: .values)
            try fields.encode(mean, forKey: .mean)
            try fields.encode(deviation, forKey: .deviation)
        }
    }

    /// The accuracies of one network in one arm. All are top-1 in 0…1.
    public struct Cell: Encodable, Sendable, Equatable {
        /// The accuracies on test images.
        public let test: Spread
        /// The accuracies on held-out images; nil if they were not measured.
        public let heldOut: Spread?
        /// The test accuracies minus those of the first arm with the same seed; nil for the first arm, and if no seed has
        /// both.
        public let difference: Spread?

        private enum CodingKeys: String, CodingKey {
            case heldOut = "held_out"
            case difference
        }

        /// Writes the fields of `ofa report --json`: those of `test`, and the two others.
        public func encode(to encoder: any Encoder) throws {
            try test.encode(to: encoder)
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(heldOut, forKey: .heldOut)
            try fields.encode(difference, forKey: .difference)
        }
    }

    /// A measured network.
    public struct Network: Encodable, Sendable, Equatable {
        /// The name in the pipeline file.
        public let name: String
        /// Multiply-accumulates of one image; the mean, if a search chose another network for each seed.
        public let macs: Int
    }

    /// What the training of one seed took, in all phases of all supernets of an arm.
    public struct Cost: Sendable, Equatable {
        /// Processor seconds.
        public var cpuSeconds: Double
        /// Energy in joules; nil if unknown.
        public var joules: Double?

        /// Returns the sum; the energy is unknown if one of both is.
        static func + (a: Cost, b: Cost) -> Cost {
            Cost(
                cpuSeconds: a.cpuSeconds + b.cpuSeconds,
                joules: a.joules.flatMap { first in b.joules.map { first + $0 } })
        }
    }

    /// One way of training.
    public struct Arm: Encodable, Sendable, Equatable {
        /// The name in the pipeline file.
        public let name: String
        /// The seeds of the comparison, ascending.
        public let seeds: [UInt64]
        /// The number of seeds with all networks of the arm.
        public let wholeSeeds: Int
        /// The net-epochs of one seed, over all supernets of the arm; nil if unknown or different from seed to seed.
        public let netEpochs: Double?
        /// The optimiser steps of one seed, over all supernets of the arm; nil if unknown or different from seed to seed.
        public let steps: Int?
        /// The mean cost of a seed's training; nil if unknown.
        public let cost: Cost?
        /// The accuracies in the order of the comparison's networks; nil for networks that were not measured.
        public let cells: [Cell?]

        private enum CodingKeys: String, CodingKey {
            case name, seeds, cells, steps
            case wholeSeeds = "whole_seeds"
            case netEpochs = "net_epochs"
            case cpuSeconds = "cpu_seconds"
            case joules = "energy_j"
        }

        /// Writes the fields of `ofa report --json`.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(name, forKey: .name)
            try fields.encode(seeds, forKey: .seeds)
            try fields.encode(wholeSeeds, forKey: .wholeSeeds)
            try fields.encode(netEpochs, forKey: .netEpochs)
            try fields.encode(steps, forKey: .steps)
            try fields.encode(cost?.cpuSeconds, forKey: .cpuSeconds)
            try fields.encode(cost?.joules, forKey: .joules)
            try fields.encode(cells, forKey: .cells)
        }
    }

    /// An evaluation and what its supernet took.
    struct Measured {
        let evaluation: ArmEvaluation
        /// The supernet's artifact, which several evaluations may share; nil if unknown.
        var supernet: Int64?
        /// The cost of the supernet's training in all phases; nil if unknown.
        var cost: Cost?
    }

    /// The seeds of all arms, ascending.
    public let seeds: [UInt64]
    /// The networks, largest first.
    public let networks: [Network]
    /// The arms, in the order of the pipeline file.
    public let arms: [Arm]
    /// The number of test images.
    public let testImages: Int
    /// The number of held-out images; nil if they were not measured.
    public let heldOutImages: Int?

    private enum CodingKeys: String, CodingKey {
        case seeds, networks, arms
        case testImages = "test_images"
        case heldOutImages = "held_out_images"
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(seeds, forKey: .seeds)
        try fields.encode(networks, forKey: .networks)
        try fields.encode(arms, forKey: .arms)
        try fields.encode(testImages, forKey: .testImages)
        try fields.encode(heldOutImages, forKey: .heldOutImages)
    }

    /// Compares `measured`, in the order of the pipeline's stages; nil if there is nothing to compare.
    init?(_ measured: [Measured]) {
        guard let first = measured.first?.evaluation else { return nil }
        testImages = first.testImages
        heldOutImages = measured.lazy.compactMap(\.evaluation.heldOutImages).first
        var known: [String: [Int]] = [:], names: [String] = []
        for evaluation in measured.map(\.evaluation) {
            if !names.contains(evaluation.arm) { names.append(evaluation.arm) }
            for network in evaluation.networks {
                known[network.name, default: []].append(network.macs)
            }
        }
        let networks = known.map { name, macs in
            Network(name: name, macs: macs.reduce(0, +) / macs.count)
        }.sorted {
            ($1.macs, $0.name) < ($0.macs, $1.name)
        }
        let seeds = Set(measured.map(\.evaluation.seed)).sorted()
        self.networks = networks
        self.seeds = seeds
        var arms: [Arm] = []
        for name in names {
            arms.append(
                Arm(
                    name, measured.filter { $0.evaluation.arm == name }, networks, seeds,
                    reference: arms.first))
        }
        self.arms = arms
    }
}

extension ArmComparison.Arm {
    /// Collects the arm `name` from its evaluations; `reference` is the arm that it is compared with, nil for none.
    fileprivate init(
        _ name: String, _ own: [ArmComparison.Measured], _ networks: [ArmComparison.Network],
        _ seeds: [UInt64], reference: ArmComparison.Arm?
    ) {
        typealias Spread = ArmComparison.Spread
        self.name = name
        self.seeds = seeds
        func spread(_ network: String, _ figure: (ArmEvaluation.Network) -> Double?) -> Spread? {
            Spread(
                seeds.map { seed in
                    own.last { one in
                        one.evaluation.seed == seed
                            && one.evaluation.networks.contains { $0.name == network }
                    }?.evaluation.networks.first { $0.name == network }.flatMap(figure)
                })
        }
        cells = networks.enumerated().map { place, network in
            guard let test = spread(network.name, { $0.top1 }) else { return nil }
            let others = reference?.cells[place]?.test.values
            return ArmComparison.Cell(
                test: test, heldOut: spread(network.name) { $0.heldOutTop1 },
                difference: others.flatMap { others in
                    Spread(
                        zip(test.values, others).map { own, other in
                            own.flatMap { own in other.map { own - $0 } }
                        })
                })
        }
        let measured = cells.compactMap(\.self)
        let whole = seeds.indices.filter { place in
            measured.allSatisfy { $0.test.values[place] != nil }
        }
        wholeSeeds = whole.count
        // The figures of a seed that lacks a network would be those of a part of the arm.
        let parts = whole.map { place in
            var counted: Set<Int64> = []
            return own.filter { one in
                guard one.evaluation.seed == seeds[place] else { return false }
                return one.supernet.map { counted.insert($0).inserted } ?? true
            }
        }
        func sums<Value: AdditiveArithmetic>(_ figure: (ArmComparison.Measured) -> Value?)
            -> [Value?]
        {
            parts.map { part in
                part.reduce(Value?.some(.zero)) { sum, one in
                    sum.flatMap { sum in figure(one).map { sum + $0 } }
                }
            }
        }
        let budgets = sums { $0.evaluation.netEpochs }, counts = sums { $0.evaluation.steps }
        netEpochs = (budgets.first ?? nil).flatMap { first in
            budgets.allSatisfy { $0.map { abs($0 - first) <= 1e-6 * first } ?? false } ? first : nil
        }
        steps = Set(counts).count == 1 ? counts[0] : nil
        let costs = parts.map { part in
            part.reduce(ArmComparison.Cost?.some(.init(cpuSeconds: 0, joules: 0))) { sum, one in
                sum.flatMap { sum in one.cost.map { sum + $0 } }
            }
        }
        let all = costs.compactMap(\.self)
        if let first = all.first, all.count == costs.count {
            let sum = all.dropFirst().reduce(first, +), count = Double(all.count)
            cost = ArmComparison.Cost(
                cpuSeconds: sum.cpuSeconds / count, joules: sum.joules.map { $0 / count })
        } else {
            cost = nil
        }
    }
}
