// The costs of many networks of one space at one resolution: every layer's costs are looked up instead of resolved.
import Networks

/// Costs and latencies of networks at one resolution.
public struct NetworkCosting: Sendable {
    private let costs: LayerCosts
    private let hasTable: Bool

    /// Looks up every layer that networks of `space` can have at `resolution`, any of 1…4096.
    ///
    /// Errors: `missingLatency` naming the first key or the resolution that `table` lacks.
    public init(_ space: SearchSpace, resolution: Int, table: LatencyTable?) throws {
        var space = space
        space.resolutions = [resolution]
        costs = try LayerCosts(space, table: table)
        hasTable = table != nil
    }

    /// The costs of a network whose genes were checked, and its latency in milliseconds where there is a table.
    public func cost(_ config: SubnetConfig) -> (NetworkCost, latencyMs: Double?) {
        let tally = costs.tally(config)
        return (tally.cost, hasTable ? tally.latencyMs : nil)
    }
}
