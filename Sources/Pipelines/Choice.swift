// What a search leaves: the network it chose, how sure its predictions are, and the front it lies on.

import Artifacts
import Foundation
import Networks
import Search

/// What a search chose, and for which device.
struct Choice: Codable, Sendable, Equatable {
    let device: DeviceTarget
    var result: SearchResult
    /// The space of the networks, by name.
    let space: String
    /// The deviation that the error of the predicted accuracy should have; nil when nothing is known of it, and in
    /// what older versions stored.
    var uncertainty: Double?
    /// On how many held-out images the accuracies were measured that the predictor was fitted on; nil when unknown.
    var heldOutImages: Int?
    /// The mean error of the latency table on whole networks, as a share; nil when it was never checked.
    var latencyError: Double?
    /// The digest of the supernet that the predictor was fitted on; nil when unknown.
    var supernet: Digest?
    /// What was done to the images that the predictor's networks were calibrated on; nil is nothing.
    var calibrationAugmentation: CalibrationAugmentation?
    /// The best networks for every value of one cost, the limit of that cost left aside; nil in metadata, where it
    /// would be too long, and where none was asked for.
    var front: ParetoFront?

    /// The same without the front.
    var summary: Choice {
        var summary = self
        summary.front = nil
        return summary
    }
}

extension Constraints {
    /// The cost whose front tells most about these limits: the one that is limited, and latency before energy before
    /// multiply-accumulates.
    var frontAxis: ParetoFront.Axis {
        if latencyMsMax != nil { return .latency }
        return energyMJMax != nil ? .energy : .macs
    }

    /// The limit of the cost that a front is over.
    func limit(of axis: ParetoFront.Axis) -> Double? {
        switch axis {
        case .latency: latencyMsMax
        case .energy: energyMJMax
        case .macs: macsMax.map(Double.init)
        }
    }

    /// The same without the limit of one cost.
    func without(_ axis: ParetoFront.Axis) -> Constraints {
        var open = self
        switch axis {
        case .latency: open.latencyMsMax = nil
        case .energy: open.energyMJMax = nil
        case .macs: open.macsMax = nil
        }
        return open
    }
}

extension ParetoFront {
    /// The front with one more network, and without what is neither cheaper nor better than it; the same where
    /// another is as cheap and as good.
    func including(_ network: SearchResult) -> ParetoFront {
        guard let own = axis.value(network.metrics) else { return self }
        func cost(_ other: SearchResult) -> Double { axis.value(other.metrics) ?? .infinity }
        if let best = best(atMost: own), best.predictedAccuracy >= network.predictedAccuracy {
            return self
        }
        var front = self
        front.networks =
            networks.filter { cost($0) < own } + [network]
            + networks.filter {
                cost($0) > own && $0.predictedAccuracy > network.predictedAccuracy
            }
        return front
    }
}

extension ParetoFront.Axis {
    /// What a network needs of this cost; nil when that is not known.
    func value(_ metrics: NetworkMetrics) -> Double? {
        switch self {
        case .latency: metrics.latencyMs
        case .energy: metrics.energyMJ
        case .macs: Double(metrics.macs)
        }
    }
}
