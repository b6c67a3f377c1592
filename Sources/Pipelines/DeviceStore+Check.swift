// Checks a device before it is stored: there must be a space that its tables belong to and that has a network within
// its limits. Later specialisations may use any space, so one such space suffices.

import Devices
import Networks
import Search

extension DeviceStore {
    /// Throws unless a published space, or `space` if given, has a network that meets the device's limits according to
    /// the given tables. A latency limit without a table is ignored, because the table is still to be measured.
    ///
    /// Errors: `infeasible` with the smallest reachable values, `mismatch` for tables of no such space.
    public static func check(
        _ device: DeviceTarget, latencyTable: LatencyTable?, energyTable: LatencyTable?,
        space: SearchSpace? = nil
    ) throws {
        var device = device
        if latencyTable == nil { device.limits = device.limits.without(.latency) }
        let tables = [latencyTable, energyTable].compactMap { $0 }
        guard device.limits != Constraints() || !tables.isEmpty else { return }
        var infeasible: DeviceError?
        var unfit: (sizes: Int, reason: String)?
        let spaces = try space.map { [$0] } ?? bySmallestNetwork()
        for space in spaces {
            let sizes = space.resolutions.filter { size in
                tables.allSatisfy { $0.entries[size] != nil }
            }
            guard !sizes.isEmpty else { continue }
            do {
                _ = try EvolutionarySearch(
                    space: space, resolutions: sizes, device: device,
                    latencyTable: try latencyTable?.corrected(for: space),
                    energyTable: energyTable)
                return
            } catch let error as DeviceError where error.code == .infeasible {
                infeasible = infeasible ?? error
            } catch let error as DeviceError where error.code == .missingLatency {
                if sizes.count > unfit?.sizes ?? 0 { unfit = (sizes.count, error.message) }
            }
        }
        if let infeasible {
            throw PipelineError(
                .infeasible,
                (space.map { "space \($0.name) does not serve this device; " }
                    ?? "no known space serves this device; in the smallest, ") + "\(infeasible)")
        }
        let sizes = tables.map { SearchSpace.listed($0.resolutions) }.joined(separator: " and ")
        throw PipelineError(
            .mismatch,
            "device \(device.name): the tables fit \(space.map { "space \($0.name) not" } ?? "no known space"): "
                + (unfit?.reason ?? "they have image sizes \(sizes); see ofa space list"),
            remedy: space == nil ? "for tables of a space of your own, give it with --space" : nil)
    }

    /// Returns the published spaces, the space with the smallest network first.
    private static func bySmallestNetwork() throws -> [SearchSpace] {
        try SearchSpace.published.map { ($0, try NetworkCost($0, $0.smallest).macs) }
            .sorted { $0.1 < $1.1 }.map(\.0)
    }
}
