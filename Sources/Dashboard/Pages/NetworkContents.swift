// What the page of a network shows: accuracies, costs, limits, architecture and confusion matrix.

import Artifacts
import Foundation
import Networks
import Pipelines

extension ArtifactView {
    /// Returns the sections of a network cut from a supernet.
    func network() throws -> HTML {
        let figures: NetworkFigures
        do { figures = try NetworkFigures(of: artifact) } catch let error as PipelineError {
            return Parts.section("Network", id: "network", "<p class=\"bad\">\(error.reason)</p>\n")
        }
        return """
            \(Parts.section("Accuracy and costs", id: "network", NetworkParts.tiles(figures), Parts.list(NetworkParts.facts(figures))))\
            \(limits(figures))\
            \(Parts.section("Architecture", id: "architecture", NetworkParts.architecture(figures)))\
            \(try section("Predictions by class", "classes", needsBytes: false) {
                guard let record = try ConfusionRecord.find(artifact, figures, connection) else {
                    return ConfusionParts.none
                }
                let source: HTML =
                    record.artifact == artifact.id
                    ? .empty
                    : "<p>Recorded by evaluation \(ArtifactPages.link(record.artifact)).</p>\n"
                return """
                    \(source)\(ConfusionParts.show(
                        record, names: figures.classNames ?? [], of: figures.label, id: "confusion"))
                    """
            })
            """
    }

    private func limits(_ figures: NetworkFigures) -> HTML {
        let rows = figures.limitRows.map { row -> [HTML] in
            [
                "\(row.name)", "\(ReportText.amount(row.limit)) \(row.unit)",
                "\(PageParts.amount(row.expected, row.unit))",
                "\(row.measured.map { PageParts.amount($0, row.unit) } ?? "–")",
                NetworkParts.isMet(row.isMet),
            ]
        }
        return Parts.section(
            "Limits of the device", id: "limits",
            Parts.table(
                "Limits of the device and what the network needs",
                [
                    .text("Limit"), .number("At most"), .number("Expected"), .number("Measured"),
                    .text("Met"),
                ], rows, none: "No limits are recorded for this network."))
    }
}

/// Parts of pages that show networks.
enum NetworkParts {
    /// Whether a limit is met, in a word.
    static func isMet(_ met: Bool?) -> HTML {
        switch met {
        case true?: "<span class=\"good\">✓ met</span>"
        case false?: "<span class=\"bad\">✗ not met</span>"
        case nil: "unknown"
        }
    }

    /// The large figures of a network.
    static func tiles(_ figures: NetworkFigures) -> HTML {
        Parts.tiles([
            ("top-1, test images", "\(PageParts.percent(figures.testAccuracy))"),
            (
                figures.latencyMs != nil ? "measured latency" : "latency by table",
                "\(PageParts.amount(figures.latencyMs ?? figures.tableLatencyMs, "ms"))"
            ),
            ("multiply-accumulates", "\(ReportText.grouped(figures.macs))"),
            ("stored weights", "\(PageParts.bytes(figures.flashBytes))"),
        ])
    }

    /// The figures of a network with what is known of their errors.
    static func facts(_ figures: NetworkFigures) -> [(name: String, value: HTML)] {
        let images = figures.testImages.map { " on \(ReportText.grouped($0)) images" } ?? ""
        let bits = figures.eightBits == nil ? "" : ", in eight bits"
        var facts: [(name: String, value: HTML)] = [
            (
                "device",
                Parts.link(figures.device, HTML.path("devices", figures.device))
            ),
            (
                "accuracy, predicted",
                "\(PageParts.percent(figures.predictedAccuracy, error: figures.accuracyUncertainty))"
            ),
            (
                "accuracy, expected on test images",
                "\(PageParts.percent(figures.expectedTestAccuracy, error: figures.expectedTestError))"
            ),
            (
                "accuracy, measured on test images",
                "\(PageParts.percent(figures.testAccuracy, error: figures.testError) + images + bits)"
            ),
            (
                "accuracy, measured on held-out images",
                "\(PageParts.percent(figures.heldOutAccuracy, error: figures.heldOutError))"
            ),
        ]
        if let eight = figures.eightBits {
            facts.append(("accuracy in floats", "\(PageParts.percent(eight.floatTestAccuracy))"))
        }
        if let tuning = figures.fineTuning {
            facts.append(
                (
                    "trained further",
                    "\(ReportText.amount(tuning.epochs)) epochs; the network \(tuning.kept.rawValue) was kept"
                ))
        }
        facts += [
            ("latency by table", "\(PageParts.amount(figures.tableLatencyMs, "ms"))"),
            ("latency, measured", "\(latency(figures))"),
            ("energy of one batch", "\(PageParts.amount(figures.energyMJ, "mJ"))"),
            ("multiply-accumulates", "\(ReportText.grouped(figures.macs))"),
            ("parameters", "\(ReportText.grouped(figures.params))"),
            ("stored weights", "\(PageParts.bytes(figures.flashBytes))"),
            ("peak memory", "\(PageParts.bytes(figures.peakActivationBytes)) of activations"),
            ("assumed", "\(figures.assumption)"),
        ]
        return facts
    }

    private static func latency(_ figures: NetworkFigures) -> String {
        let value = PageParts.amount(figures.latencyMs, "ms")
        guard let low = figures.latencyMsLow, let high = figures.latencyMsHigh else { return value }
        return value
            + ", 80 % of timings from \(ReportText.amount(low)) to \(ReportText.amount(high))"
    }

    /// The genes of a network, stage by stage.
    static func architecture(_ figures: NetworkFigures) -> HTML {
        let arch = figures.arch
        let perStage = arch.depths.isEmpty ? 0 : arch.expandRatios.count / arch.depths.count
        let rows = arch.depths.enumerated().map { stage, depth -> [HTML] in
            let layers =
                stage
                * perStage..<min(stage * perStage + min(depth, perStage), arch.expandRatios.count)
            let kernels = layers.compactMap {
                $0 < arch.kernelSizes.count ? arch.kernelSizes[$0] : nil
            }
            return [
                "\(stage + 1)", "\(depth)",
                "\(kernels.isEmpty ? "–" : kernels.map(String.init).joined(separator: ", "))",
                "\(layers.map { ReportText.amount(arch.expandRatios[$0]) }.joined(separator: ", "))",
            ]
        }
        return """
            <p>Space \(figures.definition?.name ?? "unknown"), images of \(arch.resolution) × \(arch.resolution) pixels\
            \(arch.widths.isEmpty ? "" : ", width genes \(arch.widths.map(String.init).joined(separator: ", "))").</p>
            \(Parts.table(
                "Genes of the network, stage by stage",
                [
                    .number("Stage"), .number("Depth gene"), .text("Kernel sizes"),
                    .text("Expand ratios"),
                ], rows, none: "No genes of stages."))
            """
    }
}
