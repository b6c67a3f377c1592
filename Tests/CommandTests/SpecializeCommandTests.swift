// From images to networks and then to more networks: `ofa run`, `ofa report`, `ofa specialize`,
// `ofa search`.
import Foundation
import TestSupport
import Testing

@Suite struct SpecializeCommandTests {
    @Test("what cannot be specialised is an error, and nothing is enqueued")
    func refused() throws {
        let place = try CommandPlace()
        let unknown = try place.ofa("specialize", "--device", "watch")
        #expect(unknown.status == 2)
        _ = try place.ofa("device", "add", "watch", "--kind", "phone", "--max-macs", "2000000")
        let early = try place.ofa("specialize", "--device", "watch", "--wait")
        #expect(early.status == 1)
        #expect(early.errors.contains("no run has a fitted predictor yet"))
        #expect(try place.ofa("specialize", "--device", "watch", "--run", "9").status == 2)
        #expect(try place.ofa("specialize", "--device", "watch", "watch").status == 64)
        #expect(try place.ofa("specialize").status == 64)
        #expect(try place.list("jobs").isEmpty)
    }

    @Test(
        "a run leaves a report; new devices then get networks without training; infeasible limits say so"
    )
    func specialize() throws {
        let place = try CommandPlace(images: true)
        try checkReport(try place.document("run", "tiny.yaml"))
        try checkReport(try place.document("report", "1"))
        try checkStatus(place)
        try checkNewDevice(place)
        try checkTables(place)
        try checkInfeasible(place)
        try checkSearch(place)
    }

    private func checkReport(_ report: [String: Any]) throws {
        #expect(report["run"] as? Int == 1)
        #expect(report["state"] as? String == "completed")
        #expect(report["seconds"] is Double)
        for end in ["largest_test_accuracy", "smallest_test_accuracy"] {
            #expect((0...1).contains(try #require(report[end] as? Double)))
        }
        let networks = try #require(report["networks"] as? [[String: Any]])
        let network = try #require(networks.first)
        #expect(networks.count == 1)
        #expect(network["device"] as? String == "this-machine")
        #expect(network["artifact"] is Int)
        #expect(Set(try #require(network["arch"] as? [String: Any]).keys) == ["ks", "e", "d", "r"])
        for field in [
            "predicted_accuracy", "test_accuracy", "latency_ms", "macs", "params", "flash_bytes",
            "peak_activation_bytes",
            "blob_bytes",
        ] { #expect(try #require(network[field] as? Double) > 0, "\(field)") }
        let cost = try #require(report["cost"] as? [[String: Any]])
        #expect(
            Set(cost.compactMap { $0["stage"] as? String }) == [
                "data", "full", "accuracy", "predictor", "latency", "search", "network", "largest",
                "smallest",
            ])
        for row in cost {
            for field in [
                "attempts", "seconds", "cpu_seconds", "energy_j", "energy_j_low", "energy_j_high",
                "gco2e",
            ] {
                #expect(row[field] is Double, "\(field)")
            }
            #expect(row["tier"] is String)
        }
    }

    private func checkStatus(_ place: CommandPlace) throws {
        let status = try place.document("status")
        #expect(status["state"] as? String == "completed")
        let stages = try #require(status["stages"] as? [[String: Any]])
        #expect(stages.allSatisfy { $0["progress"] as? Double == 1 })
        let jobs = try place.list("jobs", "--run", "1")
        #expect(jobs.allSatisfy { $0["state"] as? String == "completed" })
        // Nine stages; accuracy has two shards and a job that gathers them.
        #expect(jobs.count == 12)
        #expect(try place.ofa("jobs").output.contains("sample-accuracy"))
    }

