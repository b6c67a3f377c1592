// DevicePages: the list of devices, and one device with its table, its networks and its runs. SpecialiseForm has the form.

import Artifacts
import Charts
import Devices
import Foundation
import Intake
import Pipelines
import Postgres

/// Pages: devices, their tables, and the form that specialises.
enum DevicePages {
    /// The pages and files.
    static let routes: [Route] = [.page("/devices", list), .page("/devices/*", device)]
    /// The forms.
    static let actions: [Action] = [
        .post("/devices") { try SpecialiseForm.submit($0.fields, device: nil, $1) },
        .post("/devices/*/specialise") {
            try SpecialiseForm.submit($0.fields, device: $0.parts[0], $1)
        },
    ]

    // MARK: All devices

    /// Lists the devices; a form adds one and specialises for it.
    static func list(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let devices = try DeviceStore(connection).list()
        let newest = Dictionary(
            try ArtifactStore(connection).newestNetworks().compactMap { network in
                figures(network).map { ($0.device, (network, $0)) }
            }
        ) { first, _ in first }
        let rows = devices.map { device -> [HTML] in
            let target = device.target, network = newest[target.name]
            return [
                Parts.link(target.name, HTML.path("devices", target.name)),
                "\(target.kind.rawValue)", "\(limits(target.limits))",
                table(device),
                network.map { ArtifactPages.link($0.0.id) } ?? .empty,
                "\(network.map { PageParts.percent($0.1.testAccuracy) } ?? "")",
            ]
        }
        let stored = Set(devices.map(\.target.name))
        let others = newest.keys.filter { !stored.contains($0) }.sorted()
        return Page(
            "Devices",
            body: """
                \(Parts.section(
                    "Devices", id: "devices",
                    Parts.table(
                        "Devices with their limits, tables and newest networks",
                        [
                            .text("Device"), .text("Kind"), .text("Limits"), .text("Latency table"),
                            .number("Newest network"), .number("Accuracy"),
                        ], rows, none: "No device is stored."),
                    others.isEmpty
                        ? .empty
                        : """
                        <p class="note">Known from runs only: \(HTML.joined(
                            others.prefix(50).map { Parts.link($0, HTML.path("devices", $0)) },
                            separator: ", "))</p>

                        """))\
                \(try SpecialiseForm.sections(devices, request, connection))
                """)
    }

    /// The limits in words.
    static func limits(_ limits: Constraints) -> String {
        limits.words.isEmpty ? "none" : limits.words.joined(separator: ", ")
    }

    /// What is known of a device's latency table, in a cell.
    private static func table(_ device: StoredDevice) -> HTML {
        guard let table = device.latencyTable else {
            guard device.target.limits.latencyMsMax != nil else { return "none" }
            return device.target.kind == .computer
                ? "none yet: measured when first needed"
                : "<span class=\"bad\">none, and latency is limited</span>"
        }
        let summary = device.summary
        let entries = summary?.entries.map { ", \(ReportText.grouped($0)) entries" } ?? ""
        let host = summary?.host.map { ", by \($0)" } ?? ""
        let reference = summary?.reference.map { ", calibrated from \($0)" } ?? ""
        let day =
            device.tableRecordedAt.map { ", \($0.formatted(.iso8601.year().month().day()))" } ?? ""
        let old = device.hasOutdatedTable ? ", by an earlier method" : ""
        let link = Parts.link("artifact \(table)", HTML.path("artifacts", table.description))
        return "\(link)\(entries)\(day)\(host)\(reference)\(old)"
    }

    /// The figures of a network; nil if this version cannot read them.
    static func figures(_ network: Artifact) -> NetworkFigures? {
        do { return try NetworkFigures(of: network) } catch { return nil }
    }

    // MARK: One device

    /// Shows a device. It may be known only from runs whose pipeline defines it.
    static func device(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let name: String, store = DeviceStore(connection)
        do throws(InputFault) { name = try TextRule.name.stored.checked(request.parts[0]) } catch {
            throw DashboardError(.notFound, "the name of a device \(error.reason)")
        }
        let stored = try store.find(name)
        let networks = try ArtifactStore(connection).networks(ofDevice: name, most: 100)
            .compactMap { network in figures(network).map { (artifact: network, figures: $0) } }
        let runs = try store.runs(ofDevice: name)
        guard stored != nil || !networks.isEmpty || !runs.isEmpty else {
            throw DashboardError(
                .notFound, "there is no device \(String(name.prefix(200)))",
                remedy: "the page of devices lists them")
        }
        let target = stored?.target ?? networks.first?.figures.target
        var facts: [(name: String, value: HTML)] = []
        if let target { facts = self.facts(target) }
        if stored == nil {
            facts.append(
                ("stored", "no: a pipeline defines it, and its limits are those of a run"))
        }
        return Page(
            "Device \(name)", trail: [("Devices", "/devices")],
            isLive: runs.contains { $0.state == .running },
            body: """
                \(Parts.section("Device", id: "device", Parts.list(facts)))\
                \(runsSection(runs))\
                \(try tableSection(stored, connection))\
                \(networksSection(networks, target))\
                \(try stored.map { try SpecialiseForm.section(of: $0, request, connection) } ?? .empty)
                """)
    }

    private static func facts(_ target: DeviceTarget) -> [(name: String, value: HTML)] {
        let model = target.energyModel
        return [
            ("kind", "\(target.kind.rawValue)"), ("limits", "\(limits(target.limits))"),
            ("batch", "\(target.batch)"), ("threads", "\(target.threads)"),
            ("numbers", "\(target.assumption)"),
            (
                "energy model",
                """
                \(ReportText.amount(model.picojoulesPerMAC)) pJ a multiply-add, \
                \(ReportText.amount(model.picojoulesPerWeightByte)) a byte of weights, \
                \(ReportText.amount(model.picojoulesPerActivationByte)) a byte of activations
                """
            ),
        ]
    }

