// `ofa gc`, pins and moves as people use them, and what a kill in the middle of each leaves.
import Artifacts
import Foundation
import Jobs
import Pipelines
import Postgres
import TestSupport
import Testing

@Suite struct GCCommandTests {
    private static let hold = 90_170_117

    /// So many artifacts that a stage made, of about 100 kB each; their digests.
    private func fill(_ place: CommandPlace, _ count: Int) throws -> [Digest] {
        let connection = try place.database.connect()
        return try (0..<count).map { index in
            var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 100_000)
            var state = UInt32(index + 1)
            for place in bytes.indices {
                state = state &* 1_664_525 &+ 1_013_904_223
                bytes[place] = UInt8(state >> 24)
            }
            let digest = try BlobStore(connection).put(bytes, elementSize: 1, kind: "subnet")
            try ArtifactStore(connection).insert(
                Artifact.New(
                    kind: "subnet", name: "n\(index)", digest: digest, run: 1, job: 1,
                    token: Int64(index + 1), stage: "cut"))
            return digest
        }
    }

    private func states(_ place: CommandPlace, _ digests: [Digest]) throws -> [String: Int] {
        let store = BlobStore(try place.database.connect())
        return try digests.reduce(into: [:]) { counts, digest in
            switch try store.state(of: digest) {
            case .whole: counts["whole", default: 0] += 1
            case .collected: counts["collected", default: 0] += 1
            case .damaged(let problem), .unreadable(let problem):
                counts[problem, default: 0] += 1
            case .missing: counts["missing", default: 0] += 1
            }
        }
    }

    /// Starts a command, waits until it stands still at the lock that the test holds, and kills it there.
    private func kill(_ place: CommandPlace, _ control: Connection, _ arguments: String...) throws {
        let command = try RunningCommand(arguments, environment: place.environment)
        let waiting = Statement(
            name: "Waiting",
            sql: """
                select pid from pg_stat_activity where datname = current_database()
                  and wait_event = 'advisory' and pid <> pg_backend_pid()
                """)
        while try control.query(waiting).isEmpty {
            try #require(command.isRunning, "it ended before it was held: \(command.errors)")
            Thread.sleep(forTimeInterval: 0.01)
        }
        command.killNow()
        try control.script("select pg_advisory_unlock_all()")
        // Its server's process notices when it has nobody to answer.
        let others = Statement(
            name: "Others",
            sql: """
                select pid from pg_stat_activity
                where datname = current_database() and application_name = 'ofa'
                """)
        while try !control.query(others).isEmpty { Thread.sleep(forTimeInterval: 0.01) }
    }

    @Test("who set the store, moved, pinned and collected bytes is noted, where it was done")
    func noted() throws {
        let place = try CommandPlace()
        _ = try fill(place, 2)
        let folder = try TemporaryFolder.make(prefix: "ofa-store")
        defer {
            do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
        }
        for (command, status) in [
            (["db", "store", "set", "folder", "--path", folder], 0),
            (["artifacts", "move", "n0", "--to", "folder"], 0),
            (["artifacts", "move", "n0", "--to", "folder"], 0), (["db", "store", "remove"], 2),
            (["artifacts", "move", "n0", "--to", "database"], 0), (["db", "store", "remove"], 0),
            (["artifacts", "pin", "n0", "--reason", "mine"], 0),
            (["gc", "--kind", "subnet", "--dry-run"], 0), (["gc", "--kind", "subnet"], 0),
            (["artifacts", "unpin", "n0"], 0), (["artifacts", "unpin", "n0"], 2),
        ] as [([String], Int32)] {
            let run = try place.ofa(command, environment: ["OFA_ACTOR": "anna"])
            #expect(run.status == status, "\(command): \(run.errors)")
        }
        let actions = try place.list("actions")
        #expect(actions.allSatisfy { $0["actor"] as? String == "anna" })
        #expect(
            actions.reversed().map { "\($0["verb"] ?? "") \($0["subject"] ?? "")" } == [
                "set store folder", "move artifact 1", "move artifact 1", "remove store folder",
                "pin artifact 1", "collect artifact 2", "unpin artifact 1",
            ])
    }

    @Test(
        "gc killed in the middle of a batch leaves every blob whole or collected; the next one ends the work"
    )
    func killedCollection() throws {
        let place = try CommandPlace()
        let digests = try fill(place, 50)
        let control = try place.database.connect()
        // The second batch stands still after it has changed rows, before it has removed chunks.
        try control.script(
            """
            create function public.hold() returns trigger language plpgsql as $$ begin
              if (select count(*) from ofa.blob where collected_at is not null) > 20 then
                perform pg_advisory_xact_lock(\(Self.hold));
              end if;
              return null;
            end $$;
            create trigger hold before delete on ofa.blob_chunk for each statement execute function public.hold();
            """)
        try control.script("select pg_advisory_lock(\(Self.hold))")
        try kill(place, control, "gc", "--run", "1")
        #expect(try states(place, digests) == ["collected": 20, "whole": 30])
        let rest = try place.document("gc", "--run", "1")
        #expect(rest["blobs"] as? Int == 30)
        #expect(try states(place, digests) == ["collected": 50])
        #expect(try place.ofa("artifacts", "verify").status == 0)
        let chunks = Statement(name: "Chunks", sql: "select count(*) as n from ofa.blob_chunk")
        #expect(try control.queryOne(chunks).int("n") == 0)
    }

    @Test(
        "in the folder, gc and a move killed between the commit and the file leave a file that the next gc finds"
    )
    func killedBesideFiles() throws {
        let place = try CommandPlace()
        let folder = try TemporaryFolder.make(prefix: "ofa-store")
        defer {
            do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
        }
        let set = try place.document(
            "db", "store", "set", "folder", "--path", folder, "--kinds", "subnet")
        #expect((set["folder"] as? [String: Any])?["path"] as? String == folder)
        #expect(try place.ofa("doctor").output.contains("\(folder) is here"))
        let elsewhere = try place.ofa("doctor", environment: ["OFA_STORE": "/nowhere"])
        #expect(elsewhere.output.contains("/nowhere, is not here"), "\(elsewhere.output)")
        let digests = try fill(place, 3)
        func files() throws -> Int {
            try FileManager.default.subpathsOfDirectory(atPath: folder + "/sha256")
                .filter { $0.count > 10 }.count
        }
        #expect(try files() == 3)
        let control = try place.database.connect()
        func holdFile(_ digest: Digest) throws {
            let key = Int64(
                bitPattern: digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
            try control.script("select pg_advisory_lock(\(key))")
        }
        // A move to the database that takes the lock, fills the chunks, and stands still before its commit is seen.
        try control.script(
            """
            create function public.hold() returns trigger language plpgsql as $$ begin
              perform pg_advisory_xact_lock(\(Self.hold)); return null;
            end $$;
            create trigger hold before update on ofa.blob_chunk for each statement execute function public.hold();
            """)
        try control.script("select pg_advisory_lock(\(Self.hold))")
        try kill(place, control, "artifacts", "move", "n0", "--to", "database")
        #expect(try states(place, digests) == ["whole": 3])
        #expect(try files() == 3)
        try control.script("drop trigger hold on ofa.blob_chunk")
        #expect(try place.ofa("artifacts", "move", "n0", "--to", "database").status == 0)
        #expect(try files() == 2 && states(place, digests) == ["whole": 3])

        // A move to the folder: the file has its name, the row does not say so yet.
        try control.script(
            "create trigger hold before update on ofa.blob_chunk for each statement execute function public.hold()"
        )
        try control.script("select pg_advisory_lock(\(Self.hold))")
        try kill(place, control, "artifacts", "move", "n0", "--to", "folder")
        try control.script("drop trigger hold on ofa.blob_chunk")
        #expect(try files() == 3 && states(place, digests) == ["whole": 3])
        #expect(try place.document("gc")["files"] as? Int == 1)
        #expect(try files() == 2 && states(place, digests) == ["whole": 3])

        // A collection that has said so, and has not removed the file.
        try holdFile(digests[1])
        try kill(place, control, "gc", "--run", "1")
        #expect(try states(place, digests) == ["collected": 3])
        #expect(try place.ofa("artifacts", "verify").status == 0)
        #expect(try files() > 0)
        #expect(try place.document("gc", "--dry-run")["files"] as? Int == files())
        #expect(try place.ofa("gc").status == 0)
        #expect(try files() == 0)
    }

    @Test("a put that is killed after its file has its name leaves no row; the next one is whole")
    func killedPut() throws {
        let place = try CommandPlace()
        let folder = try TemporaryFolder.make(prefix: "ofa-store")
        defer {
            do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
        }
        #expect(try place.ofa("db", "store", "set", "folder", "--path", folder).status == 0)
        let table = try place.table("ms.csv")
        let control = try place.database.connect()
        try control.script(
            """
            create function public.hold() returns trigger language plpgsql as $$ begin
              perform pg_advisory_xact_lock(\(Self.hold)); return null;
            end $$;
            create trigger hold before insert on ofa.blob_chunk for each statement execute function public.hold();
            select pg_advisory_lock(\(Self.hold));
            """)
        try kill(
            place, control, "device", "add", "d", "--kind", "phone", "--latency-table", table)
        try control.script("drop trigger hold on ofa.blob_chunk")
        let count = Statement(
            name: "Rows",
            sql: "select (select count(*) from ofa.blob) + (select count(*) from ofa.artifact) as n"
        )
        #expect(try control.queryOne(count).int("n") == 0)
        #expect(try place.document("gc", "--dry-run")["files"] as? Int == 1)
        #expect(
            try place.ofa("device", "add", "d", "--kind", "phone", "--latency-table", table).status
                == 0)
        #expect(try place.ofa("artifacts", "verify").status == 0)
        #expect(try place.document("gc", "--dry-run")["files"] as? Int == 0)
        #expect(try place.list("artifacts", "list").first?["store"] as? String == "folder")
    }

    @Test(
        "what is collected is said to be, its lineage answers, and healing makes it again; pins stay"
    )
    func collectedAndHealed() throws {
        let place = try CommandPlace(images: true)
        try place.write(ArtifactsHealCommandTests.pipeline)
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        let before = try place.list("artifacts", "list")
        #expect(before.count == 3)
        #expect(
            try place.ofa("artifacts", "pin", "tiny-test-images", "--reason", "shared").status == 0)
        // A run that reads the data set keeps it as long as it is unfinished.
        let connection = try place.database.connect(), queue = JobQueue(connection)
        let supernet = try ArtifactStore(connection).find("fashion-mbv3-full")
        guard case .run(let spec) = try Healing(connection).remedy(for: supernet) else {
            Issue.record("no remedy")
            return
        }
        let reader = try queue.enqueue(spec)
        let first = try place.document("gc", "--run", "1", "--dry-run")
        #expect(first["blobs"] as? Int == 1)
        let reasons = try #require(first["kept"] as? [[String: Any]]).map { $0["kept"] as? String }
        #expect(reasons == ["an unfinished run reads it", "it is pinned"])
        try queue.cancel(run: reader)
        let dry = try place.document("gc", "--run", "1", "--dry-run")
        #expect(dry["blobs"] as? Int == 2 && dry["dry_run"] as? Bool == true)
        #expect(try place.list("artifacts", "list").allSatisfy { $0["collected_at"] is NSNull })
        let done = try place.document("gc", "--run", "1")
        #expect(done["blobs"] as? Int == 2)
        #expect(
            (done["kept"] as? [[String: Any]])?.map { $0["kept"] as? String } == ["it is pinned"])
        let verified = try place.ofa("artifacts", "verify", "--json")
        #expect(verified.status == 0 && verified.output.contains(#""state":"collected""#))
        let got = try place.ofa("artifacts", "get", "fashion-mbv3-full", "-o", "x.safetensors")
        #expect(got.status != 0 && got.errors.contains("collected on"), "\(got.errors)")
        #expect(got.errors.contains("ofa artifacts heal"))
        #expect(try place.ofa("lineage", "up", "fashion-mbv3-full").output.contains("tiny-dataset"))
        #expect(try place.ofa("artifacts", "list").output.contains("collected"))
        // Everything is whole as far as anybody wants it to be.
        #expect(try place.ofa("artifacts", "heal", "--all").output.contains("everything is intact"))
        let healed = try place.ofa("artifacts", "heal", "fashion-mbv3-full", "--json")
        #expect(healed.status == 0, "\(healed.errors)")
        let after = try place.list("artifacts", "list", "--run", "1")
        #expect(after.allSatisfy { $0["collected_at"] is NSNull })
        #expect(after.map { $0["digest"] as? String } == before.map { $0["digest"] as? String })
        #expect(try place.ofa("artifacts", "unpin", "tiny-test-images").status == 0)
        #expect(try place.ofa("artifacts", "unpin", "tiny-test-images").status == 2)
        #expect(try place.ofa("gc", "--run", "1", "--grace", "1d").status == 64)
    }

    @Test("a worker collects what nothing needs, without being asked")
    func duty() throws {
        let place = try CommandPlace()
        let control = try place.database.connect(), store = BlobStore(control)
        let orphan = try store.put([1, 2, 3], elementSize: 1)
        try control.script("update ofa.blob set put_at = put_at - interval '30 days'")
        let fresh = try store.put([4, 5, 6], elementSize: 1)
        let worker = try RunningCommand(["worker"], environment: place.environment)
        while try store.info(orphan) != nil {
            try #require(worker.isRunning, "\(worker.errors)")
            Thread.sleep(forTimeInterval: 0.05)
        }
        worker.terminate()
        #expect(worker.wait() == 0, "\(worker.errors)")
        #expect(try store.state(of: fresh) == .whole)
    }

    @Test("a run beside collections that never cease, with a grace of a second, ends whole")
    func besideRun() throws {
        let place = try CommandPlace(images: true)
        try place.write(
            ArtifactsHealCommandTests.pipeline + "    checkpoint_seconds: 0\n")
        let run = try RunningCommand(["run", place.pipeline], environment: place.environment)
        var collections = 0
        while run.isRunning {
            // The first ones may be before there is a schema.
            let gc = try place.ofa("gc", "--grace", "1s")
            if gc.status == 0 { collections += 1 }
        }
        #expect(run.wait() == 0, "\(run.errors)")
        #expect(collections > 0)
        #expect(try place.ofa("gc", "--grace", "1s").status == 0)
        let verified = try place.ofa("artifacts", "verify")
        #expect(verified.status == 0, "\(verified.errors)")
        #expect(try place.list("artifacts", "list").count == 3)
    }

    @Test("what an unfinished run made or was told to read is kept")
    func unfinished() throws {
        let place = try CommandPlace()
        _ = try fill(place, 2)
        let control = try place.database.connect()
        try control.script(
            "insert into ofa.run (name, definition, definition_hash) values ('r', 'd', 'h')")
        let dry = try place.document("gc", "--run", "1", "--dry-run")
        let kept = try #require(dry["kept"] as? [[String: Any]])
        #expect(
            kept.map { $0["kept"] as? String }
                == Array(repeating: "its run is unfinished", count: 2))
    }
}
