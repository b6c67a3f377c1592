// Tests of `ofa db`: the private server whatever the environment says, and passwords that appear nowhere.
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("ofa db")
struct DatabaseCommandTests {
    /// A home folder with a private server, stopped and removed with the test.
    private final class Home {
        let folder: String
        var environment: [String: String] {
            ["OFA_HOME": folder + "/home", "OFA_DATABASE_URL": ""]
        }

        init() throws {
            folder = try TemporaryFolder.make(prefix: "ofa-test")
            let server = PrivateServer(home: folder + "/home")
            try TestServer.watch(home: folder, server: try server.status())
        }

        deinit {
            do {
                try PrivateServer(home: folder + "/home").stop()
                try FileManager.default.removeItem(atPath: folder)
            } catch { print("\(folder) was not removed: \(error)") }
        }

        func ofa(_ arguments: String..., with more: [String: String] = [:]) throws -> CommandRun {
            try CommandRun(arguments, environment: environment.merging(more) { $1 })
        }

        func process() throws -> Int? { try PrivateServer(home: folder + "/home").status().process }
    }

    @Test("nothing that PG* variables say restarts the private server or keeps a command from it")
    func surroundings() throws {
        let home = try Home()
        try #require(try home.ofa("db", "start").status == 0)
        let process = try home.process()
        let variables = [
            "PGPORT=5433", "PGHOST=127.0.0.1", "PGHOSTADDR=127.0.0.1", "PGSERVICE=nothing",
            "PGSERVICEFILE=/nowhere", "PGCHANNELBINDING=require", "PGTARGETSESSIONATTRS=standby",
            "PGGSSENCMODE=require", "PGSSLMODE=verify-full", "PGUSER=x", "PGDATABASE=x",
            "PGREQUIREPEER=nobody", "PGREQUIREAUTH=scram-sha-256", "PGCLIENTENCODING=bogus",
            "PGOPTIONS=-c bogus=1", "PGTZ=bogus", "PGDATESTYLE=bogus", "PGGEQO=bogus",
            "PGCONNECT_TIMEOUT=x", "PGSSLMINPROTOCOLVERSION=bogus", "PGPASSFILE=/nowhere",
            "PGSSLROOTCERT=system", "PGLOADBALANCEHOSTS=bogus", "PGDATA=/nowhere",
        ]
        for variable in variables {
            let words = variable.split(separator: "=", maxSplits: 1).map(String.init)
            let run = try home.ofa("db", "status", "--json", with: [words[0]: words[1]])
            #expect(run.status == 0, "\(variable): \(run.errors)")
            #expect(run.output.contains("\"running\""), "\(variable)")
        }
        // All at once, in a command that migrates; and a first start.
        let all = Dictionary(
            variables.map { text in
                let words = text.split(separator: "=", maxSplits: 1).map(String.init)
                return (words[0], words[1])
            }, uniquingKeysWith: { $1 })
        #expect(try home.ofa("queue", "resume", with: all).status == 0)
        #expect(try home.process() == process)
        let other = try Home()
        let started = try other.ofa("db", "start", with: all)
        #expect(started.status == 0, "\(started.errors)")
    }

    @Test("what `ofa db url` prints leads to the private server whatever the environment says")
    func printedURL() throws {
        let home = try Home()
        let url = try home.ofa("db", "url").lines.last ?? ""
        let hostile = [
            "PGPORT": "5433", "PGHOSTADDR": "127.0.0.1", "PGTARGETSESSIONATTRS": "standby",
            "PGOPTIONS": "-c bogus=1", "PGTZ": "bogus",
        ]
        let run = try CommandRun(
            ["db", "migrate"], environment: hostile.merging(["OFA_DATABASE_URL": url]) { $1 })
        #expect(run.status == 0, "\(run.errors)")
    }

