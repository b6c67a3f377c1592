// The model card of an exported network: a page in Markdown about its data, accuracy, limits, costs and use
// (Mitchell et al., Model Cards for Model Reporting, FAT* 2019).

import Accounting
import Artifacts
import Foundation
import Intake
import Jobs
import Networks
import Postgres

/// A model card.
public struct ModelCard {
    /// The exported file that a card is about.
    public struct File {
        /// The name of the file.
        public let name: String
        /// The format.
        public let format: NetworkExport.Format
        /// The number of bytes, and their digest.
        public let bytes: Int
        public let digest: Digest
        /// Whether the model normalises pixels itself.
        public let normalises: Bool
        /// The network in eight bits, for a file that has it.
        public let quantised: NetworkQuantisation?

        /// Takes the properties of the file.
        public init(
            name: String, format: NetworkExport.Format, bytes: Int, digest: Digest,
            normalises: Bool, quantised: NetworkQuantisation? = nil
        ) {
            self.name = name
            self.format = format
            self.bytes = bytes
            self.digest = digest
            self.normalises = normalises
            self.quantised = quantised
        }
    }

    private let network: StoredNetwork
    private let file: File
    /// The costs of making the network.
    private let costOfMaking: ModelCardCost

    /// Collects the costs of `network`, whose export is `file`. Errors: those of the database.
    public init(
        _ network: StoredNetwork, file: File, _ connection: Connection, factors: FactorSet
    ) throws {
        self.network = network
        self.file = file
        costOfMaking = try ModelCardCost(network, CostLedger(connection), factors: factors)
    }

    private var figures: NetworkFigures { network.figures }

    /// The card in Markdown.
    public var markdown: String {
        let sections = [
            heading, section("Data", data), section("Accuracy", accuracy),
            section("Limits", limits), section("Cost of a prediction", costs),
            section("Energy and carbon to make it", costOfMaking.lines), section("Use", use),
            section("Origin", origin),
            section(
                "Licence", ["Not stated: the owner of the data and the weights fills this in."]),
        ]
        return sections.joined(separator: "\n") + "\n"
    }

    private var heading: String {
        """
        # \(Self.safe(network.artifact.name))

        An image classifier of \(network.shape.classes) classes, cut from a once-for-all supernet of space \
        \(Self.safe(network.space.name)) for \(target)\(tuning).

        """
    }

    /// How the network was trained after its extraction; empty if it was not, or if that network was not kept.
    private var tuning: String {
        guard let tuning = figures.fineTuning, tuning.kept == .after else { return "" }
        return ", then trained alone for \(ReportText.amount(tuning.epochs)) epochs"
    }

    private var target: String {
        figures.target == nil
            ? "no device (\(Self.safe(figures.device)) of its space)"
            : "device \(Self.safe(figures.device)) (\(figures.target?.kind.rawValue ?? ""))"
    }

    private func section(_ title: String, _ lines: [String]) -> String {
        (["## \(title)", ""] + lines + [""]).joined(separator: "\n")
    }

    private var data: [String] {
        var rows: [[String]] = []
        for role in [ArtifactRole.dataset, .testImages] {
            guard let artifact = network.inputs[role] else { continue }
            rows.append([
                role == .dataset ? "training" : "test", Self.safe(artifact.name),
                Self.images(artifact),
                "`\(artifact.digest.hex)`",
            ])
        }
        let table =
            rows.isEmpty
            ? ["The data sets are not recorded."]
            : Self.table(["Part", "Artifact", "Images", "SHA-256"], rows)
        let names = network.classNames.prefix(100).map { Self.safe($0.description) }
        let more = network.classNames.count > names.count ? ", …" : ""
        return table + ["", "Input: \(network.input.words(resolution: network.shape.resolution))."]
            + (names.isEmpty ? [] : ["", "Classes: " + names.joined(separator: ", ") + more + "."])
    }

    /// Follows the names of figures of a network measured in eight bits.
    private var inBits: String { figures.eightBits == nil ? "" : ", in 8 bits" }

