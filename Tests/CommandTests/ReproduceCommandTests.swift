// `ofa reproduce`: the same bytes again, and nothing left behind.
import Artifacts
import Datasets
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ReproduceCommandTests {
    /// What a repetition must not change: artifacts with all their fields, inputs, and which bytes are stored.
    private func facts(_ place: CommandPlace) throws -> [String] {
        let rows = try place.database.connect().query(
            Statement(
                name: "Facts",
                sql: """
                    select to_jsonb(artifact)::text as fact from ofa.artifact
                    union all select to_jsonb(artifact_input)::text from ofa.artifact_input
                    union all select 'blob ' || encode(digest, 'hex') || coalesce(' ' || collected_at::text, '')
                      from ofa.blob where class = 'lasting'
                    order by 1
                    """))
        return try rows.map { try $0.text("fact") }
    }

    private func collect(_ place: CommandPlace, _ artifact: String) throws {
        let count = try place.database.connect().execute(
            Statement(
                name: "Collect \(artifact)",
                sql: """
                    update ofa.blob set collected_at = now(), parent = null
                    where digest = (select digest from ofa.artifact where name = '\(artifact)' limit 1)
                    """))
        #expect(count == 1)
    }

    private func runs(_ place: CommandPlace) throws -> Int {
        try place.database.connect().queryOne(
            Statement(name: "Runs", sql: "select count(*) as runs from ofa.run")
        ).int("runs")
    }

    private func object(_ run: CommandRun) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }

    @Test("a network is reproduced byte for byte, and not with another seed; nothing else changes")
    func network() throws {
        let place = try CommandPlace(images: true)
        try place.write(LineageCommandTests.pipeline)
        try #require(try place.ofa("run", "tiny.yaml").status == 0)
        let before = try facts(place)
        for name in ["fashion-mbv3-smallest", "fashion-mbv3-full", "tiny-dataset"] {
            let same = try place.ofa("reproduce", name, "--check", "--json")
            #expect(same.status == 0, "\(same.errors)")
            let answer = try object(same)
            #expect(answer["same_bytes"] as? Bool == true)
            #expect(answer["digest"] as? String == answer["reproduced"] as? String)
            #expect((answer["differences"] as? [String])?.isEmpty == true, "\(answer)")
        }
        let other = try place.ofa(
            "reproduce", "fashion-mbv3-smallest", "--check", "--set", "seed=4")
        #expect(other.status == 2 && other.output.contains("other bytes"))
        #expect(other.errors.contains("seed 3 then, 4 now"), "\(other.errors)")
        #expect(
            try place.ofa("reproduce", "fashion-mbv3-smallest", "--set", "epochs=4").status == 64)
        #expect(try place.ofa("reproduce", "nothing").status == 2)
        #expect(try facts(place) == before)
        #expect(try place.ofa("status").output.hasPrefix("run 1 "))
        #expect(try place.ofa("queue", "audit").status == 0)

        // A tombstone is reproduced and stays one; an input that was collected is refused before anything runs.
        try collect(place, "fashion-mbv3-full")
        let tombstones = try facts(place)
        let again = try place.ofa("reproduce", "fashion-mbv3-full", "--check")
        #expect(again.status == 0, "\(again.errors)")
        let count = try runs(place)
        let gone = try place.ofa("reproduce", "fashion-mbv3-smallest", "--check")
        #expect(
            gone.status != 0 && gone.errors.contains("(fashion-mbv3-full), was collected"),
            "\(gone.errors)")
        #expect(try runs(place) == count)
        #expect(try facts(place) == tombstones)
    }

    @Test("a data set of pictures and one of its shards are reproduced, and leave no artifacts")
    func pictures() throws {
        let place = try CommandPlace()
        try place.write(
            """
            name: birds
            space: {base: ofa-mbv3-w1.0, name: birds, classes: 2, channels: 3, resolutions: [64]}
            stages:
              data: {kind: import-dataset, dataset: birds, folder: pictures}

            """)
        for (number, part) in ["train", "test", "train", "test"].enumerated() {
            let folder = place.folder.appending(
                path: "pictures/\(part)/\(number < 2 ? "ibis" : "jay")")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for picture in 0..<3 {
                let pixels = (0..<40 * 30 * 3).map {
                    UInt8(truncatingIfNeeded: ($0 &* (7 * number + picture + 1)) >> 3)
                }
                let png = try PictureEncoder.png(pixels, width: 40, height: 30)
                try Data(png).write(to: folder.appending(path: "\(picture).png"))
            }
        }
        try #require(try place.ofa("run", "tiny.yaml").status == 0)
        let before = try facts(place)
        let shard = try #require(
            try place.list("artifacts", "list", "--kind", "dataset-shard").first?["id"] as? Int)
        for artifact in ["birds-dataset", "birds-test-images", "\(shard)"] {
            let same = try place.ofa("reproduce", artifact, "--check", "--json")
            #expect(same.status == 0, "\(artifact): \(same.errors)")
            #expect(try object(same)["same_bytes"] as? Bool == true)
        }
        let survey = try place.ofa("reproduce", "birds-survey")
        #expect(survey.status != 0 && survey.errors.contains("is a record"), "\(survey.errors)")
        #expect(try facts(place) == before)
        let picture = place.folder.appending(path: "pictures/train/ibis/0.png")
        try FileManager.default.removeItem(at: picture)
        let other = try place.ofa("reproduce", "birds-dataset", "--check")
        #expect(other.status == 2 && other.output.contains("other bytes"), "\(other.errors)")
        let artifacts = { (facts: [String]) in facts.filter { !$0.hasPrefix("blob ") } }
        #expect(try artifacts(facts(place)) == artifacts(before))
    }

    @Test("an artifact that no stage made is not reproduced, and no run is enqueued")
    func userSupplied() throws {
        let place = try CommandPlace()
        let connection = try place.database.connect()
        _ = try ArtifactStore(connection).insert(
            Artifact.New(
                broughtAs: "predictor", name: "mine",
                digest: BlobStore(connection).put([1], elementSize: 1)))
        let run = try place.ofa("reproduce", "mine")
        #expect(run.status != 0 && run.errors.contains("user-supplied"), "\(run.errors)")
        #expect(try runs(place) == 0)
    }
}