    private func checkNewDevice(_ place: CommandPlace) throws {
        _ = try place.document("device", "add", "watch", "--kind", "phone", "--max-macs", "2000000")
        let report = try place.document("specialize", "--device", "watch", "--wait")
        let run = String(try #require(report["run"] as? Int))
        let network = try #require((report["networks"] as? [[String: Any]])?.first)
        #expect(network["device"] as? String == "watch")
        #expect(try #require(network["macs"] as? Int) <= 2_000_000)
        #expect(
            try place.list("jobs", "--run", run).compactMap { $0["kind"] as? String } == [
                "search", "materialise",
            ])
        let made = try place.list("artifacts", "list", "--run", run)
        #expect(Set(made.compactMap { $0["kind"] as? String }) == ["search-result", "subnet"])
        let lineage = try place.ofa(
            "lineage", "up", String(try #require(network["artifact"] as? Int)))
        #expect(lineage.output.contains("tiny-dataset"))
    }

    /// The run measured a table for its device; one that is new is measured once.
    private func checkTables(_ place: CommandPlace) throws {
        #expect(try place.document("device", "show", "this-machine")["latency_table"] is Int)
        _ = try place.document(
            "device", "add", "fast", "--kind", "computer", "--max-latency-ms", "50")
        for kinds in [["measure-device", "search", "materialise"], ["search", "materialise"]] {
            let report = try place.document("specialize", "--device", "fast", "--wait")
            let run = String(try #require(report["run"] as? Int))
            #expect(
                try place.list("jobs", "--run", run).compactMap { $0["kind"] as? String } == kinds)
        }
    }

    private func checkInfeasible(_ place: CommandPlace) throws {
        let run = try place.ofa(
            "specialize", "--device", "watch", "--max-macs", "10", "--wait", "--json")
        #expect(run.status == 2)
        let message =
            "no network of fashion-mbv3 meets the limits of device watch: macs ≤ 10: the smallest reachable is 1370544"
        #expect(run.errors.contains("Error: infeasible: \(message)"))
        #expect(try place.ofa("status").output.contains(message))
        let attempts = try place.list("jobs", "--state", "discarded").map { $0["attempts"] as? Int }
        #expect(attempts == [1])
        _ = try place.ofa("device", "add", "p", "--kind", "phone", "--max-latency-ms", "3")
        let tableless = try place.ofa("specialize", "--device", "p")
        #expect(tableless.status == 1)
        #expect(tableless.errors.contains("ofa device add p --latency-table"))
    }

    private func checkSearch(_ place: CommandPlace) throws {
        let base = [
            "search", "--space", "fashion-mbv3", "--max-macs", "3000000", "--json", "--predictor",
        ]
        let stored = try CommandRun(
            base + ["fashion-mbv3-predictor"], environment: place.environment)
        #expect(stored.status == 0, "\(stored.errors)")
        let answer = try #require(
            try JSONSerialization.jsonObject(with: Data(stored.output.utf8)) as? [String: Any])
        #expect(try #require(answer["macs"] as? Int) <= 3_000_000)
        #expect(
            Set(answer.keys) == [
                "arch", "predicted_accuracy", "energy_mj", "macs", "params", "evaluations",
                "seconds",
            ])

        // From a file no database is needed; the same seed finds the same network.
        let file = place.folder.appending(path: "predictor.bin").path
        #expect(try place.ofa("artifacts", "get", "fashion-mbv3-predictor", "-o", file).status == 0)
        let nowhere = ["OFA_DATABASE_URL": "postgresql:///none?host=/nowhere"]
        let read = try CommandRun(base + [file], environment: nowhere)
        #expect(read.status == 0, "\(read.errors)")
        let again = try #require(
            try JSONSerialization.jsonObject(with: Data(read.output.utf8)) as? [String: Any])
        #expect(again["arch"] as? NSDictionary == answer["arch"] as? NSDictionary)
        let infeasible = try CommandRun(base + [file, "--max-params", "5"], environment: nowhere)
        #expect(infeasible.status == 2)
        #expect(infeasible.errors.contains("the smallest reachable is"))
        #expect(
            try CommandRun(base + [file, "--resolutions", "23"], environment: nowhere).status == 1)
    }
}
