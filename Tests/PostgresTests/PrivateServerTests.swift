// Tests of PrivateServer against real servers, among them the cases in which a database is easily
// lost.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres

/// A private server in a folder of its own, stopped and removed with the test.
private final class Sandbox {
    let parent: String
    let home: String
    let server: PrivateServer
    /// What is committed must survive the death of the server, not of the machine.
    static let settings = ["fsync = off"]

    init(homeName: String = "home", parentMode: mode_t = 0o755, settings: [String] = []) throws {
        parent = try TemporaryFolder.make(prefix: "ofa-test")
        home = parent + "/" + homeName
        if parentMode != 0o755 { try ServerPlace.makeFolder(parent + "/closed", mode: parentMode) }
        server = PrivateServer(
            home: home, settings: Sandbox.settings + settings, sharedFolder: parent + "/shared")
        try TestServer.watch(home: parent, server: try server.status())
    }

    deinit {
        do {
            let place = try ServerPlace.resolve(home: home, sharedFolder: parent + "/shared")
            try server.stop()
            for path in [place.socketFolder, parent]
            where FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
        } catch { print("the sandbox \(parent) was not removed: \(error)") }
    }

    /// The same server as another process would see it.
    var seenByAnother: PrivateServer {
        PrivateServer(home: home, settings: Sandbox.settings, sharedFolder: parent + "/shared")
    }

    func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
}

private func statement(_ sql: String) -> Statement { Statement(name: sql, sql: sql) }

@Suite("PrivateServer")
struct PrivateServerTests {
    @Test("it is made at the first start, found again, stopped twice, and keeps its data")
    func lifeCycle() throws {
        let sandbox = try Sandbox()
        #expect(try sandbox.server.status().state == .absent)
        try sandbox.server.stop()
        let url = try sandbox.server.start()
        try Connection(url: url).script("create table kept (x int); insert into kept values (7)")
        let status = try sandbox.seenByAnother.status()
        #expect(status.state == .running)
        #expect(try sandbox.seenByAnother.start() == url)
        #expect(try sandbox.seenByAnother.status().process == status.process)
        let listens = statement("select current_setting('listen_addresses') as x")
        #expect(try Connection(url: url).queryOne(listens).text("x") == "")
        // Years of history are some thousand partitions, and a dump locks all of them.
        let locks = statement("select current_setting('max_locks_per_transaction')::int as x")
        #expect(try Connection(url: url).queryOne(locks).int("x") == 1024)
        try sandbox.server.stop()
        try sandbox.seenByAnother.stop()
        #expect(try sandbox.server.status().state == .stopped)
        let again = try sandbox.seenByAnother.start()
        #expect(try Connection(url: again).queryOne(statement("select x from kept")).int("x") == 7)
    }