    private static func tableSection(
        _ device: StoredDevice?, _ connection: Connection
    ) throws -> HTML {
        guard let device else { return .empty }
        let tables = [
            ("Latency table", "latency", device.latencyTable, false),
            ("Energy table", "energy", device.energyTable, true),
        ]
        return HTML.joined(
            try tables.compactMap { title, id, table, isEnergy in
                guard let table else {
                    return isEnergy
                        ? nil
                        : Parts.section(
                            title, id: id, "<p>\(self.table(device))</p>\n")
                }
                return Parts.section(
                    title, id: id, "<p>Artifact \(ArtifactPages.link(table))</p>\n",
                    try PageParts.readable {
                        try TableParts.entries(
                            of: ArtifactStore(connection).get(table), isEnergy: isEnergy,
                            connection)
                    })
            })
    }

    private static func runsSection(_ runs: [DeviceStore.DeviceRun]) -> HTML {
        let rows = runs.map { run -> [HTML] in
            [
                Parts.link("\(run.id)", HTML.path("runs", "\(run.id)")), "\(run.name)",
                Parts.state(run.state.rawValue), Parts.time(run.createdAt),
                Parts.time(run.endedAt),
            ]
        }
        return Parts.section(
            "Runs", id: "runs",
            Parts.table(
                "Runs that specialised for the device, newest first",
                [
                    .number("Run"), .text("Name"), .text("State"), .text("Enqueued"),
                    .text("Ended"),
                ], rows, none: "No run has specialised for this device."))
    }

    // MARK: Networks

    private typealias Network = (artifact: Artifact, figures: NetworkFigures)

    private static func networksSection(_ networks: [Network], _ target: DeviceTarget?) -> HTML {
        let rows = networks.map { network -> [HTML] in
            let figures = network.figures, unmet = figures.limitRows.filter { $0.isMet == false }
            return [
                ArtifactPages.link(network.artifact.id),
                network.artifact.producer.map {
                    Parts.link("\($0.run)", HTML.path("runs", "\($0.run)"))
                } ?? .empty,
                "\(PageParts.percent(figures.testAccuracy, error: figures.testError))",
                "\(PageParts.percent(figures.predictedAccuracy))",
                "\(PageParts.amount(figures.latencyMs ?? figures.tableLatencyMs, "ms"))",
                "\(ReportText.grouped(figures.macs))", "\(PageParts.bytes(figures.flashBytes))",
                figures.limitRows.isEmpty
                    ? "none"
                    : unmet.isEmpty
                        ? NetworkParts.isMet(true)
                        : "<span class=\"bad\">✗ \(unmet.map(\.name).joined(separator: ", "))</span>",
                Parts.time(network.artifact.createdAt),
            ]
        }
        return Parts.section(
            "Networks", id: "networks", chart(networks, target),
            Parts.table(
                "Networks cut for the device, newest first",
                [
                    .number("Artifact"), .number("Run"), .number("Test accuracy"),
                    .number("Predicted"), .number("Latency"), .number("MACs"), .number("Weights"),
                    .text("Limits"), .text("Recorded"),
                ], rows, none: "No network was cut for this device yet."))
    }

    /// Accuracy over the cost that the device limits, of two networks or more.
    private static func chart(_ networks: [Network], _ target: DeviceTarget?) -> HTML {
        guard networks.count > 1 else { return .empty }
        let isTimed = networks.allSatisfy {
            ($0.figures.latencyMs ?? $0.figures.tableLatencyMs) != nil
        }
        func points(
            _ accuracy: (NetworkFigures) -> (value: Double, error: Double?)?, _ words: String
        ) -> [ScatterChart.Point] {
            networks.compactMap { network in
                let figures = network.figures
                let cost =
                    isTimed
                    ? figures.latencyMs ?? figures.tableLatencyMs : Double(figures.macs)
                guard let cost, let found = accuracy(figures) else { return nil }
                return ScatterChart.Point(
                    x: cost, y: 100 * found.value, deviation: found.error.map { 100 * $0 },
                    tip: "artifact \(network.artifact.id), \(words): "
                        + "\(PageParts.percent(found.value, error: found.error)) at "
                        + "\(ReportText.amount(cost)) \(isTimed ? "ms" : "MACs")")
            }
        }
        let limit = isTimed ? target?.limits.latencyMsMax : target?.limits.macsMax.map(Double.init)
        return HTML.chart(
            ScatterChart(
                title: "Accuracy over \(isTimed ? "latency" : "multiply-accumulates")",
                xCaption: isTimed
                    ? "latency of one batch, ms" : "multiply-accumulates of one image",
                yCaption: "top-1 accuracy, %",
                series: [
                    .init(
                        "predicted",
                        points(
                            { figures in
                                figures.predictedAccuracy.map {
                                    ($0, figures.accuracyUncertainty)
                                }
                            }, "predicted"), look: .hollow, colour: 1),
                    .init(
                        "measured, test images",
                        points({ ($0.testAccuracy, $0.testError) }, "measured on test images"),
                        look: .mark, colour: 3),
                ],
                limit: limit.map {
                    .init($0, label: "limit \(ReportText.amount($0)) \(isTimed ? "ms" : "MACs")")
                }), id: "networks-chart")
    }
}
