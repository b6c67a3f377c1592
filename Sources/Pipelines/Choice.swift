// The result of a search stage: the network chosen for a device, the uncertainty of the network's predicted figures,
// and the Pareto front that the network was chosen from.

import Artifacts
import Devices
import Foundation
import Networks
import Search

/// The network that a search chose for a device.
struct Choice: Codable, Sendable, Equatable {
    let device: DeviceTarget
    var result: SearchResult
    /// The name of the search space.
    let space: String
    /// The standard error of the predicted accuracy; nil if unknown or in data of older versions.
    var uncertainty: Double?
    /// The number of held-out images on which the predictor's accuracies were measured; nil if
    /// unknown.
    var heldOutImages: Int?
    /// The mean relative error of the latency table on whole networks; nil if the table was never checked.
    var latencyError: Double?
    /// The digest of the supernet whose networks the predictor was fitted on; nil if unknown.
    var supernet: Digest?
    /// How calibration images were augmented for the networks that the predictor was fitted on; nil for no
    /// augmentation.
    var calibrationAugmentation: CalibrationAugmentation?
    /// The definition of the search space; nil in metadata, which hold only `space`, and in data of older versions.
    var definition: SearchSpace?
    /// 8 if the predicted accuracy is that of eight bits; nil for floats.
    var bits: Int?
    /// The Pareto front of accuracy over one cost, searched without a limit on that cost. Nil if no front was
    /// requested, and in metadata, where a front would be too long.
    var front: ParetoFront?

    /// A copy without the front.
    var summary: Choice {
        var summary = self
        (summary.front, summary.definition) = (nil, nil)
        return summary
    }
}

extension Constraints {
    /// The cost that a front is drawn over: latency if latency is limited, otherwise energy if energy is limited,
    /// otherwise multiply-accumulates.
    var frontAxis: ParetoFront.Axis {
        if latencyMsMax != nil { return .latency }
        return energyMJMax != nil ? .energy : .macs
    }

    /// Returns the limit of the cost `axis`; nil if there is none.
    func limit(of axis: ParetoFront.Axis) -> Double? {
        switch axis {
        case .latency: latencyMsMax
        case .energy: energyMJMax
        case .macs: macsMax.map(Double.init)
        }
    }

    /// Returns a copy without the limit of the cost `axis`.
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
    /// Returns the front with `network` added and networks that `network` dominates removed; returns the front
    /// unchanged if one of its networks is at least as cheap and at least as accurate.
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
    /// Returns a network's value of this cost; nil if unknown.
    func value(_ metrics: NetworkMetrics) -> Double? {
        switch self {
        case .latency: metrics.latencyMs
        case .energy: metrics.energyMJ
        case .macs: Double(metrics.macs)
        }
    }
}