    @Test(
        "a database that is asked for a password is backed up and restored, and nothing shows the password"
    )
    func passwords() throws {
        let server = try DedicatedServer()
        let admin = try server.connect()
        for sql in [
            "create role secret login superuser password 's3cr/t@x'",
            "create database full1 owner secret", "create database empty1 owner secret",
        ] { try admin.script(sql) }
        let data = try PrivateServer(home: server.home).status().dataFolder
        let rules = "local all secret scram-sha-256\nlocal all all trust\n"
        let file = try FileHandle(forWritingTo: URL(filePath: data + "/pg_hba.conf"))
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: Data(rules.utf8))
        try file.close()
        try admin.script("select pg_reload_conf()")
        let socket = try DatabaseURL.socketFolder(of: server.url)
        func url(_ database: String, _ password: String = "s3cr%2Ft%40x") -> String {
            "postgresql://secret:\(password)@/\(database)?host=\(socket)"
        }
        // The reload takes effect when the postmaster gets to it.
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            do { try Connection(url: url("full1", "wrong")).close() } catch { break }
        }
        let scratch = try TemporaryFolder.make(prefix: "ofa-test")
        defer {
            do { try FileManager.default.removeItem(atPath: scratch) } catch { Issue.record(error) }
        }
        func ofa(_ arguments: [String], _ url: String) throws -> CommandRun {
            let run = try CommandRun(
                arguments, environment: ["OFA_DATABASE_URL": url, "OFA_HOME": scratch])
            #expect(!(run.output + run.errors).contains("s3cr"), "\(arguments): \(run)")
            #expect(!(run.output + run.errors).contains("wr0ng"), "\(arguments): \(run)")
            return run
        }
        #expect(try ofa(["db", "migrate"], url("full1")).status == 0)
        let dump = scratch + "/x.dump"
        // What an interrupted backup left is not written into: it may be open to all.
        try Data("old".utf8).write(to: URL(filePath: dump + ".unfinished"))
        let backup = try ofa(["db", "backup", dump], url("full1"))
        #expect(backup.status == 0, "\(backup.errors)")
        let mode = try FileManager.default.attributesOfItem(atPath: dump)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let restored = try ofa(["db", "restore", dump], url("empty1"))
        #expect(restored.status == 0, "\(restored.errors)")
        #expect(try ofa(["queue", "audit"], url("empty1")).status == 0)

        #expect(try ofa(["db", "status"], url("full1")).output.contains("secret:***@"))
        let shown = try ofa(["db", "url"], url("full1"))
        #expect(shown.output == "postgresql://secret@/full1?host=\(socket)\n")
        #expect(shown.errors.contains("***"))
        #expect(try ofa(["db", "status"], url("full1", "wr0ng")).status == 2)
        #expect(try ofa(["status"], url("full1", "wr0ng")).status == 1)
        #expect(try ofa(["status"], "postgresql://secret:s3cr/t@x@/full1").status == 1)
        #expect(try ofa(["db", "backup", scratch + "/y"], url("full1", "wr0ng")).status == 1)
        #expect(!FileManager.default.fileExists(atPath: scratch + "/y.unfinished"))
    }

    @Test("stop says who is connected, and ends it")
    func stop() throws {
        let home = try Home()
        try #require(try home.ofa("db", "migrate").status == 0)
        let server = PrivateServer(home: home.folder + "/home")
        let guest = try Connection(
            url: try #require(try server.status().url), applicationName: "somebody's psql")
        let run = try home.ofa("db", "stop", "--json")
        #expect(run.status == 0)
        #expect(
            run.errors.contains(
                "ends somebody's psql (process \(guest.backendProcess) of the server)"),
            "\(run.errors)")
        let answer = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        #expect((answer?["ended"] as? [[String: Any]])?.count == 1)
        #expect(answer?["state"] as? String == "stopped")
        #expect(try home.ofa("db", "stop").status == 0)
    }

    @Test(
        "another program's URL ends in one line and its remedy",
        arguments: ["jdbc:postgresql://h/x", "mysql://h/x"])
    func schemes(url: String) throws {
        let run = try CommandRun(["status", "--database", url])
        #expect(run.status == 1)
        #expect(run.errors.contains("and not with postgresql://"))
        #expect(run.errors.split(separator: "\n").count <= 2, "\(run.errors)")
    }

    @Test(
        "a backup to standard output is the whole dump and no file; one that exists stays without --force"
    )
    func backup() throws {
        let place = try CommandPlace()
        let dump = try place.ofa("db", "backup", "-")
        #expect(dump.status == 0 && dump.errors.isEmpty, "\(dump.errors)")
        #expect(dump.output.hasPrefix("PGDMP"))
        #expect(!FileManager.default.fileExists(atPath: place.folder.appending(path: "-").path))
        #expect(try place.ofa("db", "backup", "-", "--json").status == 64)
        #expect(try place.ofa("db", "backup", "x.dump").status == 0)
        #expect(try place.ofa("db", "backup", "x.dump").errors.contains("give --force"))
        #expect(try place.ofa("db", "backup", "x.dump", "--force").status == 0)
    }

    @Test(
        "a backup to a device or a pipe is written into it, and through a link to the link's file")
    func backupPlaces() throws {
        let place = try CommandPlace()
        func kind(_ path: String) -> mode_t {
            var status = stat()
            return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
        }
        // A device of one's own would need root; a pipe is neither a regular file.
        let pipe = place.folder.appending(path: "pipe").path
        #expect(mkfifo(pipe, 0o600) == 0)
        let reader = Process()
        reader.executableURL = URL(filePath: "/usr/bin/env")
        reader.arguments = ["sh", "-c", "cat '\(pipe)' > '\(pipe).read'"]
        try reader.run()
        let run = try place.ofa("db", "backup", pipe)
        #expect(run.status == 0, "\(run.errors)")
        reader.waitUntilExit()
        #expect(
            try Data(contentsOf: URL(filePath: pipe + ".read")).starts(with: Data("PGDMP".utf8)))
        #expect(kind(pipe) == S_IFIFO)
        let link = place.folder.appending(path: "link").path
        #expect(symlink("real.dump", link) == 0)
        #expect(try place.ofa("db", "backup", "link").status == 0)
        #expect(
            kind(link) == S_IFLNK && kind(place.folder.appending(path: "real.dump").path) == S_IFREG
        )
    }
}
