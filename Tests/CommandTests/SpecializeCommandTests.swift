// From images to networks and then to more networks: `ofa run`, `ofa report`, `ofa specialize`,
// `ofa search`.
import Devices
import Foundation
import Networks
import Postgres
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
        for more in [
            ["--budget", "max-macs"], ["--html", "x.html"], ["--workers", "2"],
            ["--wait", "--workers", "0"], ["--budget", "max-macs=1", "--budget", "max-macs=1"],
        ] {
            let run = try CommandRun(
                ["specialize", "--device", "watch"] + more, environment: place.environment)
            #expect(run.status == 64, "\(more)")
        }
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
        try checkBranches(place)
        try checkPage(place)
        try checkTables(place)
        try checkInfeasible(place)
        try checkSearch(place)
        try checkMeasured(place)
        try checkHealing(place)
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
        #expect(network["latency_table"] is Int && network["latency_table_threads"] as? Int == 1)
        #expect(network["latency_table_is_outdated"] as? Bool == false)
        #expect(network["threads"] as? Int == 1)
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
                "search", "materialise", "report",
            ])
        let made = try place.list("artifacts", "list", "--run", run)
        #expect(
            Set(made.compactMap { $0["kind"] as? String }) == ["search-result", "subnet", "report"])
        try checkFigures(network)
        let lineage = try place.ofa(
            "lineage", "up", String(try #require(network["artifact"] as? Int)))
        #expect(lineage.output.contains("tiny-dataset"))
    }

    /// Predicted stands beside measured, and the front is there.
    private func checkFigures(_ network: [String: Any]) throws {
        let predicted = try #require(network["predicted_accuracy"] as? Double)
        let test = try #require(network["test_accuracy"] as? Double)
        let heldOut = try #require(network["held_out_accuracy"] as? Double)
        // Reading JSON may miss the last bit of a number below one.
        for (field, measured) in [
            ("accuracy_difference", test), ("held_out_difference", heldOut),
        ] {
            let difference = try #require(network[field] as? Double)
            #expect(abs(difference - (measured - predicted)) < 1e-15, "\(field)")
        }
        #expect(try #require(network["accuracy_uncertainty"] as? Double) > 0)
        #expect(network["test_images"] as? Int == 100)
        // The predictor's accuracies were measured on the first 50.
        #expect(network["held_out_images"] as? Int == 50)
        let limits = try #require(network["limits"] as? [[String: Any]])
        #expect(limits.count == 1 && limits[0]["limit"] as? String == "max_macs")
        #expect(limits[0]["met"] as? Bool == true)
        #expect(limits[0]["expected"] as? Int == network["macs"] as? Int)
        let front = try #require(network["front"] as? [String: Any])
        #expect(front["over"] as? String == "macs")
        let points = try #require(front["points"] as? [[Double]])
        #expect(points.map { $0[0] } == points.map { $0[0] }.sorted())
        #expect(points.map { $0[1] } == points.map { $0[1] }.sorted())
        let macs = try #require(network["macs"] as? Double)
        #expect(points.contains([macs, predicted]))
        let branch = try #require(network["branch"] as? [String: Any])
        #expect(branch["source_run"] as? Int == 1)
        #expect(try #require(branch["share_of_source_run"] as? Double) > 0)
    }

    /// Two devices are worked side by side in one run; each has its costs, here and beside those of the training.
    private func checkBranches(_ place: CommandPlace) throws {
        _ = try place.document(
            "device", "add", "board", "--kind", "microcontroller", "--max-flash-kb", "190")
        let report = try place.document(
            "specialize", "--device", "watch", "--device", "board", "--wait", "--workers", "2")
        let run = try #require(report["run"] as? Int)
        #expect(report["source_run"] as? Int == 1)
        let networks = try #require(report["networks"] as? [[String: Any]])
        #expect(Set(networks.compactMap { $0["device"] as? String }) == ["watch", "board"])
        let costs = try place.document("cost", "1")
        let branches = try #require(costs["branches"] as? [[String: Any]])
        #expect(
            Set(branches.filter { $0["run"] as? Int == run }.compactMap { $0["device"] as? String })
                == ["watch", "board"])
        #expect(branches.allSatisfy { $0["source_run"] as? Int == 1 })
        let table = try place.ofa("cost", String(run)).output
        #expect(table.contains("SHARE OF THAT RUN") && table.contains("added later"))
        let rows = try #require(costs["rows"] as? [[String: Any]])
        let shares = rows.compactMap { $0["share"] as? Double }
        #expect(shares.count == rows.count && abs(shares.reduce(0, +) - 1) < 1e-9)

        let several = try place.document(
            "specialize", "--device", "watch", "--budget", "max-macs=1800000", "--budget",
            "max-macs=2500000", "--wait")
        let cut = try #require(several["networks"] as? [[String: Any]])
        let needs = Dictionary(
            uniqueKeysWithValues: cut.compactMap { network in
                (network["device"] as? String).flatMap { name in
                    (network["macs"] as? Int).map { (name, $0) }
                }
            })
        #expect(try #require(needs["watch-macs-1800000"]) <= 1_800_000)
        #expect(try #require(needs["watch-macs-2500000"]) <= 2_500_000)
    }

    /// The page needs nothing from elsewhere; the run keeps one of its own.
    private func checkPage(_ place: CommandPlace) throws {
        let file = place.folder.appending(path: "report.html")
        let told = try place.ofa("report", "2", "--html", file.path)
        #expect(told.status == 0 && told.output.contains("held-out images"))
        let page = try String(contentsOf: file, encoding: .utf8)
        #expect(page.hasPrefix("<!doctype html>") && page.contains("<svg"))
        #expect(page.contains("Networks for watch"))
        // Addresses stand in it as the names of namespaces only.
        let outside = page.replacing("http://www.w3.org/2000/svg", with: "")
        for text in ["http:", "https:", "<script", "<link", "@import", "url(", "src="] {
            #expect(!outside.contains(text), "\(text)")
        }
        let kept = place.folder.appending(path: "kept.html")
        #expect(try place.ofa("artifacts", "get", "report-2", "-o", kept.path).status == 0)
        #expect(try String(contentsOf: kept, encoding: .utf8).contains("Networks for watch"))
        let nowhere = try place.ofa("report", "2", "--html", "/nowhere/x.html")
        #expect(nowhere.status == 1 && nowhere.errors.contains("cannot write /nowhere/x.html"))
    }

    /// The run measured a table for its device, which serves others of this machine; for another batch one is measured
    /// once.
    private func checkTables(_ place: CommandPlace) throws {
        let table = try #require(
            try place.document("device", "show", "this-machine")["latency_table"] as? Int)
        _ = try place.document(
            "device", "add", "same", "--kind", "computer", "--max-latency-ms", "50")
        let predictor = try #require(
            try place.list("artifacts", "list", "--kind", "predictor").last?["id"] as? Int)
        let search = [
            "search", "--space", "fashion-mbv3", "--predictor", "\(predictor)", "--latency-table",
            "\(table)", "--max-latency-ms", "50",
        ]
        #expect(try place.ofa(search).status == 0)
        let today = try place.ofa(search + ["--json"])
        #expect(today.output.contains(#""latency_table_is_outdated":false"#))
        #expect(today.output.contains(#""latency_table_threads":1"#) && today.errors.isEmpty)
        let old = try place.copy(
            "\(table)", as: "old-table", from: .user, metadata: { $0["method"] = nil })
        let outdated = try place.ofa(
            search.map { $0 == "\(table)" ? "\(old)" : $0 } + ["--json"])
        #expect(outdated.status == 0)
        #expect(outdated.output.contains(#""latency_table_is_outdated":true"#))
        #expect(
            outdated.errors.hasPrefix(
                "warning: latency table \(old) was measured by an earlier method")
                && outdated.errors.count { $0 == "\n" } == 1, "\(outdated.errors)")
        let other = try place.ofa(search + ["--batch", "8"])
        #expect(other.status == 2 && other.errors.contains("has latencies of batch size 1"))
        _ = try place.document("specialize", "--device", "same", "--wait")
        #expect(try place.document("device", "show", "same")["latency_table"] as? Int == table)
        _ = try place.document(
            "device", "add", "fast", "--kind", "computer", "--max-latency-ms", "50", "--batch", "2")
        for kinds in [
            ["measure-device", "search", "materialise", "report"],
            ["search", "materialise", "report"],
        ] {
            let report = try place.document("specialize", "--device", "fast", "--wait")
            let run = String(try #require(report["run"] as? Int))
            #expect(
                try place.list("jobs", "--run", run).compactMap { $0["kind"] as? String } == kinds)
        }
    }

    /// What cannot be served is refused with the smallest that is reachable, and nothing is enqueued.
    private func checkInfeasible(_ place: CommandPlace) throws {
        let before = try place.list("jobs").count
        let message =
            "no network of fashion-mbv3 meets the limits of device watch: macs ≤ 10: the smallest reachable is 1370544"
        let run = try place.ofa(
            "specialize", "--device", "watch", "--max-macs", "10", "--wait", "--json")
        #expect(run.status == 2 && run.errors.contains(message), "\(run.errors)")
        // One of several devices is enough.
        let half = try place.ofa(
            "specialize", "--device", "watch", "--budget", "max-macs=10", "--budget",
            "max-macs=2000000", "--wait", "--json")
        #expect(half.status == 2)
        let file = place.folder.appending(path: "w1.csv")
        let rows = try [20, 128].flatMap { size in
            try LatencyKey.all(in: .named("ofa-mbv3-w1.0"), resolution: size).enumerated().map {
                "\(size),\($1),\(1 + $0)"
            }
        }
        try (["resolution,key,ms"] + rows).joined(separator: "\n").write(
            to: file, atomically: true, encoding: .utf8)
        _ = try place.document(
            "device", "add", "foreign", "--kind", "phone", "--latency-table", file.path,
            "--max-latency-ms", "30000")
        let foreign = try place.ofa("specialize", "--device", "foreign")
        #expect(foreign.status == 2)
        #expect(
            foreign.errors.contains("it is of another space, or not whole"), "\(foreign.errors)")
        #expect(try place.list("jobs").count == before)
        let added = try place.ofa("device", "add", "p", "--kind", "phone", "--max-latency-ms", "3")
        #expect(added.output.contains("latency table: none, and latency is limited: give one"))
        let tableless = try place.ofa("specialize", "--device", "p")
        #expect(tableless.status == 1)
        #expect(tableless.errors.contains("ofa device add p --latency-table"))
    }

    /// Tables that say less than the truth: what is measured is over the limit, so there is a second search within a
    /// tighter bound; exit code 0 where its network meets the limit, and 2 where none does. The second table says ten
    /// nanoseconds a part, and its limit is a microsecond: no network is that fast, however loaded the machine.
    private func checkMeasured(_ place: CommandPlace) throws {
        let report = try place.document("report", "1")
        let network = try #require((report["networks"] as? [[String: Any]])?.first)
        let takes = try #require(network["latency_ms"] as? Double)
        let number = String(
            try #require(
                try place.document("device", "show", "this-machine")["latency_table"] as? Int))
        let json = place.folder.appending(path: "table.json")
        #expect(try place.ofa("artifacts", "get", number, "-o", json.path).status == 0)
        let table = try JSONDecoder().decode(LatencyTable.self, from: try Data(contentsOf: json))
        for (name, limit, milliseconds) in [
            ("hundredth", 0.7 * takes, { $0 / 100 }), ("nothing", 0.001, { _ in 0.000_01 }),
        ] as [(String, Double, (Double) -> Double)] {
            let file = place.folder.appending(path: "\(name).csv")
            let rows = table.entries.flatMap { size, parts in
                parts.map { "\(size),\($0.key),\(milliseconds($0.value.mean))" }
            }
            try (["resolution,key,ms"] + rows).joined(separator: "\n").write(
                to: file, atomically: true, encoding: .utf8)
            _ = try place.document(
                "device", "add", name, "--kind", "computer", "--latency-table", file.path,
                "--max-latency-ms", String(limit))
            let run = try place.ofa("specialize", "--device", name, "--wait", "--json")
            let report = try #require(
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            let row = try #require((report["networks"] as? [[String: Any]])?.first)
            let told = try #require((row["limits"] as? [[String: Any]])?.first)
            let isMet = try #require(told["met"] as? Bool)
            #expect(run.status == (isMet ? 0 : 2), "\(name): \(run.errors)")
            #expect(isMet == !run.errors.contains("✗ \(name)"))
            #expect(isMet || run.errors.contains("max_latency_ms"))
            let isMild = name == "hundredth"
            // A machine that became faster since the run may meet the mild limit at once.
            if isMild, isMet, row["second_search"] is NSNull { continue }
            let second = try #require(row["second_search"] as? [String: Any], "\(name)")
            let outcome = try #require(second["outcome"] as? String)
            let first = try #require(second["first_latency_ms"] as? Double)
            #expect(first > limit)
            #expect(try #require(second["bound_ms"] as? Double) < limit)
            // A machine that became slower lowers the bound, perhaps to where there is no network.
            #expect(
                outcome == "infeasible" ? !isMet : isMild && ["kept", "first"].contains(outcome))
        }
        let told = try place.ofa("report")
        #expect(told.status == 0 && told.output.contains("NOT MET"))
        #expect(told.output.contains("which no network meets"))
    }

    /// One flipped bit stops every specialisation until it is healed; the stage makes the same bytes again.
    private func checkHealing(_ place: CommandPlace) throws {
        let connection = try place.database.connect()
        try connection.execute(
            Statement(
                name: "FlipABit",
                sql: """
                    update ofa.blob_chunk set data = set_byte(data, 40, get_byte(data, 40) # 1)
                    where ordinal = 0 and digest = (select digest from ofa.artifact where kind = 'predictor' limit 1)
                    """))
        let broken = try place.ofa("specialize", "--device", "watch", "--wait")
        #expect(broken.status == 1 && broken.errors.contains("ofa artifacts heal"))
        let healed = try place.ofa("artifacts", "heal", "fashion-mbv3-predictor", "--json")
        #expect(healed.status == 0, "\(healed.errors)")
        #expect(try place.ofa("artifacts", "verify").status == 0)
        #expect(try place.ofa("specialize", "--device", "watch", "--wait").status == 0)
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
                "arch", "predicted_accuracy", "predicted_bits", "latency_ms",
                "latency_table_is_outdated", "latency_table_threads", "energy_mj", "macs",
                "params", "peak_memory_bytes",
                "flash_bytes", "evaluations", "seconds",
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
