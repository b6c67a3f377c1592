// The costs of many networks of one space at one resolution, from the precomputed costs of parts.
import Networks

/// Costs, latencies and energies of networks at one resolution.
public struct NetworkCosting: Sendable {
    private let costs: LayerCosts

    /// Precomputes the costs of every part of networks of `space` at `resolution`, which may be any number in 1…4096.
    ///
    /// `table` has the latencies in milliseconds; `energy` has the same form, with energies in millijoules. Errors:
    /// `missingLatency`, naming the first key or the resolution that a table lacks.
    public init(
        _ space: SearchSpace, resolution: Int, table: LatencyTable?, energy: LatencyTable?
    ) throws {
        var space = space
        space.resolutions = [resolution]
        costs = try LayerCosts(space, table: table, energy: energy)
    }

    /// Returns the costs of a network with valid genes, as counts and as costs on `device`.
    public func cost(_ config: SubnetConfig, on device: DeviceTarget) -> (
        NetworkCost, NetworkMetrics
    ) {
        let tally = costs.tally(config)
        return (tally.cost, costs.metrics(tally, on: device))
    }
}
