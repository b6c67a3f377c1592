// One network's section of a report: predicted and measured figures, limits, front, genes and cost.

import Accounting
import Charts
import Devices
import Foundation
import Jobs
import Networks

struct ReportCard {
    private let row: RunReport.NetworkRow
    private let source: RunID?
    private var figures: NetworkFigures { row.figures }

    init(_ row: RunReport.NetworkRow, source: RunID?) {
        self.row = row
        self.source = source
    }

    /// The section's markup.
    var lines: [String] {
        var lines = [
            "<section class=\"card\" id=\"network-\(row.artifact)\">",
            "<h2>\(ReportText.safe(row.name)) \(ReportPage.verdict(figures))</h2>",
        ]
        lines += headline + comparison + tuning
        if let plot = FrontPlot(row) {
            lines += [
                "<figure>", plot.chart.pair(), "<figcaption>\(caption)</figcaption>", "</figure>",
            ]
        }
        return lines + limits + genes + ["</section>"]
    }

    /// The most important figures, in large type.
    private var headline: [String] {
        var tiles = [
            (ReportText.percent(figures.testAccuracy), "on \(images) test images\(inBits)")
        ]
        if let latency = figures.latencyMs {
            tiles.append(
                (
                    ReportText.amount(latency) + " ms",
                    "a batch \(threads), measured here\(inBits)"
                ))
        } else if let latency = figures.tableLatencyMs {
            tiles.append((ReportText.amount(latency) + " ms", "a batch \(threads), by its table"))
        }
        tiles.append((ReportText.grouped(figures.macs), "multiply-accumulates"))
        tiles.append((ReportText.bytes(figures.flashBytes), "of stored weights\(inBits)"))
        if let branch = row.branch {
            let share = branch.share.map { ReportText.smallPercent($0) } ?? ""
            tiles.append(
                (
                    ReportPage.joules(branch.cost.energy.microjoules),
                    branch.isAdded
                        ? "to add it: \(share) of run \(branch.source ?? 0)"
                        : "for this device: \(share) of the run"
                ))
        }
        return ["<div class=\"tiles\">"]
            + tiles.map { "<div><b>\($0.0)</b><span>\($0.1)</span></div>" } + ["</div>"]
    }

    /// Follows the names of figures of a network measured in eight bits.
    private var inBits: String { figures.eightBits == nil ? "" : ", in 8 bits" }

    private var threads: String {
        "on \(row.threads) thread\(row.threads == 1 ? "" : "s")"
    }

    private var images: String { figures.testImages.map(ReportText.grouped) ?? "the" }

    /// A table of predicted and measured figures.
    private var comparison: [String] {
        func accuracy(_ share: Double?, _ deviation: Double?) -> String {
            guard let share else { return "–" }
            let error = deviation.map { " ± " + ReportText.decimal(100 * $0, 2) } ?? ""
            return ReportText.decimal(100 * share, 2) + error + " %"
        }
        let predicted = accuracy(figures.predictedAccuracy, figures.accuracyUncertainty)
        func points(_ difference: Double?) -> String {
            difference.map { ReportText.signed(100 * $0, 2) + " points" } ?? "–"
        }
        var rows: [[String]] = []
        if let heldOut = figures.heldOutAccuracy {
            rows.append([
                "Accuracy\(figures.bitsSuffix), \(figures.heldOutImages.map(ReportText.grouped) ?? "") held-out images",
                predicted, accuracy(heldOut, figures.heldOutError),
                points(figures.heldOutDifference),
            ])
        }
        func floats(_ share: Double?, _ images: Int?) {
            guard figures.eightBits != nil, let share else { return }
            let error = NetworkFigures.standardError(share, images)
            rows.append(["The same in floats", "–", accuracy(share, error), "–"])
        }
        floats(figures.floatHeldOutAccuracy, figures.heldOutImages)
        rows.append([
            "Accuracy\(figures.bitsSuffix), \(images) test images",
            figures.testOffset == nil
                ? predicted : accuracy(figures.expectedTestAccuracy, figures.expectedTestError),
            accuracy(figures.testAccuracy, figures.testError),
            points(figures.expectedDifference ?? figures.accuracyDifference),
        ])
        floats(figures.floatTestAccuracy, figures.testImages)
        if figures.tableLatencyMs != nil || figures.latencyMs != nil {
            let error = figures.latencyError.map { " ± " + ReportText.percent($0, 1) } ?? ""
            var spread = ""
            if let low = figures.latencyMsLow, let high = figures.latencyMsHigh {
                spread = " (\(ReportText.amount(low))…\(ReportText.amount(high)))"
            }
            rows.append([
                "Latency" + (figures.latencyMs == nil ? "" : figures.bitsSuffix),
                figures.tableLatencyMs.map { ReportText.amount($0) + " ms" + error } ?? "–",
                figures.latencyMs.map { ReportText.amount($0) + " ms" + spread }
                    ?? "not measured here",
                figures.latencyDifference.map { ReportText.signed(100 * $0, 1) + " %" } ?? "–",
            ])
        }
        let notes = [figures.eightBitsNote, row.tableDifference].compactMap { $0 }
        return ReportPage.table(["", "Predicted", "Measured", "Difference"], rows)
            + notes.map { "<p class=\"note\">\(ReportText.safe($0)).</p>" }
    }

