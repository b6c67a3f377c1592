// The JSON form of what one supernet saved.

import Accounting
import Foundation

extension SupernetSavings: Encodable {
    private enum Key: String, CodingKey {
        case seeds, test_images, held_out_images, supernet, ways, devices, break_even, has_gaps
        case tier, methods, aims_are_of_cut, made_elsewhere
        case device, macs, way, name, test, held_out, epochs, aims, reached, as_accurate
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(seeds, forKey: .seeds)
        try fields.encode(testImages, forKey: .test_images)
        try fields.encode(heldOutImages, forKey: .held_out_images)
        try fields.encode(tier, forKey: .tier)
        try fields.encode(methods, forKey: .methods)
        try fields.encode(supernet, forKey: .supernet)
        try fields.encode(ways, forKey: .ways)
        var list = fields.nestedUnkeyedContainer(forKey: .devices)
        for device in devices {
            var fields = list.nestedContainer(keyedBy: Key.self)
            try fields.encode(device.name, forKey: .device)
            try fields.encode(device.macs, forKey: .macs)
            let cells = zip(ways, device.cells).map {
                CellDocument(way: $0, cell: $1, seeds: seeds.count)
            }
            try fields.encode(cells, forKey: .ways)
        }
        try fields.encode(crossings, forKey: .break_even)
        try fields.encode(aimsAreOfCut, forKey: .aims_are_of_cut)
        try fields.encode(elsewhere.map(\.rawValue), forKey: .made_elsewhere)
        try fields.encode(hasGaps, forKey: .has_gaps)
    }

    /// The figures of a device's network in one way; all are null without a network.
    private struct CellDocument: Encodable {
        let way: WayTotal
        let cell: Cell?
        let seeds: Int

        func encode(to encoder: any Encoder) throws {
            try (cell?.cost ?? Amount([])).encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(way.way, forKey: .way)
            try fields.encode(way.name, forKey: .name)
            try fields.encode(cell?.test, forKey: .test)
            try fields.encode(cell?.heldOut, forKey: .held_out)
            try fields.encode(cell?.epochs, forKey: .epochs)
            try fields.encode(cell?.aims, forKey: .aims)
            let none = [Bool?](repeating: nil, count: seeds)
            try fields.encode(cell?.reached ?? none, forKey: .reached)
            try fields.encode(cell?.asAccurate ?? none, forKey: .as_accurate)
        }
    }
}

extension SupernetSavings.Amount: Encodable {
    private enum Key: String, CodingKey {
        case energy_j, energy_low_j, energy_high_j, tier, methods, gap_seconds, seconds
        case cpu_seconds
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(energy, forKey: .energy_j)
        try fields.encode(energyRange?.low, forKey: .energy_low_j)
        try fields.encode(energyRange?.high, forKey: .energy_high_j)
        try fields.encode(tier, forKey: .tier)
        try fields.encode(methods, forKey: .methods)
        try fields.encode(gapSeconds, forKey: .gap_seconds)
        try fields.encode(seconds, forKey: .seconds)
        try fields.encode(cpuSeconds, forKey: .cpu_seconds)
    }
}

extension SupernetSavings.WayTotal: Encodable {
    private enum Key: String, CodingKey { case way, name, devices, all }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(way, forKey: .way)
        try fields.encode(name, forKey: .name)
        try fields.encode(devices, forKey: .devices)
        try fields.encode(all, forKey: .all)
    }
}

extension SupernetSavings.Crossing: Encodable {
    private enum Key: String, CodingKey {
        case way, name, measure, by_seed, factor, mean, seeds_in_mean
        case independent_targets_low, independent_targets_high, independent_may_never
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(way, forKey: .way)
        try fields.encode(name, forKey: .name)
        try fields.encode("\(measure)", forKey: .measure)
        try fields.encode(seeds, forKey: .by_seed)
        try fields.encode(factor, forKey: .factor)
        try fields.encode(
            mean?.document(against: name, unit: measure.rawValue, tier: tier), forKey: .mean)
        try fields.encode(wholeSeeds, forKey: .seeds_in_mean)
        try fields.encode(independent?.fewest, forKey: .independent_targets_low)
        try fields.encode(independent?.most, forKey: .independent_targets_high)
        try fields.encode(independent.map { $0.most == nil }, forKey: .independent_may_never)
    }
}
