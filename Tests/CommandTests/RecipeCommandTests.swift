// Networks stored as recipes, as people meet them: no command notices, whatever the instruction set; the supernet stays.
import Artifacts
import Foundation
import Postgres
import Tensors
import TestSupport
import Testing

@Suite struct RecipeCommandTests {
    @Test(
        "a run's networks are recipes, which get, verify, move, gc and heal treat as any other bytes"
    )
    func run() throws {
        let place = try CommandPlace(images: true)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        let supernet = try #require(try place.list("artifacts", "list", "--kind", "supernet").last)
        let networks = try place.list("artifacts", "list", "--kind", "subnet")
        #expect(networks.count == 3 && supernet["parent"] is NSNull)
        for network in networks {
            let id = try #require(network["id"] as? Int), name = "\(id).safetensors"
            let stored = try #require(network["blob_bytes"] as? Int)
            let bytes = try #require(network["raw_bytes"] as? Int)
            #expect(network["filter"] as? String == "recipe" && stored * 20 <= bytes)
            #expect(network["parent"] as? String == supernet["digest"] as? String)
            let shown = try place.ofa("artifacts", "show", "\(id)")
            #expect(
                shown.output.contains("recipe of supernet #\(supernet["id"] ?? 0), "),
                "\(shown.output)")
            for set in InstructionSet.available {
                let got = try place.ofa(
                    ["artifacts", "get", "\(id)", "-o", name, "--force"],
                    environment: ["OFA_ISA": "\(set)"])
                #expect(got.status == 0, "\(set): \(got.errors)")
                let file = try Data(contentsOf: place.folder.appending(path: name))
                #expect(Digest.of([UInt8](file)).hex == network["digest"] as? String)
            }
        }
        try collected(place, networks, supernet)
        try moved(place)
        try healed(place, networks, supernet)
    }

    /// Collects everything but the networks: the supernet of which they are slices stays, and their lineage answers.
    private func collected(
        _ place: CommandPlace, _ networks: [[String: Any]], _ supernet: [String: Any]
    ) throws {
        for kind in ["supernet", "dataset", "accuracy-samples", "predictor", "search-result"] {
            #expect(try place.ofa("gc", "--kind", kind).status == 0)
        }
        let states = try place.list("artifacts", "verify")
        let kept = states.filter { $0["state"] as? String == "ok" }
        #expect(kept.contains { $0["artifact"] as? Int == supernet["id"] as? Int })
        #expect(states.contains { $0["state"] as? String == "collected" })
        #expect(!states.contains { $0["problem"] is String })
        for network in networks {
            let up = try place.ofa("lineage", "up", "\(network["id"] ?? 0)")
            #expect(up.status == 0)
            let lines = up.output.split(separator: "\n")
            #expect(lines.contains { $0.contains("dataset") && $0.contains("collected on") })
            #expect(lines.contains { $0.contains("supernet") && !$0.contains("collected on") })
        }
    }

    private func moved(_ place: CommandPlace) throws {
        let store = place.folder.appending(path: "store").path
        #expect(
            try place.ofa("db", "store", "set", "folder", "--path", store)
                .status == 0)
        for to in ["folder", "database"] {
            for kind in ["subnet", "supernet"] {
                #expect(try place.ofa("artifacts", "move", "--kind", kind, "--to", to).status == 0)
            }
            #expect(try place.ofa("artifacts", "verify").status == 0)
        }
    }

    /// Damages the supernet: each network is damaged, and healing one heals the supernet and no network anew.
    private func healed(
        _ place: CommandPlace, _ networks: [[String: Any]], _ supernet: [String: Any]
    ) throws {
        let digest = supernet["digest"] as? String ?? ""
        try place.database.connect().script(
            """
            update ofa.blob_chunk set data = set_byte(data, 100, get_byte(data, 100) # 4)
            where ordinal = 0 and digest = decode('\(digest)', 'hex')
            """)
        let states = try place.ofa("artifacts", "verify")
        #expect(states.status == 2)
        #expect(states.output.components(separatedBy: "damaged").count == 5, "\(states.output)")
        let largest = networks.first { ($0["name"] as? String)?.hasSuffix("largest") == true }
        let id = try #require(largest?["id"] as? Int)
        let refused = try place.ofa("artifacts", "get", "\(id)", "-o", "-")
        #expect(refused.status == 1 && refused.output.isEmpty)
        #expect(refused.errors.contains("ofa artifacts heal \(id)"), "\(refused.errors)")
        let healed = try place.list("artifacts", "heal", "\(id)")
        let names = healed.compactMap { $0["name"] as? String }
        #expect(names == ["tiny-dataset", "fashion-mbv3-full"], "\(healed)")
        #expect(try place.ofa("artifacts", "verify").status == 0)
    }
}