    private var accuracy: [String] {
        func row(_ name: String, _ share: Double?, _ error: Double?, _ images: Int?) -> [String]? {
            share.map { share in
                [
                    name,
                    ReportText.percent(share)
                        + (error.map { " ± " + ReportText.decimal(100 * $0, 2) } ?? ""),
                    images.map(ReportText.grouped) ?? "–",
                ]
            }
        }
        func floats(_ name: String, _ share: Double?, _ images: Int?) -> [String]? {
            guard figures.eightBits != nil, let share else { return nil }
            return row(
                name + ", in floats", share, NetworkFigures.standardError(share, images), images)
        }
        let rows = [
            row(
                "test images" + inBits, figures.testAccuracy, figures.testError,
                figures.testImages),
            floats("test images", figures.floatTestAccuracy, figures.testImages),
            row(
                "held-out images" + inBits, figures.heldOutAccuracy, figures.heldOutError,
                figures.heldOutImages),
            floats("held-out images", figures.floatHeldOutAccuracy, figures.heldOutImages),
            row("predicted", figures.predictedAccuracy, figures.accuracyUncertainty, nil),
        ].compactMap { $0 }
        let note = figures.eightBitsNote.map { ["", Self.safe($0) + "."] } ?? []
        return Self.table(["Top-1", "Accuracy", "Images"], rows)
            + ["", "± is one standard error."] + note
    }

    private var limits: [String] {
        let rows = figures.limitRows.map { limit in
            [
                "`\(limit.name)`", "\(ReportText.amount(limit.limit)) \(limit.unit)",
                limit.value.map { "\(ReportText.amount($0)) \(limit.unit)" } ?? "not known",
                limit.isMet.map { $0 ? "met" : "not met" } ?? "not known",
            ]
        }
        return rows.isEmpty
            ? ["The network was made without limits."]
            : Self.table(["Limit", "At most", "Needs", ""], rows)
    }

    private var costs: [String] {
        func milliseconds(_ value: Double?, _ note: String? = nil) -> String {
            value.map { ReportText.amount($0) + " ms" + (note.map { " (\($0))" } ?? "") }
                ?? "not known"
        }
        // Networks without a target are made for batches of one.
        let batch = "batch of \(figures.target?.batch ?? 1)"
        let threads = figures.target?.threads ?? 1
        let several = threads > 1 ? " on \(threads) threads" : ""
        let range = figures.latencyMsLow.flatMap { low in
            figures.latencyMsHigh.map {
                "10th to 90th percentile \(ReportText.amount(low))…\(ReportText.amount($0))"
            }
        }
        let error = figures.latencyError.map {
            "the table's mean error is \(ReportText.smallPercent($0))"
        }
        let rows: [[String]] = [
            ["multiply-accumulates of one image", ReportText.grouped(figures.macs)],
            ["parameters", ReportText.grouped(figures.params)],
            ["flash" + inBits, ReportText.bytes(figures.flashBytes)],
            [
                "peak memory of activations, \(batch)",
                ReportText.bytes(figures.peakActivationBytes),
            ],
            [
                "latency of a \(batch)\(several), by table",
                milliseconds(figures.tableLatencyMs, error),
            ],
            [
                "latency of a \(batch), measured on \(threads > 1 ? "\(threads) threads" : "one thread") of the"
                    + " machine that made the network" + inBits,
                milliseconds(figures.latencyMs, range),
            ],
            [
                "energy of a \(batch), by table or model",
                figures.energyMJ.map { ReportText.amount($0) + " mJ" } ?? "not known",
            ],
        ]
        return Self.table(["Cost", "Value"], rows) + ["", Self.safe(figures.assumption) + "."]
    }