    @Test("many starts at once make one server")
    func concurrentStarts() throws {
        let sandbox = try Sandbox()
        let home = sandbox.home
        let shared = sandbox.parent + "/shared"
        let urls = Mutex<Set<String>>([])
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            let server = PrivateServer(home: home, settings: Sandbox.settings, sharedFolder: shared)
            do {
                let url = try server.start()
                urls.withLock { _ = $0.insert(url) }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(urls.withLock { $0.count } == 1)
    }

    @Test(
        "as root in a folder that the server's user cannot enter, the data goes elsewhere and is found again",
        .enabled(if: geteuid() == 0, "only root runs the server as another user"))
    func closedFolder() throws {
        let sandbox = try Sandbox(homeName: "closed/home", parentMode: 0o700)
        let url = try sandbox.server.start()
        try Connection(url: url).script("create table kept (x int)")
        #expect(try sandbox.server.status().dataFolder.hasPrefix(sandbox.parent + "/shared/"))
        #expect(!FileManager.default.fileExists(atPath: sandbox.home + "/postgres"))
        try sandbox.server.stop()
        let again = try sandbox.seenByAnother.start()
        #expect(try Connection(url: again).query(statement("select x from kept")).isEmpty)
    }

    @Test("a home folder with a name longer than any socket path, spaces and quotes works")
    func longAndOddPath() throws {
        let name = String(repeating: "very long folder/", count: 12) + "it's $HOME \"quoted\" `x`"
        let sandbox = try Sandbox(homeName: name)
        let url = try sandbox.server.start()
        #expect(try Connection(url: url).queryOne(statement("select 1 as x")).int("x") == 1)
    }

    @Test(
        "a stale lock file is removed, whether its number is free or belongs to another process by now"
    )
    func staleLockFile() throws {
        let sandbox = try Sandbox()
        let url = try sandbox.server.start()
        try Connection(url: url).script("create table kept (x int)")
        let status = try sandbox.server.status()
        let lockFile = status.dataFolder + "/postmaster.pid"
        let text = try String(contentsOfFile: lockFile, encoding: .utf8)
        try sandbox.server.stop()
        // A process of the server's own user: PostgreSQL alone would refuse to start beside it.
        let user = geteuid() == 0 ? SystemUser(named: status.user) : nil
        let sleeper = try ChildProcess(user: user).run([
            "sh", "-c", "sleep 60 > /dev/null 2>&1 & echo $!",
        ])
        let sleeping = try #require(
            pid_t(sleeper.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        defer { kill(sleeping, SIGKILL) }
        for process in [sleeping, 999_999_999, getpid()] {
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(
                String.init)
            lines[0] = "\(process)"
            try sandbox.write(lines.joined(separator: "\n"), to: lockFile)
            #expect(try sandbox.server.status().state == .stopped)
            let again = try sandbox.server.start()
            #expect(try Connection(url: again).query(statement("select x from kept")).isEmpty)
            try sandbox.server.stop()
        }
    }

    @Test("a server that was killed is started again with its data")
    func killedServer() throws {
        let sandbox = try Sandbox()
        let url = try sandbox.server.start()
        try Connection(url: url).script("create table kept (x int); insert into kept values (7)")
        let process = try #require(try sandbox.server.status().process)
        kill(pid_t(process), SIGKILL)
        // Its children notice and end; until then the new server would have to wait for them.
        let deadline = ContinuousClock.now + .seconds(30)
        while try sandbox.server.status().state == .running, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.05)
        }
        let again = try sandbox.server.start()
        #expect(try Connection(url: again).queryOne(statement("select x from kept")).int("x") == 7)
    }

    @Test(
        "a server that lives is left alone though its socket is gone, and the error says what to do"
    )
    func lostSocket() throws {
        let sandbox = try Sandbox()
        let working = try Connection(url: try sandbox.server.start())
        let before = try sandbox.server.status().process
        let place = try ServerPlace.resolve(home: sandbox.home)
        try FileManager.default.removeItem(atPath: place.socketFolder)
        let error = #expect(throws: PostgresError.self) { try sandbox.server.start() }
        #expect(error?.message.contains("runs (process \(before ?? 0))") == true)
        #expect(error?.remedy?.contains("ofa db stop") == true)
        // Those who were connected work on.
        #expect(try working.queryOne(statement("select 1 as x")).int("x") == 1)
        let status = try sandbox.server.status()
        #expect(status.state == .unreachable && status.process == before && status.problem != nil)
        try sandbox.server.stop()
        let url = try sandbox.server.start()
        #expect(try Connection(url: url).queryOne(statement("select 1 as x")).int("x") == 1)
    }

    @Test("a server without a free connection is left alone, and the error says so")
    func noRoom() throws {
        let sandbox = try Sandbox(settings: [
            "max_connections = 5", "superuser_reserved_connections = 0",
        ])
        let url = try sandbox.server.start()
        let before = try sandbox.server.status().process
        let guests = try (1...5).map { _ in try Connection(url: url) }
        let error = #expect(throws: PostgresError.self) { try sandbox.server.start() }
        #expect(error?.message.contains("too many clients") == true, "\(String(describing: error))")
        for guest in guests {
            #expect(try guest.queryOne(statement("select 1 as x")).int("x") == 1)
            guest.close()
        }
        #expect(try sandbox.server.status().process == before)
    }

