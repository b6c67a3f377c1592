// `ofa host` as its users type it.
import Foundation
import TestSupport
import Testing

@Suite struct HostCommandTests {
    private func figure(_ document: [String: Any], _ name: String) throws -> [String: Any] {
        let figures = try #require(document["figures"] as? [String: Any])
        return try #require(figures[name] as? [String: Any])
    }

    @Test("figures of a file and of options are stated, shown with their sources, and listed")
    func roundTrip() throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "box.yaml")
        try Data(
            "zone: FRA\npue: 1.2\ncurrency: EUR\nkwh_price: 0.25\nrated_watts: 65\nhost_threads: 16\n"
                .utf8
        ).write(to: file)
        let set = try place.document("host", "set", file.path)
        #expect(set["is_this"] as? Bool == true && set["settings"] as? Int == 1)
        #expect(try figure(set, "zone")["value"] as? String == "FRA")
        #expect(try figure(set, "zone")["source"] as? String == "stated")
        #expect(try figure(set, "wue")["value"] is NSNull)
        #expect(try figure(set, "wue")["source"] is NSNull)
        #expect(try figure(set, "kwh_price")["unit"] as? String == "EUR/kWh")
        let changed = try place.document("host", "set", "--pue", "1.1", "--note", "spring")
        #expect(try figure(changed, "pue")["value"] as? Double == 1.1)
        #expect(try figure(changed, "zone")["value"] as? String == "FRA")
        #expect(changed["note"] as? String == "spring" && changed["settings"] as? Int == 2)
        let shown = try place.document("host", "show")
        #expect(shown as NSDictionary == changed as NSDictionary)
        let name = try #require(shown["name"] as? String)
        #expect(try place.document("host", "show", name) as NSDictionary == shown as NSDictionary)
        #expect(try place.list("host", "list").map { $0["name"] as? String } == [name])
        let text = try place.ofa("host", "show").output
        #expect(text.contains("0.25") && text.contains("EUR/kWh") && text.contains("stated"))
        #expect(try place.ofa("host", "list").output.contains("FRA"))
        let other = try place.ofa(
            ["host", "show", "--json"],
            environment: ["OFA_ZONE": "SWE", "OFA_TDP_WATTS": "35"])
        #expect(other.output.contains("\"OFA_ZONE\"") && other.output.contains("\"OFA_TDP_WATTS\""))
    }

    @Test("what is refused is told, and states nothing")
    func refused() throws {
        let place = try CommandPlace()
        _ = try place.ofa("host", "set", "--zone", "DEU")
        let file = place.folder.appending(path: "bad.yaml")
        try Data("zone: DEU\nrated_wats: 65\n".utf8).write(to: file)
        let cases: [([String], Int32, String)] = [
            (["host", "set", file.path], 1, "bad.yaml:2: rated_wats is not a known key here"),
            (["host", "set", "--zone", "deu"], 1, "did you mean 'DEU'?"),
            (["host", "set", "--kwh-price", "0.3"], 1, "without a currency"),
            (["host", "set", "--pue", "0.5"], 64, "1...10"),
            (["host", "set"], 64, "nothing is stated"),
            (["host", "set", "a", "b", "--zone", "DEU"], 64, "is not a machine and a file"),
            (["host", "set", "nowhere", "--zone", "DEU"], 2, "no machine is called nowhere"),
            (["host", "show", "nowhere"], 2, "no machine is called nowhere"),
        ]
        for (arguments, code, message) in cases {
            let run = try place.ofa(arguments)
            #expect(run.status == code && run.errors.contains(message), "\(run.errors)")
        }
        #expect(try place.document("host", "show")["settings"] as? Int == 1)
    }

    @Test("a worker meters with the stated zone and rating; variables override them")
    func meters() throws {
        let place = try CommandPlace(images: true)
        _ = try place.ofa("host", "set", "--zone", "FRA", "--rated-watts", "77")
        let run = try place.ofa("run", place.pipeline)
        #expect(run.status == 0, "\(run.errors)")
        let metered = try #require(
            try place.document("host", "show")["metered"] as? [String: Any])
        #expect(metered["zone"] as? String == "FRA")
        let method = try #require(metered["method"] as? String)
        #expect(method.contains("stated of this machine") || method.contains("RAPL"))
        #expect(try place.ofa("cost").output.contains("FRA"))
    }
}
