// `ofa jobs`, `ofa job`, `ofa cancel` and `ofa queue` as their users type them.
import Foundation
import TestSupport
import Testing

@Suite struct JobsCommandTests {
    @Test(
        "a stage whose error would repeat is tried once; its job can be shown, retried and cancelled"
    )
    func life() throws {
        let place = try CommandPlace()
        try place.spoilImages()
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 1)
        #expect(run.errors.contains("data: failed: "))
        #expect(run.errors.contains("full: cancelled"))

        let discarded = try place.list("jobs", "--run", "1", "--state", "discarded")
        #expect(discarded.count == 1)
        let id = String(try #require(discarded.first?["id"] as? Int))
        let job = try place.document("job", "show", id)
        #expect(job["attempts"] is [Any])
        #expect((job["attempts"] as? [Any])?.count == 1)
        #expect((job["reason"] as? String)?.contains("train-images-idx3-ubyte.gz") == true)
        #expect((job["args"] as? [String: Any])?["stage"] as? String == "data")
        #expect(try place.list("job", "log", id).isEmpty)

        let retry = try place.document("job", "retry", id)
        #expect((retry["available"] as? [Int]).map { $0.map(String.init) } == [id])
        #expect(try place.list("jobs", "--state", "blocked").count == 8)
        let secondRetry = try place.ofa("job", "retry", id)
        #expect(secondRetry.status == 1)
        #expect(secondRetry.errors.contains("only cancelled and discarded jobs are retried"))

        #expect(try place.document("job", "cancel", id)["answer"] as? String == "cancelled")
        #expect(try place.ofa("job", "cancel", id).status == 1)
        #expect(try place.document("status", "1")["state"] as? String == "failed")
        #expect(try place.document("job", "retry", "--run", "1")["available"] is [Int])
    }

    @Test("a run is cancelled once")
    func cancelRun() throws {
        let place = try CommandPlace()
        _ = try place.ofa("enqueue", "tiny.yaml")
        #expect(try place.document("cancel", "1")["state"] as? String == "cancelled")
        #expect(try place.ofa("cancel", "1").status == 1)
        #expect(try place.list("jobs", "--state", "cancelled").count == 9)
    }

    @Test("of jobs that were dropped is said that they were, by their run and by their number")
    func dropped() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        #expect(try place.ofa("cancel", "1").status == 0)
        #expect(try !place.ofa("jobs", "--run", "1").errors.contains("dropped"))
        let connection = try place.database.connect()
        try connection.script(
            """
            insert into ofa.closed_month (month, closed_at) select month, '2026-12-24Z' from ofa.run;
            delete from ofa.job_group; delete from ofa.group_edge; delete from ofa.outcome; delete from ofa.job;
            """)
        for command in [["jobs", "--run", "1"], ["jobs", "--run", "1", "--json"]] {
            let run = try place.ofa(command)
            #expect(run.status == 0)
            #expect(
                run.errors.contains("run 1: its jobs were dropped on 2026-12-24"), "\(run.errors)")
        }
        let job = try place.ofa("job", "show", "1")
        #expect(job.status == 2)
        #expect(job.errors.contains("there is no job 1: the jobs of runs of "), "\(job.errors)")
        #expect(job.errors.contains(" were dropped on 2026-12-24"), "\(job.errors)")
        #expect(job.errors.contains("ofa queue retention"), "\(job.errors)")
    }

    @Test("what does not exist ends with exit code 2 and one line on standard error")
    func unknown() throws {
        let place = try CommandPlace()
        for arguments in [
            ["job", "show", "7"], ["job", "log", "7"], ["job", "retry", "7"],
            ["job", "cancel", "7"],
            ["jobs", "--run", "7"], ["cancel", "7"], ["status", "7"], ["report", "7"], ["status"],
            ["report"],
            ["job", "retry", "--run", "7"],
        ] {
            let run = try CommandRun(arguments, environment: place.environment)
            #expect(run.status == 2, "\(arguments): \(run.errors)")
            #expect(run.output.isEmpty)
            #expect(run.errors.hasPrefix("Error: there is no "))
            #expect(run.errors.filter(\.isNewline).count == 1)
        }
    }

    @Test(
        "words that mean nothing are usage errors",
        arguments: [
            ["jobs", "--state", "tired"], ["jobs", "--limit", "0"], ["job", "show", "x"],
            ["job", "retry"],
            ["job", "retry", "1", "--run", "1"], ["queue", "stop"], ["worker", "--slots", "0"],
            ["worker", "--kinds", "train,dream"],
        ])
    func usage(arguments: [String]) throws {
        #expect(try CommandRun(arguments).status == 64)
    }

    @Test("a paused queue gives no job to a worker until it is resumed")
    func pause() throws {
        let place = try CommandPlace()
        _ = try place.ofa("enqueue", "tiny.yaml")
        #expect(try place.list("queue", "pause").first?["paused"] as? Bool == true)
        let idle = try place.ofa("worker", "--until-idle")
        #expect(idle.status == 0)
        #expect(try place.list("jobs", "--state", "available").count == 1)
        #expect(try place.list("queue", "list").first?["available"] as? Int == 1)
        #expect(try place.list("queue", "resume").first?["paused"] as? Bool == false)
        #expect(try place.ofa("worker", "--until-idle", "--kinds", "search,train").status == 0)
        #expect(try place.list("jobs", "--state", "available").count == 1)
        #expect(try place.ofa("worker", "--until-idle").status == 0)
        #expect(try place.list("jobs", "--state", "discarded").count == 1)
    }
}
