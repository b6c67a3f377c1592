// What it cost to make a network: the part of its model card about energy and carbon. The rows are sums of the ledger's
// rows, as `ofa cost` shows them.

import Accounting
import Foundation
import Networks

/// The costs of making one network.
struct ModelCardCost {
    /// The costs of the network itself: of all stages for its device, or of the stage that made a network for no device.
    /// Nil if the ledger has no such row.
    private let own: CostRow?
    /// The costs of the run that trained the network's supernet, without `own`; nil if they are unknown.
    private let others: CostRow?
    /// The run that trained the supernet; nil for an imported supernet.
    private let trainingRun: Int64?
    /// Whether one run trained the supernet and made the network.
    private let isOneRun: Bool
    /// Why the costs are unknown; nil if they are known.
    private let problem: String?

    /// Collects the costs of `network`. Errors: those of the database.
    init(_ network: StoredNetwork, _ ledger: CostLedger, factors: FactorSet) throws {
        let producer = network.artifact.producer, device = network.figures.device
        let source = network.inputs[.supernet]?.producer?.run
        trainingRun = source
        isOneRun = source != nil && source == producer?.run
        func rows(_ run: Int64, _ grouping: CostGrouping) throws -> [CostRow] {
            try ledger.report(run: run, by: grouping, factors: factors).rows
        }
        do {
            let branch = try producer.flatMap { producer in
                try ledger.branches(run: producer.run, factors: factors).first {
                    $0.run == producer.run && $0.device == device
                }?.cost
            }
            let own =
                try branch
                ?? producer.flatMap { producer in
                    try rows(producer.run, .stage).first { $0.label == producer.stage }
                }
            let excluded = isOneRun ? own?.label : nil
            let found = try source.map { run in
                try rows(run, branch == nil ? .stage : .device).filter { $0.label != excluded }
            }
            self.own = own
            others = found.flatMap { $0.isEmpty ? nil : CostRow.sum($0, label: "") }
            problem = nil
        } catch let error as AccountingError where error.code == .unknownZone {
            // A model can be exported although its carbon cannot be computed.
            (own, others, problem) = (nil, nil, error.reason)
        }
    }

    /// The lines of the section.
    var lines: [String] {
        if let problem { return ["Not known: \(ModelCard.safe(problem))."] }
        let rows = [row("this network", own), row(trainingName, others)]
        let methods = Set([own, others].compactMap { $0 }.flatMap(\.methods)).sorted()
        return ModelCard.table(["What", "Energy", "CO2e", "Attempts", "Tier"], rows)
            + (methods.isEmpty
                ? [] : ["", "Methods: \(ModelCard.safe(methods.joined(separator: "; ")))."])
            + [
                "",
                "Energy of computing without the building's overhead; CO2e with it. A run's costs include those of its"
                    + " searches and of its other networks. `ofa cost explain` shows formulas and factors.",
            ]
    }

    private var trainingName: String {
        guard let trainingRun else { return "training of its supernet" }
        return isOneRun
            ? "everything else in run \(trainingRun), which trained its supernet"
            : "the whole of run \(trainingRun), which trained its supernet"
    }

    private func row(_ name: String, _ cost: CostRow?) -> [String] {
        guard let cost else { return [name, "not recorded", "not recorded", "–", "–"] }
        guard cost.isKnown else {
            return [name, "not metered", "not metered", "\(cost.attempts)", "–"]
        }
        let energy = [cost.energy.microjoules, cost.energy.low, cost.energy.high].map {
            ReportText.amount(Double($0) / 1e6)
        }
        let grams = [cost.grams, cost.gramsLow, cost.gramsHigh].map(ReportText.amount)
        let gaps =
            cost.gaps == 0 ? "" : ", \(cost.gaps) of them not metered: their energy is missing"
        return [
            name, "\(energy[0]) J (\(energy[1])…\(energy[2]))",
            cost.isCarbonKnown ? "\(grams[0]) g (\(grams[1])…\(grams[2]))" : "unknown",
            "\(cost.attempts)\(gaps)",
            cost.tier.map { "\($0.rawValue) (\($0))" } ?? "–",
        ]
    }
}
