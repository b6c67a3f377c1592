// ops/prometheus and ops/grafana: they name only metrics that exist and pages that are written, and Prometheus reads them.

import Foundation
import Testing

@testable import Dashboard

@Suite struct AlertsTests {
    private static let root: URL = {
        var folder = URL(filePath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        return folder
    }()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test(
        "alerts and the dashboard name only metrics that ofa serve or a worker has",
        arguments: [
            "ops/prometheus/alerts.yml", "ops/prometheus/alerts.test.yml", "ops/grafana/ofa.json",
        ])
    func names(file: String) throws {
        let known = Set(
            FleetMetrics.families.values.map(\.name) + WorkerMetrics.families.map(\.name))
        let named = try Self.text(file).matches(of: /\bofa_[a-z_]+/).map { String($0.output) }
        #expect(named.count > 5 && Set(named).subtracting(known) == [])
    }

    @Test("the page of operations lists every metric")
    func listed() throws {
        let page = try Self.text("ops/docs/operating.md")
        for family in Array(FleetMetrics.families.values) + WorkerMetrics.families {
            let short = family.name.replacing("ofa_worker_process_", with: "…")
            #expect(
                page.contains("`\(family.name)`") || page.contains("`\(short)`"),
                "ops/docs/operating.md lacks \(family.name)")
        }
    }

    @Test("every alert waits, says what to do and leads to a section that is written")
    func annotations() throws {
        let blocks = try Self.text("ops/prometheus/alerts.yml").components(separatedBy: "- alert: ")
        let page = try Self.text("ops/docs/troubleshooting.md")
        let anchors = Set(
            page.split(separator: "\n").filter { $0.hasPrefix("## ") }.map { heading in
                String(
                    heading.dropFirst(3).lowercased().replacing(" ", with: "-").filter {
                        $0.isLetter || $0.isNumber || $0 == "-"
                    })
            })
        #expect(blocks.count > 10)
        for block in blocks.dropFirst() {
            let name = block.prefix { $0 != "\n" }
            for part in ["for: ", "summary: ", "action: ", "severity: "] {
                #expect(block.contains(part), "\(name) lacks \(part)")
            }
            let runbook = block.firstMatch(of: /runbook: ops\/docs\/troubleshooting.md#(\S+)/)
            #expect(anchors.contains(String(runbook?.1 ?? "")), "\(name) leads nowhere")
        }
    }

    @Test(
        "promtool accepts the alerts, their tests and the example", .enabled(if: Promtool.isThere),
        arguments: [
            ["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"],
            ["check", "config", "prometheus.example.yml"],
        ])
    func accepted(arguments: [String]) throws {
        let folder = Self.root.appending(path: "ops/prometheus").path
        let (status, said) = try Promtool.run(
            arguments.dropLast() + arguments.suffix(1).map { "\(folder)/\($0)" })
        #expect(status == 0, "\(said)")
    }

    @Test("the statements of metrics and the families have the same keys")
    func keys() throws {
        let sql = try Self.text("sql/queries/metrics.sql")
        var keys = Set(sql.matches(of: /(?m)^select '([a-z_]+)'/).map { String($0.1) })
        keys.formUnion(["backup_age", "audit_age", "duty_age"])
        #expect(keys.union(["read", "ledger_age"]) == Set(FleetMetrics.families.keys))
    }
}
