// The costs of every possible part of a space's networks, precomputed. All costs of a network are sums over its parts,
// except peak memory, which is the maximum. The costs of a part depend on few genes (NetworkParts.swift). So the costs
// of each network that a search scores take only a few additions.
import Networks

/// The costs of all parts of a space's networks, with one device's tables, at the resolutions of a search.
package struct LayerCosts: Sendable {
    /// The costs of a part of a network.
    package struct Tally: Sendable {
        var cost: NetworkCost
        var latencyMs: Double
        var energyMJ: Double

        mutating func add(_ part: Tally) {
            cost.combine(part.cost)
            latencyMs += part.latencyMs
            energyMJ += part.energyMJ
        }
    }

    /// The parts of networks, each with the range of its entries.
    package let parts: NetworkParts
    private let hasLatency, hasEnergy: Bool
    /// The costs of all entries of `parts`, by resolution.
    private let planes: [Int: [Tally]]

    /// Computes the costs of every part of networks of `space` at `space.resolutions`.
    ///
    /// `energy` has the form of `table`, with millijoules instead of milliseconds. Errors: `missingLatency`, naming the
    /// first key or resolution that a table lacks.
    package init(_ space: SearchSpace, table: LatencyTable?, energy: LatencyTable? = nil) throws {
        parts = try NetworkParts(space)
        hasLatency = table != nil
        hasEnergy = energy != nil
        var planes: [Int: [Tally]] = [:]
        for resolution in space.resolutions {
            planes[resolution] = try Self.plane(parts, resolution, table, energy)
        }
        self.planes = planes
    }

    private static func plane(
        _ parts: NetworkParts, _ resolution: Int, _ table: LatencyTable?, _ energy: LatencyTable?
    ) throws -> [Tally] {
        var plane = [Tally?](repeating: nil, count: parts.entryCount)
        try parts.forEachEntry(resolution) { entry, placed in
            var cost: NetworkCost?
            for layer in placed {
                if cost == nil {
                    cost = NetworkCost(layer.layer)
                } else {
                    cost?.combine(NetworkCost(layer.layer))
                }
            }
            guard let cost else { return }
            var tally = Tally(cost: cost, latencyMs: 0, energyMJ: 0)
            if table != nil || energy != nil {
                let key = LatencyKey(placed.map(\.layer))
                tally.latencyMs = try table?.latencyMs(key, resolution: resolution) ?? 0
                tally.energyMJ =
                    try energy?.latencyMs(key, resolution: resolution, of: "energy table") ?? 0
            }
            plane[entry] = tally
        }
        return plane.compactMap(\.self)
    }

    /// Returns the costs of the entry with index `entry` at one of the space's resolutions.
    package func tally(_ entry: Int, _ resolution: Int) -> Tally { plane(resolution)[entry] }

    /// Returns the metrics of a network on `device`, computed from the network's summed costs, `tally`. The device's
    /// number formats decide the sizes in bytes.
    package func metrics(_ tally: Tally, on device: DeviceTarget) -> NetworkMetrics {
        device.metrics(
            tally.cost, latencyMs: hasLatency ? tally.latencyMs : nil,
            energyMJ: hasEnergy ? tally.energyMJ : nil)
    }

    /// Returns the costs on `device` of a network of the space, at one of the space's resolutions.
    package func metrics(_ config: SubnetConfig, on device: DeviceTarget) -> NetworkMetrics {
        metrics(tally(config), on: device)
    }

    /// Returns the costs of a network of the space, at one of the space's resolutions.
    func tally(_ config: SubnetConfig) -> Tally {
        let plane = plane(config.resolution)
        var sum: Tally?
        for part in parts.parts {
            guard let entry = parts.entry(part, in: config) else { continue }
            if sum == nil { sum = plane[entry] } else { sum?.add(plane[entry]) }
        }
        guard let sum else { preconditionFailure("a network of no parts") }
        return sum
    }

    private func plane(_ resolution: Int) -> [Tally] {
        guard let plane = planes[resolution] else {
            preconditionFailure("resolution \(resolution) is not one of the search's")
        }
        return plane
    }
}
