// The costs of many networks of one space at one resolution: every layer's costs are looked up instead of resolved.
import Networks

/// Costs, latencies and energies of networks at one resolution.
public struct NetworkCosting: Sendable {
    private let costs: LayerCosts

    /// Looks up every layer that networks of `space` can have at `resolution`, any of 1…4096.
    ///
    /// `energy` holds millijoules where `table` holds milliseconds. Errors: `missingLatency` naming the first key or the
    /// resolution that a table lacks.
    public init(
        _ space: SearchSpace, resolution: Int, table: LatencyTable?, energy: LatencyTable?
    ) throws {
        var space = space
        space.resolutions = [resolution]
        costs = try LayerCosts(space, table: table, energy: energy)
    }

    /// The costs of a network whose genes were checked, and what it needs on `device`.
    public func cost(_ config: SubnetConfig, on device: DeviceTarget) -> (
        NetworkCost, NetworkMetrics
    ) {
        let tally = costs.tally(config)
        return (tally.cost, costs.metrics(tally, on: device))
    }
}
