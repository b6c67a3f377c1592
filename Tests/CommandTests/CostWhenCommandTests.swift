// Deferrable runs as their users type them: `ofa factors import --forecast`, `ofa enqueue --deferrable`, `ofa cost when`.
import Foundation
import TestSupport
import Testing

@Suite struct CostWhenCommandTests {
    /// The begin of the current hour.
    private let hour = Date(
        timeIntervalSince1970: (Date().timeIntervalSince1970 / 3600).rounded(.down) * 3600)

    /// Writes a forecast of zone DEU for twelve hours from the current one on, of which `cheap` is the cheapest.
    private func forecast(_ place: CommandPlace, cheap: Int) throws -> String {
        let lines = (0..<12).map { number in
            let from = hour + 3600 * Double(number)
            return
                "intensity,DEU,\(number == cheap ? 50 : 400),g/kWh,a grid,\(from.formatted(.iso8601)),"
                + "\((from + 3600).formatted(.iso8601)),lifecycle,average\n"
        }
        let file = place.folder.appending(path: "forecast.csv")
        try ("kind,zone,value,unit,source,from,until,type,signal\n" + lines.joined()).write(
            to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    private func deferrable(_ place: CommandPlace, _ more: String = "") throws {
        let deadline = (hour + 10 * 3600).formatted(.iso8601)
        try place.write(
            CommandPlace.tiny.replacing(
                "seed: 3", with: "seed: 3\ndeferrable: true\ndeadline: \(deadline)\(more)",
                maxReplacements: 1))
    }

    private func plan(_ document: [String: Any]) throws -> [String: Any] {
        try #require(document["plan"] as? [String: Any])
    }

    @Test(
        "a run waits for the cheapest hours; a newer forecast moves its start; it can be cancelled")
    func whole() throws {
        let place = try CommandPlace()
        let zone = ["OFA_ZONE": "DEU"]
        try deferrable(place, "\nduration: 1h")
        let imported = try place.document(
            "factors", "import", try forecast(place, cheap: 5), "--forecast", "--issued",
            (Date() - 3600).formatted(.iso8601))
        #expect(imported["read"] as? Int == 12 && (imported["planned"] as? [Any])?.isEmpty == true)
        let listed = try place.list("factors", "forecasts")
        #expect(listed.count == 1 && listed[0]["missing_hours"] as? Int == 0)
        #expect(try place.list("factors", "list").count == 1)

        let before = try place.ofa("cost", "when", "tiny.yaml", environment: zone)
        #expect(before.status == 0, "\(before.errors)")
        let start = (hour + 5 * 3600).formatted(.iso8601)
        #expect(before.output.contains("a run of tiny starts at \(start)"), "\(before.output)")
        #expect(before.output.contains("chosen") && before.output.contains("█"))
        #expect(before.output.contains("a grid, issued"))
        #expect(try place.list("status", "--all").isEmpty)

        let enqueued = try place.ofa("enqueue", "tiny.yaml", environment: zone)
        #expect(enqueued.status == 0 && enqueued.output == "1\n", "\(enqueued.errors)")
        #expect(enqueued.errors.contains("run 1 starts at \(start) (in "), "\(enqueued.errors)")
        let again = try place.document("enqueue", "tiny.yaml")
        #expect(again["new"] as? Bool == false)
        #expect((again["start"] as? [String: Any])?["starts_at"] as? String == start)
        let status = try place.document("status", "1")
        #expect((status["start"] as? [String: Any])?["rule"] as? String == "cheapest")
        #expect(try place.ofa("status", "1").output.contains("starts at \(start) (in "))
        let when = try place.document("cost", "when", "1")
        #expect(when["waits"] as? Bool == true && when["saving"] is NSNull)
        #expect(try plan(when)["mean_g_per_kwh"] as? Double == 50)
        let choice = try plan(when)
        #expect(choice["gco2e"] is NSNull && choice["tier"] is NSNull)
        let windows = try #require(when["windows"] as? [[String: Any]])
        #expect(windows.count >= 10 && windows.filter { $0["chosen"] as? Bool == true }.count == 1)
        let csv = try place.ofa("cost", "when", "1", "--csv")
        #expect(csv.output.hasPrefix("start,until,g_per_kwh,gco2e"), "\(csv.output)")

        let moved = try place.ofa("factors", "import", try forecast(place, cheap: 3), "--forecast")
        #expect(
            moved.output.contains(
                "run 1 starts at \((hour + 3 * 3600).formatted(.iso8601)) instead of \(start)"),
            "\(moved.output)")
        let cost = try place.document("cost", "1")
        let saving = try #require(cost["saving"] as? [String: Any])
        #expect(saving["gco2e"] is NSNull && saving["unknown"] as? String == "it has not started")
        #expect(try place.ofa("cost", "1").output.contains("it has not started"))
        #expect(try place.ofa("cancel", "1").status == 0)
        #expect(try place.document("status", "1")["state"] as? String == "cancelled")
        #expect(try place.document("cost", "when", "1")["waits"] as? Bool == false)
    }

    @Test(
        "a run that waits is found by the same file; another deadline or a start at once is refused"
    )
    func another() throws {
        let place = try CommandPlace()
        let zone = ["OFA_ZONE": "DEU"]
        _ = try place.document("factors", "import", try forecast(place, cheap: 5), "--forecast")
        try deferrable(place, "\nduration: 1h")
        let first = try place.ofa(["enqueue", "tiny.yaml"], environment: zone)
        try #require(first.status == 0, "\(first.errors)")
        // As earlier versions stored it: by the hash of the whole file.
        try place.database.connect().script(
            "update ofa.run set definition_hash = encode(sha256(convert_to(definition, 'UTF8')), 'hex')"
        )
        #expect(try place.document("enqueue", "tiny.yaml")["new"] as? Bool == false)
        try place.database.connect().script("update ofa.run set definition_hash = 'another'")
        let second = try place.ofa(["enqueue", "tiny.yaml"], environment: zone)
        // A number may be left out: one that was taken by a request that found another run.
        let run = try #require(
            Int(second.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(second.errors)")
        #expect(run > 1)

        let deadline = (hour + 10 * 3600).formatted(.iso8601)
        let sooner = (hour + 8 * 3600).formatted(.iso8601)
        let options = try place.ofa("enqueue", "tiny.yaml", "--deadline", sooner)
        #expect(options.status == 1 && options.output.isEmpty)
        for word in [
            "run \(run) of this file waits until \((hour + 5 * 3600).formatted(.iso8601))",
            "with the deadline \(deadline)", "the deadline \(sooner)", "has no effect",
            "ofa cancel \(run)",
        ] { #expect(options.errors.contains(word), "\(options.errors)") }
        let longer = try place.ofa("enqueue", "tiny.yaml", "--duration", "2h")
        #expect(longer.status == 1 && longer.errors.contains("run \(run) "), "\(longer.errors)")
        let now = try place.ofa("run", "tiny.yaml", "--set", "deferrable=false")
        #expect(now.status == 1 && now.errors.contains("a start at once"), "\(now.errors)")
        try place.write(
            CommandPlace.tiny.replacing(
                "seed: 3",
                with: "seed: 3\ndeferrable: true\ndeadline: \(sooner)\nduration: 1h",
                maxReplacements: 1))
        let edited = try place.ofa("enqueue", "tiny.yaml")
        #expect(edited.status == 1 && edited.errors.contains("run \(run) "), "\(edited.errors)")
        #expect(try place.list("status", "--all").count == 2)
        #expect(try place.ofa("cancel", "\(run)").status == 0)
        #expect(try place.document("enqueue", "tiny.yaml")["new"] as? Bool == true)
    }

    @Test("a deadline that has passed is refused for a new run, in the file and as an option")
    func passed() throws {
        let place = try CommandPlace()
        try deferrable(place, "\nduration: 1h")
        for command in [["enqueue"], ["cost", "when"]] {
            let run = try place.ofa(command + ["tiny.yaml", "--deadline", "2020-12-02T08:00Z"])
            #expect(run.status == 1, "\(command)")
            #expect(
                run.errors.contains("the deadline 2020-12-02T08:00:00Z has passed"),
                "\(run.errors)")
        }
        #expect(try place.list("status", "--all").isEmpty)
    }

    @Test("ofa run waits for its start; its time and energy then say when the next run starts")
    func ran() throws {
        let place = try CommandPlace(images: true)
        let zone = ["OFA_ZONE": "DEU"]
        let earliest = (Date() + 4).formatted(.iso8601)
        let deadline = (hour + 10 * 3600).formatted(.iso8601)
        let run = try place.ofa(
            [
                "run", "tiny.yaml", "--deferrable", "--earliest", earliest, "--deadline", deadline,
                "--duration", "1h",
            ], environment: zone)
        try #require(run.status == 0, "\(run.errors)")
        #expect(
            run.errors.contains("run 1 starts at \(earliest)")
                && run.errors.contains("as early as it may: there is no forecast for zone DEU"),
            "\(run.errors)")
        let after = try place.document("cost", "when", "1")
        let saving = try #require(after["saving"] as? [String: Any])
        #expect(after["waits"] as? Bool == false && saving["gco2e"] as? Double == 0)
        #expect(try place.ofa("cost", "1").output.contains("started as early as it could"))
        // Options are not part of the definition: a run with another deadline is a like run.
        #expect(
            try place.ofa("factors", "import", try forecast(place, cheap: 3), "--forecast").status
                == 0)
        let next = try place.ofa(
            ["cost", "when", "tiny.yaml", "--deferrable", "--deadline", deadline, "--json"],
            environment: zone)
        try #require(next.status == 0, "\(next.errors)")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(next.output.utf8)) as? [String: Any])
        let plan = try plan(document)
        #expect(plan["seconds_basis"] as? String == "like runs" && plan["like_runs"] as? Int == 1)
        #expect(plan["starts_at"] as? String == (hour + 3 * 3600).formatted(.iso8601))
        #expect(plan["tier"] is String && plan["rule"] as? String == "cheapest")
        let grams = try #require(plan["gco2e"] as? Double)
        let atOnce = try #require(plan["at_once_gco2e"] as? Double)
        #expect(abs(atOnce / grams - 8) < 1e-6, "400 against 50 g/kWh")
        #expect((plan["gco2e_low"] as? Double ?? 1) < grams)
    }

