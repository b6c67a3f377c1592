// Stored bytes that are damaged or gone: `ofa artifacts verify` says so with exit code 2, `ofa artifacts heal` makes them
// again by the stage that made them, or says why it cannot.
import Artifacts
import Foundation
import Interchange
import Pipelines
import Postgres
import TestSupport
import Testing

@Suite struct ArtifactsHealCommandTests {
    /// Images and a supernet, and no more.
    static let pipeline = """
        name: two-stages
        seed: 3
        space: fashion-mbv3
        stages:
          data:
            kind: import-dataset
            dataset: tiny
            folder: DATA
            held_out: 100
          full:
            kind: train
            needs: [data]
            phase: full
            resolutions: [20]
            epochs: 0.1
            learning_rate: 0.05
            batch: 16

        """

    private func change(_ place: CommandPlace, _ sql: String) throws {
        let changed = try place.database.connect().execute(
            Statement(name: "Test\(sql.hashValue)", sql: sql))
        #expect(changed > 0)
    }

    private func states(_ place: CommandPlace, status: Int32) throws -> [String: String] {
        let run = try place.ofa("artifacts", "verify", "--json")
        #expect(run.status == status, "\(run.errors)")
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
        var states: [String: String] = [:]
        for row in rows {
            states[try #require(row["name"] as? String)] = row["state"] as? String
        }
        return states
    }

    @Test("damaged and missing bytes are found, and come back with the same digests")
    func healed() throws {
        let place = try CommandPlace(images: true)
        try place.write(Self.pipeline)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        let whole = try states(place, status: 0)
        #expect(whole.count == 3 && whole.values.allSatisfy { $0 == "ok" })
        try change(
            place,
            """
            update ofa.blob_chunk set data = set_byte(data, 100, get_byte(data, 100) # 4)
            where ordinal = 0 and digest = (select digest from ofa.artifact where kind = 'supernet')
            """)
        try change(
            place,
            "delete from ofa.blob where digest = (select digest from ofa.artifact where kind = 'dataset')"
        )
        #expect(
            try states(place, status: 2) == [
                "fashion-mbv3-full": "damaged", "tiny-dataset": "not here",
                "tiny-test-images": "ok",
            ])
        #expect(try place.ofa("artifacts", "verify", "tiny-dataset").status == 2)
        // The supernet's input is healed first.
        let healed = try place.ofa("artifacts", "heal", "fashion-mbv3-full", "--json")
        #expect(healed.status == 0, "\(healed.errors)")
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(healed.output.utf8)) as? [[String: Any]])
        #expect(rows.map { $0["name"] as? String } == ["tiny-dataset", "fashion-mbv3-full"])
        #expect(rows.allSatisfy { $0["outcome"] as? String == "healed" && $0["run"] is Int })
        #expect(try states(place, status: 0).values.allSatisfy { $0 == "ok" })
        #expect(try place.ofa("artifacts", "heal", "--all").output.contains("everything is intact"))
        #expect(try place.ofa("artifacts", "heal").status == 64)
        #expect(try place.ofa("artifacts", "heal", "nothing").status == 2)
    }

    @Test(
        "what was brought is healed by bringing it again; damaged checkpoints are found and forgotten"
    )
    func brought() throws {
        let place = try CommandPlace(images: true)
        try place.write(Self.pipeline)
        let file = try place.table("ms.csv")
        let add = ["device", "add", "d", "--kind", "phone", "--latency-table", file]
        _ = try place.document(add)
        try change(place, "delete from ofa.blob_chunk")
        #expect(try states(place, status: 2) == ["d-latency": "damaged"])
        let refused = try place.ofa("artifacts", "heal", "--all")
        #expect(refused.status == 2 && refused.output.contains("import the same file again"))
        _ = try place.document(add)
        #expect(try states(place, status: 0) == ["d-latency": "ok"])

        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        try change(
            place,
            """
            insert into ofa.checkpoint (job_id, name, seq, token, payload, digest)
            select id, 'training', 7, 1, json_build_object('step', 7), decode(repeat('ab', 32), 'hex')
            from ofa.job where stage = 'full'
            """)
        let states = try states(place, status: 2)
        #expect(states["checkpoint 7 of job 2 (full, run 1)"] == "not here", "\(states)")
        let forgotten = try place.ofa("artifacts", "heal", "--all")
        #expect(forgotten.status == 0 && forgotten.output.contains("forgotten"))
        #expect(try place.ofa("artifacts", "verify").status == 0)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
    }

    @Test("a recipe of another version is named, and the rest is verified and healed")
    func unreadable() throws {
        let place = try CommandPlace(), connection = try place.database.connect()
        let network = [UInt8](repeating: 7, count: 200_000), text = Array("text".utf8)
        let blobs = BlobStore(connection, maker: { _, _ in network })
        let parent = try blobs.put(text, elementSize: 1)
        let recipe = try Safetensors.encode(
            ["statistics": .init(shape: [1], values: [Float(0)])],
            metadata: ["ofa-recipe": "{\"slicer\": 1000}"])
        let digest = try blobs.put(
            network, elementSize: 4, kind: "subnet", recipe: BlobRecipe(recipe, parent: parent))
        #expect(try blobs.info(digest)?.parent == parent)
        let artifacts = ArtifactStore(connection)
        for (name, digest) in [("network", digest), ("other", parent)] {
            _ = try artifacts.insert(Artifact.New(broughtAs: "subnet", name: name, digest: digest))
        }
        #expect(try states(place, status: 2) == ["network": "unreadable", "other": "ok"])
        let healed = try place.ofa("artifacts", "heal", "--all")
        #expect(healed.status == 2 && healed.output.contains("not healed"), "\(healed.output)")
        try blobs.put(network, elementSize: 4, kind: "subnet")
        #expect(try states(place, status: 2)["network"] == "unreadable")
        try BlobStore(connection).put(network, elementSize: 4, kind: "subnet")
        #expect(try states(place, status: 0) == ["network": "ok", "other": "ok"])
    }

    @Test(
        "a training whose newest checkpoint is damaged goes on without it, and none is left when it has ended"
    )
    func checkpoints() throws {
        let place = try CommandPlace(images: true)
        try place.write(Self.pipeline)
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        try change(
            place,
            """
            insert into ofa.checkpoint (job_id, name, seq, token, payload, digest)
            select id, 'training', 1, 1,
              json_build_object('step', 1, 'skipped', 0), decode(repeat('ab', 32), 'hex')
            from ofa.job where stage = 'full'
            """)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        #expect(
            try place.ofa("job", "log", "2").output.contains("checkpoint of step 1 is skipped"))
        let left = try place.database.connect().queryOne(
            Statement(name: "Left", sql: "select count(*) from ofa.checkpoint"))
        #expect(try left.int("count") == 0)
        #expect(try states(place, status: 0).count == 3)
    }

    @Test(
        "who reads bytes that are gone or damaged names the artifact and its remedy, and a report shows the rest"
    )
    func named() throws {
        let place = try CommandPlace(images: true)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        #expect(
            try place.ofa("device", "add", "ring", "--kind", "phone", "--max-macs", "5e6").status
                == 0)
        let ids = try place.list("artifacts", "list").reduce(into: [String: Int]()) {
            $0[$1["kind"] as? String ?? ""] = $1["id"] as? Int
        }
        let choice = try #require(ids["search-result"]), predictor = try #require(ids["predictor"])
        func spoil(_ id: Int, _ sql: String) throws {
            try change(place, sql + " (select digest from ofa.artifact where id = \(id))")
        }
        let deleted = "delete from ofa.blob where digest ="
        let damaged =
            "update ofa.blob_chunk set data = set_byte(data, 5, get_byte(data, 5) # 4) where ordinal = 0 and digest ="
        for (spoiled, word) in [(damaged, "damaged"), (deleted, "not here")] {
            try spoil(choice, spoiled)
            let text = try place.ofa("report", "1"), json = try place.ofa("report", "1", "--json")
            for run in [text, json] {
                #expect(run.status == 2)
                #expect(run.errors.contains("artifact \(choice) (search-result "), "\(run.errors)")
                #expect(
                    run.errors.contains(word) && run.errors.contains("ofa artifacts heal \(choice)")
                )
            }
            #expect(text.output.contains("a front is omitted: artifact \(choice)"))
            #expect(
                text.output.contains("largest network:") && text.output.contains("this-machine"))
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
            let unreadable = try #require(document["unreadable"] as? [[String: Any]])
            #expect(unreadable.map { $0["artifact"] as? Int } == [choice])
            #expect((document["networks"] as? [Any])?.count == 1)
        }
        for (spoiled, word) in [(damaged, "damaged"), (deleted, "not here")] {
            try spoil(predictor, spoiled)
            for arguments in [
                ["specialize", "--device", "ring"],
                ["search", "--space", "fashion-mbv3", "--predictor", "\(predictor)"],
            ] {
                let run = try place.ofa(arguments)
                #expect(run.status != 0)
                #expect(run.errors.contains("artifact \(predictor) (predictor "), "\(run.errors)")
                #expect(
                    run.errors.contains(word)
                        && run.errors.contains("ofa artifacts heal \(predictor)"))
            }
        }
        // What cannot be healed advises no healing; the remedy is told once; and healing runs are no newest run.
        let table = try #require(ids["latency-table"])
        try spoil(table, deleted)
        let verified = try place.ofa("artifacts", "verify", "\(table)")
        #expect(verified.status == 2)
        #expect(
            verified.errors.components(separatedBy: "ofa artifacts heal").count == 2,
            "\(verified.errors)")
        let refused = try place.ofa("artifacts", "heal", "\(table)")
        #expect(refused.status == 2 && refused.errors.contains("ofa device measure"))
        #expect(!refused.errors.contains("ofa artifacts heal"), "\(refused.errors)")
        _ = try place.ofa("artifacts", "heal", "\(predictor)")
        #expect(
            try place.list("status", "--all").contains {
                $0["name"] as? String == "heal-\(predictor)"
            })
        #expect(try place.ofa("status").output.hasPrefix("run 1 tiny"))
    }
}