    /// The networks before and after a fine-tuning.
    private var tuning: [String] {
        guard let tuning = figures.fineTuning else { return [] }
        func row(_ side: FineTuning.Side, _ figures: FineTuning.Figures?) -> [String] {
            guard let figures else {
                return [side.rawValue, ReportText.safe(tuning.failure ?? "none"), "–", ""]
            }
            let error = tuning.error(figures).map { " ± " + ReportText.decimal(100 * $0, 2) } ?? ""
            return [
                side.rawValue, ReportText.decimal(100 * figures.accuracy, 2) + error + " %",
                figures.loss.map { ReportText.decimal($0, 4) } ?? "not finite",
                tuning.kept == side ? "kept" : "",
            ]
        }
        return [
            "<h3>Fine-tuning: \(ReportText.amount(tuning.epochs)) epochs of artifact \(tuning.source)</h3>"
        ]
            + ReportPage.table(
                [
                    "Network",
                    "\(ReportText.grouped(tuning.heldOutImages)) held-out images"
                        + (figures.eightBits == nil ? "" : ", in floats"),
                    "Loss",
                    "",
                ], [row(.before, tuning.before), row(.after, tuning.after)])
    }

    private var caption: String {
        var words =
            "The blue steps are the best predicted accuracy for every cost; the diamond is the network that was chosen."
        let axis = row.front?.axis ?? .macs
        if figures.limitRows.contains(where: { $0.name != axis.limitName }) {
            words += " All of them meet the device's other limits."
        }
        if figures.heldOutAccuracy != nil {
            words +=
                " The predictor was fitted on held-out training images: the green dot is what it should have said,"
                + " and the distance down to the violet square is how much harder the test images are."
        }
        if let offset = figures.testOffset {
            words +=
                " The predictor was fitted on held-out training images; from \(offset.networks) networks of this"
                + " supernet, accuracies on the test images are expected to differ by"
                + " \(ReportText.signed(100 * offset.mean, 2)) ± \(ReportText.decimal(100 * offset.deviation, 2)) points:"
                + " the hollow diamond shows this expectation, the violet square the measurement."
        }
        return words + " Bars are one standard deviation."
    }

    /// The device's limits; for each limit, a bar shows what share of the limit the network uses.
    private var limits: [String] {
        let rows = figures.limitRows
        guard !rows.isEmpty else { return [] }
        return ["<h3>Limits</h3>"]
            + ReportPage.table(
                ["Limit", "At most", "Needs", "Used"],
                rows.map { limit in
                    let used = limit.value.map { $0 / limit.limit }
                    let kind = limit.isMet == false ? "bad" : "good"
                    let bar = used.map {
                        "<span class=\"meter \(kind)\"><i style=\"width:\(Int(min(max(100 * $0, 0), 100)))%\"></i></span>"
                            + " \(ReportText.percent($0, 0))"
                    }
                    return [
                        "<code>\(ReportText.safe(limit.name))</code>",
                        "\(ReportText.amount(limit.limit)) \(limit.unit)",
                        limit.value.map {
                            "\(ReportText.amount($0)) \(limit.unit)"
                                + (limit.measured == nil ? "" : ", measured")
                        } ?? "not known", bar ?? "",
                    ]
                }) + ["<p class=\"note\">\(ReportText.safe(figures.assumption)).</p>"]
    }

    private var genes: [String] {
        let arch = figures.arch
        // A skipped layer has neither kernel size nor expand ratio; its genes are 0.
        func line(_ values: [Double]) -> String {
            values.map { $0 == 0 ? "–" : SearchSpace.text($0) }.joined(separator: " ")
        }
        func line(_ values: [Int]) -> String { line(values.map(Double.init)) }
        var lines = [
            "<details>", "<summary>The network</summary>", "<dl>",
            "<dt>resolution</dt><dd>\(arch.resolution)</dd>",
            "<dt>depths</dt><dd>\(arch.depths.map(String.init).joined(separator: " "))</dd>",
            arch.kernelSizes.isEmpty
                ? "" : "<dt>kernel sizes</dt><dd>\(line(arch.kernelSizes))</dd>",
            "<dt>expand ratios</dt><dd>\(line(arch.expandRatios))</dd>",
            arch.widths.isEmpty
                ? ""
                : "<dt>widths</dt><dd>\(arch.widths.map(String.init).joined(separator: " "))</dd>",
            "<dt>parameters</dt><dd>\(ReportText.grouped(figures.params))</dd>",
            "<dt>peak memory</dt><dd>\(ReportText.bytes(figures.peakActivationBytes))</dd>",
        ]
        lines.removeAll(where: \.isEmpty)
        if let energy = figures.energyMJ {
            lines.append(
                "<dt>energy of a batch</dt><dd>\(ReportText.amount(energy)) mJ, by table or model</dd>"
            )
        }
        lines += [
            "<dt>weights</dt><dd>artifact \(row.artifact), <code>ofa artifacts get \(row.artifact)</code></dd>",
            "</dl>", "</details>",
        ]
        return lines
    }
}
