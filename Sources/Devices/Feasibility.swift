// Checks before a search whether any network meets a device's limits.
import Foundation
import Intake
import Networks

/// Finds the smallest costs that networks of a space can reach under a device's limits.
package struct Feasibility {
    private let space: SearchSpace
    private let costs: LayerCosts
    private let device: DeviceTarget

    /// Prepares the check of `device`'s limits for networks of `space` at its resolutions.
    package init(_ space: SearchSpace, _ costs: LayerCosts, _ device: DeviceTarget) {
        self.space = space
        self.costs = costs
        self.device = device
    }

    /// Returns a network with small costs that meets every limit.
    ///
    /// Errors: `infeasible`, naming every limit that is below the smallest reachable value of its quantity. If each
    /// limit can be met alone, but not all together, the error names all limits. For each limit it then states the
    /// smallest value that is reachable while the other limits are met.
    package func anchor() throws -> SubnetConfig {
        let limits = device.limits.limits, joint = JointLimits(space, costs, device)
        var candidates: [SubnetConfig] = []
        var unreachable: [String] = []
        for (quantity, limit) in limits {
            let smallest = space.resolutions.map {
                joint.least($0, isPeak: quantity == .peakMemoryKB) { value(of: quantity, $0) }
            }
            candidates += smallest
            let reachable = smallest.map { value(of: quantity, $0) }.min() ?? .infinity
            if reachable > limit {
                unreachable.append(
                    "\(quantity.rawValue) ≤ \(DecimalNumber.text(limit)): the smallest reachable is "
                        + number(reachable))
            }
        }
        guard unreachable.isEmpty else { throw infeasible(unreachable.joined(separator: "; ")) }
        candidates += space.resolutions.map { resolution in
            joint.least(resolution) { tally in
                limits.reduce(0) { $0 + value(of: $1.quantity, tally) / $1.limit }
            }
        }
        func isMet(_ config: SubnetConfig) -> Bool {
            device.limits.areMet(by: costs.metrics(config, on: device))
        }
        if let anchor = candidates.first(where: isMet) { return anchor }
        for resolution in space.resolutions {
            if let anchor = joint.networks(resolution, limits).first(where: isMet) { return anchor }
        }
        let reachable = limits.indices.map { place in
            let others = limits.indices.map { ($0 == place ? .infinity : limits[$0].limit) }
            let least = space.resolutions.flatMap {
                joint.networks($0, zip(limits, others).map { ($0.quantity, $1) })
            }.map { value(of: limits[place].quantity, $0) }.min()
            return
                "\(limits[place].quantity.rawValue) ≤ \(DecimalNumber.text(limits[place].limit)): "
                + (least.map { "\(number($0)) while the others are met" }
                    ?? "the others exclude each other")
        }
        throw infeasible(
            "each limit can be met, but not together; the smallest reachable: "
                + reachable.joined(separator: "; "))
    }

    private func value(of quantity: Quantity, _ tally: LayerCosts.Tally) -> Double {
        costs.metrics(tally, on: device).value(of: quantity) ?? .infinity
    }

    private func value(of quantity: Quantity, _ config: SubnetConfig) -> Double {
        costs.metrics(config, on: device).value(of: quantity) ?? .infinity
    }

    private func infeasible(_ reason: String) -> DeviceError {
        DeviceError(
            .infeasible,
            "no network of \(space.name) meets the limits"
                + (device.name.isEmpty ? "" : " of device \(device.name)") + ": \(reason)")
    }

    /// Formats `value` with at most four decimals, or with three significant digits below 0.1. The number is rounded
    /// up, so that it is a limit that can be met.
    private func number(_ value: Double) -> String {
        guard value > 0, value < 0.1 else {
            return DecimalNumber.text((value * 10_000).rounded(.up) / 10_000)
        }
        let scale = pow(10, 2 - log10(value).rounded(.down))
        let shown = (value * scale).rounded(.up) / scale
        return DecimalNumber.text(shown < value ? shown + 1 / scale : shown)
    }
}
