// `ofa queue` and `ofa enqueue --every` as their users type them.
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct QueueCommandTests {
    /// The tiny pipeline with lines added to its first stage.
    private func place(_ lines: String) throws -> CommandPlace {
        let place = try CommandPlace()
        try place.write(
            CommandPlace.tiny.replacing(
                "    held_out: 100\n", with: "    held_out: 100\n" + lines))
        return place
    }

    @Test("a job shows its queue, key, reservations, limits and due time")
    func terms() throws {
        let place = try place(
            """
                queue: night
                priority: -2
                key: gpu
                threads: 2
                memory_mb: 300
                timeout_seconds: 600
                stall_seconds: 60
                max_attempts: 7

            """)
        let year = Calendar(identifier: .gregorian).component(.year, from: Date()) + 5
        #expect(
            try place.ofa("enqueue", "tiny.yaml", "--at", "\(year)-01-01T03:00:00Z").status == 0)
        let queue = try #require(try place.list("queue").first)
        #expect(queue["name"] as? String == "night")
        #expect(queue["scheduled"] as? Int == 1)
        #expect(queue["available"] as? Int == 0)
        #expect(queue["quarantined"] as? Int == 0)
        let listed = try #require(try place.list("jobs", "--state", "scheduled").first)
        let id = String(try #require(listed["id"] as? Int))
        let job = try place.document("job", "show", id)
        #expect(job["queue"] as? String == "night")
        #expect(job["priority"] as? Int == -2)
        #expect(job["key"] as? String == "gpu")
        #expect(job["threads"] as? Int == 2)
        #expect(job["memory_mb"] as? Int == 300)
        #expect(job["timeout_seconds"] as? Double == 600)
        #expect(job["stall_seconds"] as? Double == 60)
        #expect(job["max_attempts"] as? Int == 7)
        #expect((job["due_at"] as? String)?.hasPrefix("\(year)-01-01T0") == true)
        let shown = try place.ofa("job", "show", id).output
        #expect(shown.contains("queue night, priority -2, key gpu, 2 processors, 300 MB"))
        #expect(shown.contains("starts at \(year)-01-01T0"))
    }

    @Test("keys have one permit until a limit is set; a limit of 0 stops their jobs")
    func permits() throws {
        let place = try place("    key: gpu\n")
        #expect(try place.list("queue", "permits").isEmpty)
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let first = try #require(try place.list("queue", "permits").first)
        #expect(first["key"] as? String == "gpu")
        #expect(first["slots"] as? Int == 1)
        #expect(first["held"] as? Int == 0)
        #expect(try place.list("queue", "limit", "gpu", "0").first?["slots"] as? Int == 0)
        #expect(try place.ofa("worker", "--until-idle").status == 0)
        #expect(try place.list("jobs", "--state", "available").count == 1)
        #expect(try place.list("queue", "limit", "gpu", "2").first?["slots"] as? Int == 2)
        #expect(try place.ofa("worker", "--until-idle").status == 0)
        #expect(try place.list("jobs", "--state", "available").isEmpty)
    }

    @Test("a worker without room for a job leaves it; one with room takes it")
    func room() throws {
        let place = try place("    threads: 3\n    memory_mb: 500\n")
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        for room in [["--threads", "2"], ["--threads", "3", "--memory-mb", "499"]] {
            let idle = try CommandRun(
                ["worker", "--until-idle"] + room, environment: place.environment)
            #expect(idle.status == 0)
            #expect(try place.list("jobs", "--state", "available").count == 1)
        }
        let enough = try place.ofa(
            "worker", "--until-idle", "--threads", "3", "--memory-mb", "500", "--slots", "2",
            "--limit", "train=1", "--prefetch", "4")
        #expect(enough.status == 0)
        #expect(try place.list("jobs", "--state", "discarded").count == 1)
    }

    @Test("dead letters are redriven by kind; where there are none, exit code 2")
    func redrive() throws {
        let place = try CommandPlace()
        try place.spoilImages()
        #expect(try place.ofa("run", "tiny.yaml").status == 1)
        #expect(try place.ofa("job", "retry", "--kind", "train").status == 2)
        let dead = try place.list("jobs", "--state", "discarded", "--kind", "import-dataset")
        let answer = try place.document("job", "retry", "--kind", "import-dataset")
        #expect(answer["available"] as? [Int] == dead.compactMap { $0["id"] as? Int })
        #expect((answer["refused"] as? [Any])?.isEmpty == true)
        #expect(try place.list("jobs", "--state", "blocked").count == 8)
    }

    @Test("a recurring pipeline is listed, enqueued by a worker, and removed")
    func recurring() throws {
        let place = try CommandPlace()
        let set = try place.document("enqueue", "tiny.yaml", "--every", "1d", "--name", "nightly")
        #expect(set["name"] as? String == "nightly")
        #expect(set["every_seconds"] as? Double == 86_400)
        #expect(try place.list("device", "list").count == 1)
        #expect(try place.list("jobs").isEmpty)
        let other = try place.ofa("enqueue", "tiny.yaml", "--every", "2d", "--name", "nightly")
        #expect(other.errors.contains("nightly recurred before: every 1d, next at "))
        #expect(other.errors.contains("; this replaces it\nnightly: every 2d"), "\(other.errors)")
        let worker = try RunningCommand(["worker"], environment: place.environment)
        // Its images do not exist, so the run ends soon after the worker has enqueued it.
        for _ in 0..<1000 where try place.list("jobs", "--state", "discarded").isEmpty {
            try #require(worker.isRunning, "\(worker.errors)")
        }
        worker.killNow()
        let listed = try #require(try place.list("queue", "recurring").first)
        #expect(listed["last_run"] as? Int == 1)
        #expect(try place.list("queue", "recurring", "remove", "nightly").isEmpty)
        let again = try place.ofa("queue", "recurring", "remove", "nightly")
        #expect(again.status == 2)
        #expect(again.errors.hasPrefix("Error: there is no recurring run nightly"))
        let noted = try place.list("actions", "--subject", "recurring nightly")
        #expect(noted.map { $0["verb"] as? String } == ["remove", "recur", "recur"])
    }

    @Test("the history has a partition for today, and nothing of today is dropped")
    func history() throws {
        let place = try CommandPlace()
        let names = try place.list("queue", "history").compactMap { $0["name"] as? String }
        #expect(names.contains { $0.hasPrefix("job_log_2") })
        let answer = try place.document("queue", "history", "--drop-older-than", "1")
        #expect((answer["dropped"] as? [Any])?.isEmpty == true)
        #expect(try place.list("queue", "history").count == names.count)
    }

    @Test("how long things are kept is said once, for all workers")
    func retention() throws {
        let place = try CommandPlace()
        func kept() throws -> [String: Int?] {
            Dictionary(
                try place.list("queue", "retention").compactMap { row in
                    (row["what"] as? String).map { ($0, row["days"] as? Int) }
                }
            ) { first, _ in first }
        }
        #expect(try kept() == ["history": nil, "meter": nil, "jobs": nil])
        #expect(try place.ofa("queue", "retention", "history", "90").status == 0)
        #expect(try kept() == ["history": 90, "meter": nil, "jobs": nil])
        #expect(try place.ofa("queue", "retention", "history", "forever").status == 0)
        #expect(try kept() == ["history": nil, "meter": nil, "jobs": nil])
        #expect(try place.ofa("queue", "retention", "history").status == 64)
        #expect(try place.ofa("queue", "retention", "history", "0").status == 64)
    }

    @Test("what people do is noted with their name, in the transaction that does it")
    func actions() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        for command in [
            ["cancel", "1"], ["queue", "pause"], ["queue", "resume"],
            ["queue", "limit", "gpu", "2"],
        ] {
            let run = try CommandRun(
                command, environment: place.environment.merging(["OFA_ACTOR": "anna"]) { $1 })
            #expect(run.status == 0, "\(command): \(run.errors)")
        }
        #expect(try place.ofa("cancel", "7").status == 2)
        let all = try place.list("actions")
        let done = all.compactMap { row in
            (row["verb"] as? String).flatMap { verb in
                (row["subject"] as? String).map { "\(verb) \($0)" }
            }
        }
        #expect(
            done.reversed().filter { !$0.hasPrefix("save device") }
                == [
                    "enqueue run 1", "cancel run 1", "pause queue default", "resume queue default",
                    "limit key gpu",
                ])
        #expect(all.first?["actor"] as? String == "anna")
        #expect((all.last?["actor"] as? String)?.contains("@") == true)
        #expect(try place.list("actions", "--subject", "run 1").count == 2)
    }

    @Test("commands that read make nothing where there is no database, and say what does")
    func nothingHere() throws {
        let empty = try TemporaryDatabase(migrated: false)
        for command in [["status"], ["jobs"], ["cost"], ["queue"], ["cancel", "1"]] {
            let run = try CommandRun(command, environment: ["OFA_DATABASE_URL": empty.url])
            #expect(run.status == 1, "\(command)")
            #expect(run.errors.contains("there is no ofa database here"), "\(run.errors)")
            #expect(run.errors.contains("ofa db migrate"), "\(run.errors)")
        }
        let schema = Statement(
            name: "Schema", sql: "select to_regnamespace('ofa') is null as absent")
        #expect(try empty.connect().queryOne(schema).bool("absent"))
    }

    @Test("the audit of a sound queue ends with exit code 0, of another with 2 and what is wrong")
    func audit() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        #expect(try place.document("queue", "audit")["sound"] as? Bool == true)
        let connection = try place.database.connect()
        try connection.script("update ofa.job_group set expected = 2, pending = 2 where id = 1")
        let broken = try place.ofa("queue", "audit")
        #expect(broken.status == 2)
        #expect(broken.output.contains("group 1 counters: pending 2"))
        #expect(broken.errors.hasPrefix("Error: the queue is not sound (1 findings)"))
        #expect(try place.ofa("queue", "audit", "--json").output.contains(#""sound":false"#))
    }

    @Test(
        "words that mean nothing are usage errors",
        arguments: [
            ["queue", "limit", "gpu"], ["queue", "limit", "gpu", "-1"],
            ["queue", "limit", "gpu", "many"], ["queue", "history", "--drop-older-than", "0"],
            ["enqueue", "tiny.yaml", "--every", "daily"],
            ["enqueue", "tiny.yaml", "--every", "0s"],
            ["enqueue", "tiny.yaml", "--at", "25:00"], ["worker", "--limit", "train"],
            ["worker", "--limit", "dream=1"], ["worker", "--limit", "train=0"],
            ["worker", "--memory-mb", "0"], ["worker", "--threads", "0"],
            ["worker", "--prefetch", "0"], ["run", "tiny.yaml", "--threads", "0"],
            ["job", "retry", "1", "--kind", "train"],
        ])
    func usage(arguments: [String]) throws {
        let run = try CommandRun(arguments)
        #expect(run.status == 64, "\(run.errors)")
    }

    @Test(
        "every subcommand of the queue has help with an example",
        arguments: [
            ["list"], ["pause"], ["resume"], ["permits"], ["limit"], ["history"], ["audit"],
            ["recurring"], ["recurring", "list"], ["recurring", "remove"],
        ])
    func help(words: [String]) throws {
        let run = try CommandRun(["queue"] + words + ["--help"])
        #expect(run.status == 0)
        #expect(run.output.contains("Example:"))
    }
}
