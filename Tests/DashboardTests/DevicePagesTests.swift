// Pages of devices, and the form that adds one and specialises for it.
import Artifacts
import Devices
import Foundation
import Jobs
import Postgres
import Testing

@testable import Dashboard
@testable import Pipelines

@Suite struct DevicePagesTests {
    private let filled: PageDatabase
    private let store: DeviceStore

    init() throws {
        filled = try PageDatabase()
        store = DeviceStore(filled.connection)
    }

    private func save(_ name: String, _ kind: DeviceTarget.Kind = .phone) throws {
        try store.save(
            DeviceTarget(name: name, kind: kind, limits: Constraints(macsMax: 4_000_000)))
    }

    @Test("the list has limits, tables and newest networks; names are text")
    func list() throws {
        try save("watch")
        try save(PageDatabase.markup, .microcontroller)
        let text = try filled.page("/devices").body.text
        #expect(text.contains("4,000,000 MACs") && text.contains("microcontroller"))
        #expect(
            text.contains("<a href=\"/artifacts/\(filled.network.id)\">")
                && text.contains("70.00 %"))
        #expect(text.contains(">\(PageDatabase.shownMarkup)</a>") && !text.contains("<script"))
        #expect(text.contains("/devices/%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E"))
        #expect(text.contains("id=\"new-max_latency_ms\"") && text.contains("Latency, ms"))
        let hostile = try filled.page("/devices/" + HTML.encoded(PageDatabase.markup)).body.text
        #expect(hostile.contains("microcontroller") && !hostile.contains("<script"))
        let readOnly = try filled.page("/devices", mayAct: false).body.text
        #expect(!readOnly.contains("<form"))
    }

    @Test("a device's page has its limits, networks and runs, and is live while one runs")
    func device() throws {
        try save("watch")
        let page = try filled.page("/devices/watch")
        let text = page.body.text
        #expect(page.isLive)
        for part in [
            "4,000,000 MACs", "32-bit weights", "/artifacts/\(filled.network.id)",
            "/runs/\(filled.run)", "70.00 % ± 8.37", "2,345,678", "✓ met",
            "action=\"/devices/watch/specialise\"", "placeholder=\"4000000\"",
            "<option value=\"\(filled.supernet.id)\">",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(try !filled.page("/devices/watch", mayAct: false).body.text.contains("<form"))
    }

    @Test("a device that only a run knows has a page without a form; others are not found")
    func unknown() throws {
        let text = try filled.page("/devices/watch").body.text
        #expect(text.contains("a pipeline defines it") && !text.contains("<form"))
        #expect(try filled.page("/devices").body.text.contains("Known from runs only"))
        for name in ["nobody", "%1B", "a%00b"] {
            let error = #expect(throws: DashboardError.self) {
                try filled.page("/devices/\(name)")
            }
            #expect(error?.code == .notFound, "\(name)")
        }
    }

    @Test("the form adds a device and enqueues its run, and leads to a live page with both")
    func adds() throws {
        let place = try filled.post(
            "/devices",
            [
                "name": "camera", "kind": "phone", "max_macs": "6e6", "max_flash_kb": " 2000 ",
                "max_latency_ms": "", "supernet": "\(filled.supernet.id)",
            ])
        #expect(place == "/devices/camera?done=specialised")
        let device = try #require(try store.find("camera"))
        #expect(device.target.limits == Constraints(flashKBMax: 2000, macsMax: 6_000_000))
        #expect(device.target.kind == .phone)
        let run = try #require(try store.runs(ofDevice: "camera").first)
        #expect(run.name == "specialize-camera" && run.state == .running)
        let page = try filled.page(place)
        #expect(page.isLive && page.body.text.contains("specialize-camera"))
        let stages = try JobQueue(filled.connection).runStatus(run.id).stages.map(\.name)
        #expect(stages == ["search-camera", "network-camera", "report"])
        // Sent again, the same form of the stored device finds its run.
        let again = try filled.post("/devices", ["device": "camera", "supernet": ""])
        #expect(again == place)
        #expect(try store.runs(ofDevice: "camera").map(\.id) == [run.id])
    }

    @Test("limits on the page of a stored device are those of one run")
    func specialises() throws {
        try save("watch")
        let place = try filled.post("/devices/watch/specialise", ["max_macs": "4000000"])
        #expect(place == "/devices/watch?done=specialised")
        #expect(try store.find("watch")?.target.limits.macsMax == 4_000_000)
        let run = try #require(try store.runs(ofDevice: "watch").first)
        let job = try #require(
            try JobQueue(filled.connection).jobs(run: run.id).first { $0.stage == "search-watch" })
        let args = try #require(try JobQueue(filled.connection).arguments(of: job.id))
        #expect(args.contains("4000000"))
    }

    /// The runs and the devices of the database.
    private func state() throws -> [String] {
        try store.list().map(\.target.name)
            + JobQueue(filled.connection).runs().map { "\($0.id)" }
    }

    @Test(
        "a form with a wrong field names the field, and changes nothing",
        arguments: [
            ("name", ["name": ""]), ("name", ["name": "a b"]), ("name", ["name": "<b>"]),
            ("name", ["name": "\u{202E}a"]), ("name", ["name": "watch"]),
            ("name", ["name": String(repeating: "n", count: 201)]),
            ("kind", ["kind": "toaster"]), ("max_macs", ["max_macs": "many"]),
            ("max_macs", ["max_macs": "1.5"]), ("max_macs", ["max_macs": "0"]),
            ("max_params", ["max_params": "-1"]), ("max_flash_kb", ["max_flash_kb": "nan"]),
            ("max_energy_mj", ["max_energy_mj": "1e99"]),
            ("max_peak_memory_kb", ["max_peak_memory_kb": "0x10"]),
            ("max_latency_ms", ["max_latency_ms": "5"]), ("supernet", ["supernet": "1 or 1"]),
            ("supernet", ["supernet": "9999"]), ("device", ["device": "nobody"]),
        ])
    func refused(_ field: String, _ wrong: [String: String]) throws {
        try save("watch")
        let before = try state()
        let fields = ["name": "camera", "kind": "phone", "max_macs": "6000000"]
        let error = #expect(throws: DashboardError.self) {
            try filled.post("/devices", fields.merging(wrong) { $1 })
        }
        #expect(error?.code == .form && error.map(Problem.status) == 422)
        #expect(error?.reason.hasPrefix(field) == true, "\(error?.reason ?? "")")
        #expect(try state() == before)
    }

    @Test("limits that no network meets, and a device that is not there, change nothing")
    func infeasible() throws {
        try save("watch")
        let before = try state()
        for path in ["/devices", "/devices/watch/specialise"] {
            let error = #expect(throws: DashboardError.self) {
                try filled.post(path, ["name": "camera", "kind": "phone", "max_macs": "10"])
            }
            #expect(error?.code == .form && error?.reason.contains("meets the limits") == true)
        }
        let error = #expect(throws: DashboardError.self) {
            try filled.post("/devices/nobody/specialise", [:])
        }
        #expect(error?.code == .notFound)
        #expect(try state() == before)
    }

    @Test("without a supernet the page says what is missing, and the form is refused")
    func withoutSupernet() throws {
        try filled.change("delete from ofa.artifact_input")
        #expect(
            try filled.page("/devices").body.text.contains(
                "No run has a supernet with a fitted predictor yet"))
        let error = #expect(throws: DashboardError.self) {
            try filled.post("/devices", ["name": "camera", "kind": "phone"])
        }
        #expect(error?.code == .form)
        #expect(try store.find("camera") == nil)
    }
}
