// What people type, and what an older program has stored: refused before anything is written, or shown all the same.
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct TextGateTests {
    /// Rows of the tables that commands write.
    private static func rows(_ place: CommandPlace) throws -> [String: Int64] {
        let connection = try place.database.connect()
        var rows: [String: Int64] = [:]
        for table in [
            "run", "job", "lane", "device", "artifact", "blob", "recurring", "permit_key",
            "paused_queue",
        ] {
            let sql = "select count(*) as rows from ofa.\(table)"
            rows[table] = try connection.queryOne(Statement(name: sql, sql: sql)).int64("rows")
        }
        return rows
    }

    @Test("text that an older program stored stops no query")
    func stored() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        // Args that the json type takes and jsonb refuses, an attempt of each job, an artifact with an escape sequence.
        try place.database.connect().script(
            """
            insert into ofa.session (name, host_id, process, ttl) values ('w', ofa.know_host('h', E'h\\x1b[31m'), 1, '10 s');
            update ofa.account set device = 'box' where id = 2;
            insert into ofa.spent select id, 1, '2026-11-01', '', E'gap\\x1b[31m', '', 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, now(), id
            from ofa.account;
            update ofa.job set args = case id % 5
              when 0 then '{"device": {"name": "a\\u0000b"}}'
              when 1 then '{"device": {"name": "\\ud800"}, "x": "\\\\u0000"}'
              when 2 then '{"device": {"name": "box"}, "x": 1e999999}'
              when 3 then '{"x": "\\u0000", "device": {"name": "box"}}'
              else '{"device": {"name": "box"}}' end::json;
            insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome, error)
            select nextval('ofa.lease_token'), id, 1, 1, now() - interval '1 s', now(), 'failed', E'\\x1b]0;x\\x07'
            from ofa.job;
            insert into ofa.job_log (job_id, token, logged_at, line) values (1, 1, now(), E'\\x1b[31mred');
            insert into ofa.artifact (kind, name, role, digest, run_id, job_id, token, stage)
            values ('subnet-x', E'a\\x1b[31mb', 'subnet-x', decode(repeat('00', 32), 'hex'), 1, 1, 1, 'data');
            """)
        for arguments in [
            ["cost"], ["cost", "1", "--by", "device"], ["cost", "--by", "attempt"],
            ["cost", "explain", "1"], ["report", "1"], ["status", "1"], ["status", "--all"],
            ["jobs"], ["job", "show", "1"], ["job", "log", "1"], ["artifacts", "list"],
            ["lineage", "up", "1"], ["queue"], ["queue", "audit"],
        ] {
            for more in [[], ["--json"]] {
                let run = try place.ofa(arguments + more)
                #expect(run.status == 0, "\(arguments + more): \(run.errors)")
                #expect(!run.errors.contains("SQLSTATE"), "\(run.errors)")
            }
        }
        // The sums are over all of them, and the readable names are found.
        let costs = try place.document("cost", "1", "--by", "device")
        let branches = try #require(costs["branches"] as? [[String: Any]])
        let names = branches.compactMap { $0["device"] as? String }
        #expect(names.contains("box"), "\(costs)")
    }

    @Test(
        "a NUL in a file is refused with its line, and nothing is stored",
        arguments: [
            "dataset: \"fashion\\0mnist\"", "dataset: \"a\\x1b[31m\"", "dataset: \"\\u202e\"",
        ])
    func file(line: String) throws {
        let place = try CommandPlace()
        try place.write(CommandPlace.tiny.replacing("dataset: tiny", with: line))
        for command in ["run", "enqueue"] {
            let run = try place.ofa(command, "tiny.yaml")
            #expect(run.status == 1)
            #expect(
                run.errors.hasPrefix("Error: tiny.yaml:11: stages.data.dataset holds the "),
                "\(run.errors)")
        }
        #expect(try Self.rows(place).values.allSatisfy { $0 == 0 })
    }

    @Test(
        "arguments that are no names, numbers or subcommands are usage errors, and nothing is stored",
        arguments: [
            (["enqueue", "tiny.yaml", "--name", ""], "--name is empty"),
            (["enqueue", "tiny.yaml", "--name", "  "], "--name holds nothing but blanks"),
            (
                ["run", "tiny.yaml", "--name", String(repeating: "n", count: 6000)],
                "--name has 6000 bytes; at most 1024 are allowed"
            ),
            (
                ["enqueue", "tiny.yaml", "--name", "a\u{1B}[31m"],
                "argument 4, 'a\\u{1B}[31m', holds"
            ),
            (
                ["device", "add", String(repeating: "d", count: 201), "--kind", "phone"],
                "201 characters"
            ),
            (["queue", "limit", String(repeating: "k", count: 201), "2"], "201 characters"),
            (["queue", "limit", "gpu", "0x2"], "write a whole number"),
            (["jobs", "--limit", "064"], "write a whole number"),
            (["jobs", "--limit", "99999999999"], "it must lie in 1...1000000"),
            (["worker", "--slots", "1_0"], "write a whole number"),
            (["worker", "--threads", "0"], "it must lie in 1...4096"),
            (["worker", "--limit", "train=0x1"], "write a whole number"),
            (["worker", "--limit", "trian=1"], "did you mean 'train'?"),
            (["worker", "--kinds", "serch"], "did you mean 'search'?"),
            (["cost", "0x1"], "write a whole number"), (["status", "010"], "write a whole number"),
            (
                ["device", "add", "d", "--kind", "phone", "--max-macs", "nan"],
                "write a decimal number"
            ),
            (["device", "add", "d", "--kind", "phone", "--max-macs", "0x1p3"], "write a decimal"),
            (
                ["device", "add", "d", "--kind", "phone", "--max-latency-ms", "inf"],
                "write a decimal"
            ),
            (["device", "add", "d", "--kind", "phone", "--batch", "1:30"], "write a whole number"),
            (
                ["device", "add", "d", "--kind", "phone", "--pj-per-mac=-1"],
                "it must lie in 0...1000000000000"
            ),
            (
                ["device", "add", "d", "--kind", "phone", "--max-macs", "-5"],
                "it must lie in 1...1000000000000000"
            ),
            (["jobs", "--limit", "-1"], "it must lie in 1...1000000"),
            (
                ["device", "add", "d", "--kind", "phone", "--max-latency-ms", "-.5"],
                "it must lie in 0.000000001...1000000000000000"
            ),
            (
                ["device", "add", "d", "--kind", "phone", "--bytes-per-weight", "3"],
                "it must be one of 1, 2, 4"
            ),
            (["artifacts", "list", "--kind", "nope"], "known are dataset, "),
            (["artifacts", "list", "--kind", "subnets"], "did you mean 'subnet'?"),
            (["jobs", "--kind", "nope"], "known are import-dataset, "),
            (["enqueue", "tiny.yaml", "--every", "1e3s"], "1e3s"),
            (["enqueue", "tiny.yaml", "--every", "0s"], "from 1s to ten years"),
            (["enqueue", "tiny.yaml", "--at", "24:00"], "from 00:00 to 23:59"),
            (
                ["specialize", "--device", "d", "--budget", "max-macs=3,max-macs=2"],
                "max-macs stands twice"
            ),
            (["enqueue", "tiny.yaml", "--name", "ti\u{200B}ny"], "invisible character U+200B"),
            (["enqueue", "tiny.yaml", "--name", " tiny"], "--name begins with a blank"),
            (["stauts"], "'stauts' is no subcommand of ofa; did you mean 'status'?"),
            (["device", "ad", "x"], "is no subcommand of ofa device; did you mean 'add'?"),
            (["queue", "recuring"], "did you mean 'recurring'?"),
            (["jobs", "--lmit", "3"], "--limit"),
            (["jobs", "--state", "runing"], "did you mean 'running'?"),
            (["cost", "--by", "stge"], "did you mean 'stage'?"),
            (["device", "add", "d", "--kind", "phnoe"], "did you mean 'phone'?"),
            (["lineage", "up", "1", "--format", "mermade"], "did you mean 'mermaid'?"),
        ])
    func arguments(arguments: [String], message: String) throws {
        let place = try CommandPlace()
        let run = try place.ofa(arguments)
        #expect(run.status == 64, "\(run.errors)")
        #expect(run.errors.contains(message), "\(run.errors)")
        #expect(try Self.rows(place).values.allSatisfy { $0 == 0 })
    }

    @Test(
        "data of this machine that contradict the file are refused with the line and both numbers")
    func data() throws {
        let place = try CommandPlace(images: true)
        for (old, new, message) in [
            (
                "held_out: 100", "held_out: 400",
                "tiny.yaml:13: stages.data.held_out is 400, and the data set has 400 training images"
            ),
            (
                "batch: 32", "batch: 301",
                "tiny.yaml:25: stages.full.batch is 301, and 300 images are there to train on"
            ),
            (
                "folder: DATA", "folder: DATA\n    classes: 3",
                "tiny.yaml:13: stages.data.classes: "
            ),
            (
                "space: fashion-mbv3", "space: ofa-mbv3-w1.0",
                "IDX images are grey, one channel, and networks of ofa-mbv3-w1.0 take 3"
            ),
        ] {
            try place.write(CommandPlace.tiny.replacing(old, with: new))
            for command in ["run", "enqueue"] {
                let run = try place.ofa(command, "tiny.yaml")
                #expect(run.status == 1 && run.errors.contains(message), "\(run.errors)")
            }
        }
        #expect(try Self.rows(place).values.allSatisfy { $0 == 0 })
    }

    @Test(
        "files of this machine that lack labels or pixels are refused before anything is enqueued")
    func damagedData() throws {
        let place = try CommandPlace(images: true)
        let data = place.folder.appending(path: "data")
        let labels = data.appending(path: "t10k-labels-idx1-ubyte.gz")
        let sound = try Data(contentsOf: labels)
        for (file, content, message) in [
            ("t10k-labels-idx1-ubyte.gz", Data(), "has 0 bytes"),
            (
                "t10k-labels-idx1-ubyte", Data([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]),
                "has 100 images, "
            ),
        ] {
            try FileManager.default.removeItem(at: labels)
            let other = data.appending(path: file)
            try content.write(to: other)
            let run = try place.ofa("enqueue", "tiny.yaml")
            #expect(run.status == 1 && run.errors.contains(message), "\(run.errors)")
            #expect(run.errors.contains("tiny.yaml:12"), "\(run.errors)")
            if other != labels { try FileManager.default.removeItem(at: other) }
            try sound.write(to: labels)
        }
        #expect(try Self.rows(place).values.allSatisfy { $0 == 0 })
    }

    @Test(
        "the environment is refused before anything is enqueued, with the remedy",
        arguments: [
            ("OFA_ZONE", "deu", "did you mean 'DEU'?"),
            ("OFA_ZONE", "Atlantis", "OFA_ZONE to one of"),
            ("OFA_TDP_WATTS", "065", "OFA_TDP_WATTS=065 is '065'"),
            ("OFA_HOST_THREADS", "0x4", "OFA_HOST_THREADS=0x4"),
            ("OFA_HOST_THREADS", "1.5", "OFA_HOST_THREADS=1.5 is '1.5': write a whole number"),
            ("OFA_ISA", "avx9", "OFA_ISA: 'avx9'"),
            ("OFA_HOME", "a\nb", "OFA_HOME holds the control character U+000A"),
        ])
    func environment(name: String, value: String, message: String) throws {
        let place = try CommandPlace()
        for command in ["run", "enqueue"] {
            let run = try place.ofa([command, "tiny.yaml"], environment: [name: value])
            #expect(run.status == 1, "\(run.errors)")
            #expect(run.errors.contains(message), "\(run.errors)")
        }
        #expect(try Self.rows(place)["run"] == 0)
        let reading = try place.ofa(["jobs"], environment: [name: value])
        #expect(reading.status == 1 && reading.errors.contains(message), "\(reading.errors)")
    }

    @Test("an unknown variable is noted, with the likely one")
    func unread() throws {
        let place = try CommandPlace()
        let run = try place.ofa(["jobs"], environment: ["OFA_ZNOE": "DEU"])
        #expect(run.status == 0)
        #expect(
            run.errors.contains("unknown variable OFA_ZNOE; did you mean 'OFA_ZONE'?"))
    }

    @Test("a name in decomposed characters is the same run and the same device")
    func normal() throws {
        let place = try CommandPlace()
        let names = ["caf\u{E9}", "cafe\u{301}"]
        let runs = try names.map { try place.ofa("enqueue", "tiny.yaml", "--name", $0).output }
        #expect(runs == ["1\n", "1\n"])
        for name in names {
            let run = try place.ofa("device", "add", name, "--kind", "phone", "--max-macs", "5e6")
            #expect(run.status == 0, "\(run.errors)")
        }
        #expect(try Self.rows(place)["device"] == 2)  // this-machine is the file's
        #expect(try place.ofa("device", "show", names[1]).status == 0)
        // A file keeps the name that it has on disk.
        try place.write(CommandPlace.tiny)
        let file = place.folder.appending(path: "cafe\u{301}.yaml")
        try FileManager.default.moveItem(
            atPath: place.folder.appending(path: "tiny.yaml").path, toPath: file.path)
        #expect(try place.ofa("enqueue", "cafe\u{301}.yaml", "--name", "third").status == 0)
    }

    @Test("a folder that this machine lacks is said before a run is enqueued here")
    func folder() throws {
        let place = try CommandPlace()
        try place.write(CommandPlace.tiny.replacing("folder: DATA", with: "folder: pictures"))
        let full = place.folder.appending(path: "pictures").path
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 1)
        #expect(
            run.errors.contains("stages.data.folder: there is no folder \(full)"), "\(run.errors)")
        #expect(run.errors.contains(ProcessInfo.processInfo.hostName), "\(run.errors)")
        #expect(try Self.rows(place)["run"] == 0)
        // Elsewhere a worker may have it.
        let enqueued = try place.ofa("enqueue", "tiny.yaml")
        #expect(enqueued.status == 0)
        #expect(enqueued.errors.contains("there is no folder \(full)"), "\(enqueued.errors)")
    }

    @Test("more images than are held out are said by the command")
    func heldOut() throws {
        let place = try CommandPlace()
        try place.write(CommandPlace.tiny.replacing("images: 50", with: "images: 5000"))
        let run = try place.ofa("enqueue", "tiny.yaml")
        #expect(run.status == 0)
        #expect(
            run.errors.contains(
                "stages.accuracy.images is 5000, but stage data holds out 100: 100 are measured on"),
            "\(run.errors)")
    }
}
