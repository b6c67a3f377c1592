// Stored bytes that are damaged or gone: `ofa artifacts verify` says so with exit code 2, `ofa artifacts heal` makes them
// again by the stage that made them, or says why it cannot.
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ArtifactsHealCommandTests {
    /// Images and a supernet, and no more.
    private static let pipeline = """
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
        #expect(try place.ofa("artifacts", "heal", "--all").output.contains("everything is whole"))
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
        #expect(refused.status == 2 && refused.output.contains("bring the same file again"))
        _ = try place.document(add)
        #expect(try states(place, status: 0) == ["d-latency": "ok"])

        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        try change(
            place,
            """
            insert into ofa.checkpoint (job_id, name, seq, token, payload)
            select id, 'training', 7, 1, json_build_object('step', 7, 'blob', repeat('ab', 32))
            from ofa.job where stage = 'full'
            """)
        let states = try states(place, status: 2)
        #expect(states["checkpoint 7 of job 2 (full, run 1)"] == "not here", "\(states)")
        let forgotten = try place.ofa("artifacts", "heal", "--all")
        #expect(forgotten.status == 0 && forgotten.output.contains("forgotten"))
        #expect(try place.ofa("artifacts", "verify").status == 0)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
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
            insert into ofa.checkpoint (job_id, name, seq, token, payload)
            select id, 'training', 1, 1,
              json_build_object('step', 1, 'skipped', 0, 'blob', repeat('ab', 32))
            from ofa.job where stage = 'full'
            """)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        #expect(
            try place.ofa("job", "log", "2").output.contains("checkpoint of step 1 is left out"))
        let left = try place.database.connect().queryOne(
            Statement(name: "Left", sql: "select count(*) from ofa.checkpoint"))
        #expect(try left.int("count") == 0)
        #expect(try states(place, status: 0).count == 3)
    }
}