    @Test("without a forecast or a like run the run starts at once, and says why")
    func atOnce() throws {
        let place = try CommandPlace()
        try deferrable(place)
        let run = try place.ofa("enqueue", "tiny.yaml")
        #expect(run.status == 0, "\(run.errors)")
        #expect(
            run.errors.contains("as early as it may: no completed run of this name tells"),
            "\(run.errors)")
        let when = try place.document("cost", "when", "1")
        #expect(try plan(when)["rule"] as? String == "no_duration")
        #expect((when["windows"] as? [Any])?.isEmpty == true)
        let stated = try place.document("cost", "when", "tiny.yaml", "--duration", "1h")
        #expect(try plan(stated)["rule"] as? String == "no_forecast")
        #expect(stated["run"] is NSNull)
        // A run that was not deferred has no saving.
        let plain = try place.ofa(
            "enqueue", "tiny.yaml", "--set", "deferrable=false", "--name", "plain")
        #expect(plain.status == 0, "\(plain.errors)")
        #expect(try place.document("cost", "2")["saving"] is NSNull)
        #expect(try place.document("status", "2")["start"] is NSNull)
    }

    @Test("options of a start that waits need --deferrable and a deadline; others contradict it")
    func usage() throws {
        let place = try CommandPlace()
        let far = "2030-01-01T00:00Z"
        for (arguments, word) in [
            (["enqueue", "tiny.yaml", "--deadline", far], "add --deferrable"),
            (["run", "tiny.yaml", "--deferrable"], "add --deadline"),
            (["enqueue", "tiny.yaml", "--deferrable", "--deadline", "2026-10-25T02:30"], "twice"),
            (
                [
                    "enqueue", "tiny.yaml", "--deferrable", "--deadline", far, "--earliest",
                    "2030-01-01T01:00+01:00",
                ], "not after"
            ),
            (["cost", "when", "3", "--deadline", far], "is for a pipeline file"),
            (["factors", "import", "a.csv", "--issued", far], "add --forecast"),
            (["factors", "import", "a.csv", "--forecast", "--alone"], "a forecast is none"),
        ] {
            let run = try place.ofa(arguments)
            #expect(run.status == 64 && run.errors.contains(word), "\(arguments): \(run.errors)")
        }
        let waits = ["enqueue", "tiny.yaml", "--deferrable", "--deadline", far]
        for (more, word) in [
            (["--at", "03:00"], "--earliest"), (["--every", "1d"], "of one run"),
        ] {
            let run = try place.ofa(waits + more)
            #expect(run.status == 1 && run.errors.contains(word), "\(more): \(run.errors)")
        }
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let plain = try place.ofa("cost", "when", "1")
        #expect(plain.status == 2 && plain.errors.contains("run 1 is not deferrable"))
        let file = try place.ofa("cost", "when", "tiny.yaml")
        #expect(file.status == 1 && file.errors.contains("add --deferrable"), "\(file.errors)")
        #expect(try place.ofa("cost", "when", "7").status == 2)
        let help = try place.ofa("cost", "when", "--help")
        #expect(help.status == 0 && help.output.contains("Example:"))
    }
}
