// FaultPlace: what every fault test works in: a server or a database of its own, real worker processes that are
// killed, stopped and continued, a seed that is printed, and for how long.
import Foundation
import Jobs
import Postgres
import Schema
import Synchronization
import TestSupport
import Testing

/// How long and how hard the fault tests are to try.
enum FaultLength {
    /// Seconds for the long form of a test by `OFA_FAULT_SECONDS`; 0 for the short form.
    static let seconds = Double(ProcessInfo.processInfo.environment["OFA_FAULT_SECONDS"] ?? "") ?? 0

    /// The time to go on for: `short` seconds, or as long as the environment says.
    static func seconds(short: Double) -> Double { seconds > 0 ? seconds : short }

    /// A count that grows with the time there is, `short` at least.
    static func count(short: Int, perSecond: Double) -> Int {
        max(short, Int(seconds * perSecond))
    }
}

/// Random numbers that a printed seed brings back (SplitMix64, Steele et al., OOPSLA 2014).
struct SeededRandom: RandomNumberGenerator {
    /// Where it began; `OFA_FAULT_SEED` sets it.
    let seed: UInt64
    private var state: UInt64

    init(_ name: String) {
        let given = ProcessInfo.processInfo.environment["OFA_FAULT_SEED"].flatMap(UInt64.init)
        seed = given ?? UInt64.random(in: 1..<1 << 32)
        state = seed
        print("fault test \(name): OFA_FAULT_SEED=\(seed)")
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// A server of one fault test, migrated, with the folder of its journal.
final class FaultPlace {
    /// The life of a worker's session in fault tests, in seconds.
    static let ttlSeconds = 2.0

    /// The server; its log is read by the audit.
    let server: DedicatedServer
    /// The URL of the database.
    let url: String
    /// The queue as the test itself uses it, past every proxy.
    let queue: JobQueue
    /// The lines of JournalMeter.
    let journal: String
    private let folder: String
    private let began = ContinuousClock.now

    /// The audit finds the lines of a database in the log by its name.
    private static let settings = [
        "log_lock_waits = on", "log_line_prefix = '%m [%p] database %d '",
    ]

    /// Starts a server that the test may stop; `settings` are lines of its configuration.
    convenience init(settings: [String] = []) throws {
        let server = try DedicatedServer(settings: Self.settings + settings)
        try self.init(server, url: server.url)
        try Migrator(queue.connection).migrate()
    }

    /// Makes a database on the one server of all tests that leave their server alone.
    static func onSharedServer() throws -> FaultPlace {
        let shared = try shared.get()
        let number = numbers.add(1, ordering: .relaxed).newValue
        try shared.server.connect().script("create database fault_\(number) template fault")
        return try FaultPlace(shared.server, url: url(shared.server, "fault_\(number)"))
    }

    private static let numbers = Atomic(0)
    private static let shared = Result<(server: DedicatedServer, template: String), any Error> {
        let server = try DedicatedServer(settings: settings)
        try server.connect().script("create database fault")
        let template = url(server, "fault")
        let connection = try Connection(url: template)
        try Migrator(connection).migrate()
        connection.close()
        return (server, template)
    }

    private static func url(_ server: DedicatedServer, _ database: String) -> String {
        server.url.replacingOccurrences(of: "///postgres?", with: "///\(database)?")
    }

    private init(_ server: DedicatedServer, url: String) throws {
        self.server = server
        self.url = url
        queue = JobQueue(try Connection(url: url, applicationName: "test"))
        folder = try TemporaryFolder.make(prefix: "ofa-fault")
        journal = folder + "/journal"
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }

    // MARK: Workers

    /// Starts a worker process; `options` are further words of its command line.
    func startWorker(
        _ name: String, through url: String? = nil, ttlSeconds: Double = FaultPlace.ttlSeconds,
        _ options: [String] = []
    ) throws -> RunningCommand {
        try RunningCommand(
            program: "ofa-fault-worker",
            ["--name", name, "--ttl-seconds", "\(ttlSeconds)"] + options,
            environment: ["OFA_DATABASE_URL": url ?? self.url])
    }

    /// Waits until something holds; the failure names it.
    func wait(
        _ what: String, seconds: Double = 60, sourceLocation: SourceLocation = #_sourceLocation,
        until holds: () throws -> Bool
    ) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !holds() {
            guard ContinuousClock.now < deadline else {
                try #require(
                    Bool(false), "in \(seconds) s it did not happen that \(what)",
                    sourceLocation: sourceLocation)
                return
            }
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// Waits until every run has ended.
    func waitForRuns(
        seconds: Double = 60, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try wait("every run ended", seconds: seconds, sourceLocation: sourceLocation) {
            try ask("select count(*) as n from ofa.run where state = 'running'").int("n") == 0
        }
    }

    /// One row of the database.
    func ask(_ sql: String, _ binds: [SQLValue] = []) throws -> Row {
        try queue.connection.withReconnect {
            try $0.queryOne(Statement(name: sql, sql: sql), binds)
        }
    }

    /// Enqueues a run of one stage.
    func enqueue(_ name: String, _ jobs: [JobSpec]) throws -> RunID {
        try queue.enqueue(
            RunSpec(
                name: name, definition: "", definitionHash: name,
                stages: [StageSpec(name: "only", jobs: jobs)]))
    }

    // MARK: The table

    /// Prints the line that ops/fault-tests.sh makes a table of: what was done to how many jobs.
    func report(
        _ test: String, disturbances: Int, of kind: String, at queue: JobQueue? = nil
    ) throws {
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        let count = Statement(name: "JobCount", sql: "select count(*) as n from ofa.job")
        FaultTable.line(
            test, "\(disturbances) \(kind)",
            jobs: try (queue ?? self.queue).connection.queryOne(count).int("n"), seconds: seconds)
    }
}