    @Test("a new database checks its pages")
    func checksums() throws {
        let sandbox = try Sandbox()
        let connection = try Connection(url: try sandbox.server.start())
        #expect(
            try connection.queryOne(statement("select current_setting('data_checksums') as x"))
                .text("x") == "on")
    }

    @Test(
        "a database of a version that is not installed is left alone, and the error names both versions"
    )
    func otherVersion() throws {
        let sandbox = try Sandbox()
        let url = try sandbox.server.start()
        try Connection(url: url).script("create table kept (x int)")
        let status = try sandbox.server.status()
        let installed = try #require(status.majorVersion)
        try sandbox.server.stop()
        try sandbox.write("9\n", to: status.dataFolder + "/PG_VERSION")
        let error = #expect(throws: PostgresError.self) { try sandbox.server.start() }
        #expect(error?.message.contains("PostgreSQL 9") == true)
        #expect(error?.message.contains("\(installed)") == true)
        #expect(error?.remedy?.contains("postgresql-9") == true)
        try sandbox.write("\(installed)\n", to: status.dataFolder + "/PG_VERSION")
        let again = try sandbox.server.start()
        #expect(try Connection(url: again).query(statement("select x from kept")).isEmpty)
    }

    @Test("what an interrupted initdb left is no database and does not stay")
    func interruptedInitialisation() throws {
        let sandbox = try Sandbox()
        let leftOver = sandbox.home + "/postgres/data.unfinished-1/base"
        try ServerPlace.makeFolder(leftOver, mode: 0o700)
        _ = try sandbox.server.start()
        #expect(
            !FileManager.default.fileExists(atPath: sandbox.home + "/postgres/data.unfinished-1"))
    }

    @Test("a data folder without a database in it is an error, not a place for a new one")
    func foreignFolder() throws {
        let sandbox = try Sandbox()
        try ServerPlace.makeFolder(sandbox.home + "/postgres/data/precious", mode: 0o755)
        let error = #expect(throws: PostgresError.self) { try sandbox.server.start() }
        #expect(error?.message.contains("PG_VERSION") == true)
        #expect(FileManager.default.fileExists(atPath: sandbox.home + "/postgres/data/precious"))
    }

    @Test(
        "a socket folder that somebody else made is refused",
        .enabled(if: geteuid() == 0, "only root can make a folder of another user"))
    func foreignSocketFolder() throws {
        let sandbox = try Sandbox()
        let place = try ServerPlace.resolve(home: sandbox.home)
        try ServerPlace.makeFolder(place.socketFolder, mode: 0o700)
        chown(place.socketFolder, 65534, 65534)
        let error = #expect(throws: PostgresError.self) { try sandbox.server.start() }
        #expect(error?.message.contains(place.socketFolder) == true)
    }

    @Test("a full disk is an error that says so; with space again the database is there")
    func fullDisk() throws {
        let sandbox = try Sandbox()
        let disk = sandbox.parent + "/disk"
        try ServerPlace.makeFolder(disk, mode: 0o755)
        let mounting = try ChildProcess().run(
            ["mount", "-t", "tmpfs", "-o", "size=200m,mode=0755", "tmpfs", disk])
        guard mounting.exitCode == 0 else {
            return print("skipped: a small disk cannot be mounted here: \(mounting.output)")
        }
        let server = PrivateServer(
            home: disk + "/home", settings: Sandbox.settings, sharedFolder: disk + "/shared")
        defer {
            do {
                try server.stop()
                #expect(try ChildProcess().run(["umount", disk]).exitCode == 0)
            } catch { Issue.record(error) }
        }
        func fill(leaving megabytes: Int) throws {
            let free = try FileManager.default.attributesOfFileSystem(forPath: disk)[
                .systemFreeSize]
            let bytes = try #require(free as? NSNumber).intValue - megabytes * 1_000_000
            _ = try ChildProcess().run([
                "dd", "if=/dev/zero", "of=\(disk)/filler", "bs=65536", "count=\(bytes / 65536 + 1)",
            ])
        }
        try fill(leaving: 50)
        let early = #expect(throws: PostgresError.self) { try server.start() }
        #expect(early?.message.contains("MB are free") == true)
        try FileManager.default.removeItem(atPath: disk + "/filler")
        let url = try server.start()
        try Connection(url: url).script("create table kept (x int)")
        try server.stop()
        try fill(leaving: 0)
        let late = #expect(throws: PostgresError.self) { try server.start() }
        #expect(late?.description.contains("full") == true, "\(String(describing: late))")
        try FileManager.default.removeItem(atPath: disk + "/filler")
        let again = try server.start()
        #expect(try Connection(url: again).query(statement("select x from kept")).isEmpty)
    }
}