    private var use: [String] {
        switch file.format {
        case .safetensors:
            return [
                "Weights and running statistics with the names of the reference code"
                    + " (`safetensors.numpy.load_file`); `ofa classify` runs the network."
            ]
        case .onnx, .onnxInt8:
            let size = network.shape.resolution, channels = network.space.inputChannels
            let type = file.normalises ? "uint8" : "float32"
            let values = file.normalises ? "pixels 0 to 255" : "normalised pixels"
            return eightBits + [
                "Input `input`: \(type) of shape (N, \(channels), \(size), \(size)), \(values). Output `output`: float32"
                    + " logits of shape (N, \(network.shape.classes)).", "",
                "```python", "import numpy, onnxruntime",
                "session = onnxruntime.InferenceSession(\"\(Self.quoted(file.name))\")",
                "images = numpy.zeros((1, \(channels), \(size), \(size)), \"\(type)\")",
                "logits = session.run(None, {\"input\": images})[0]",
                "metadata = session.get_modelmeta().custom_metadata_map  # classes, normalisation",
                "```",
            ]
        }
    }

    private var eightBits: [String] {
        guard let quantised = file.quantised else { return [] }
        let trials = quantised.result.trials.map {
            "\(ReportText.percent($0.heldOutAccuracy)) with ranges by \($0.rule)"
        }.joined(separator: ", ")
        let start =
            figures.eightBits == nil
            ? "The accuracy above is that of floats. In eight bits," : "In eight bits,"
        return [
            "Weights are int8 with one scale a channel, maps uint8, sums exact in 32 bits. Ranges come from"
                + " \(quantised.calibrationImages) training images. \(start)"
                + " on \(quantised.heldOutImages) held-out images: \(trials); the file has \(quantised.result.rule).",
            "",
        ]
    }

    private var origin: [String] {
        let artifact = network.artifact
        var rows = [
            ["file", "\(Self.safe(file.name)), \(ReportText.grouped(file.bytes)) bytes"],
            ["SHA-256 of the file", "`\(file.digest.hex)`"],
            ["artifact", "\(artifact.id), `\(artifact.digest.hex)`"],
        ]
        if let producer = artifact.producer {
            rows.append([
                "made by",
                "stage \(Self.safe(producer.stage)) of run \(producer.run), job \(producer.job)",
            ])
        }
        rows += NetworkExport.parents(of: network).map {
            [Self.safe($0.role), "\(Self.safe($0.name)), `\($0.digest)`"]
        }
        let arch = network.figures.arch
        func list(_ values: [Double]) -> String {
            values.map(SearchSpace.text).joined(separator: " ")
        }
        let genes = [
            ("kernels", arch.kernelSizes.map(Double.init)), ("expand", arch.expandRatios),
            ("depths", arch.depths.map(Double.init)), ("widths", arch.widths.map(Double.init)),
            ("resolution", [Double(arch.resolution)]),
        ]
        rows.append([
            "architecture",
            genes.filter { !$0.1.isEmpty }.map { "\($0) \(list($1))" }.joined(separator: "; "),
        ])
        return Self.table(["What", "Value"], rows)
    }

    /// Returns how many images of a data set were trained on and held out, or how many test images there are, from the
    /// artifact's metadata.
    private static func images(_ artifact: Artifact) -> String {
        do {
            let metadata = try JSONText.decode(
                DatasetMetadata.self, from: artifact.metadataJSON, what: "")
            guard artifact.kind == ArtifactRole.dataset.rawValue else {
                return ReportText.grouped(metadata.images)
            }
            let split = try metadata.split()
            return "\(ReportText.grouped(split.training.count)) trained on,"
                + " \(ReportText.grouped(split.heldOut.count)) held out"
        } catch {
            return "–"
        }
    }

    /// Returns the lines of a table in Markdown.
    static func table(_ head: [String], _ rows: [[String]]) -> [String] {
        ([head, head.map { _ in "---" }] + rows).map { "| " + $0.joined(separator: " | ") + " |" }
    }

    /// Returns a text from outside on one line, with Markdown's characters escaped.
    static func safe(_ text: String) -> String {
        Shown.line(text).map { "\\`*_{}[]<>()#+|!~&".contains($0) ? "\\\($0)" : "\($0)" }.joined()
    }

    /// Returns a text for a quoted literal of Python.
    private static func quoted(_ text: String) -> String {
        Shown.line(text).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }
}
