// ofa-bench meter: what metering costs, in processor time of a worker process and of the database. The same worker holds
// the same jobs, which do nothing, with a meter and without one in turn.
import Accounting
import ArgumentParser
import Foundation
import Jobs
import Metering
import Postgres

/// Measures the processor time of metering, using a private PostgreSQL.
struct MeterBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "meter",
        abstract: "Measures the processor time that metering takes, that of the database included.",
        discussion: """
            A worker holds jobs that sleep, in turn without a meter and with the meter of `ofa worker`, each time with a \
            new database. What both need (heartbeats, comparisons of budgets, polling) is the first figure; the \
            difference is metering. The processor time of the database is that of all processes of its server, which \
            serves nothing else, in units of the kernel's clock (mostly 10 ms). Run it on a machine without other load.

            Example: ofa-bench meter --seconds 120 --slots 2 --rounds 3
            """)

    /// How long each worker is observed.
    @Option(help: "Seconds for which a worker is observed.") var seconds = 60.0
    /// The number of jobs that a worker holds.
    @Option(help: "Jobs that the worker holds at once.") var slots = 2
    /// The number of workers with a meter, and of those without.
    @Option(help: "Rounds, without and with a meter in turn.") var rounds = 3
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard (1...3600).contains(seconds), (1...64).contains(slots), (1...100).contains(rounds)
        else {
            throw ValidationError(
                "--seconds must lie in 1...3600, --slots in 1...64, --rounds in 1...100")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        var plain: [MeterLoad] = [], metered: [MeterLoad] = []
        for round in 1...rounds {
            for hasMeter in [false, true] {
                Output.note(
                    "round \(round) of \(rounds): \(hasMeter ? "with" : "without") a meter")
                let load = try MeterRound(
                    url: try server.database(), seconds: seconds, slots: slots, hasMeter: hasMeter
                ).run()
                if hasMeter { metered.append(load) } else { plain.append(load) }
            }
        }
        let report = MeterReport(slots: slots, seconds: seconds, without: plain, with: metered)
        guard !json else {
            return try Output.json(
                Headline(ms: [max(0.001, 10 * report.percentOfCore)]), report)
        }
        for line in report.lines { try Output.line(line) }
    }
}

/// The processor time of one round, as a percentage of a core.
struct MeterLoad: Codable, Equatable {
    /// That of this process, and that of the server.
    let processPercent, databasePercent: Double
}

/// The results.
struct MeterReport: Encodable {
    /// The jobs that a worker held, and the seconds for which it was observed.
    let slots: Int
    let seconds: Double
    /// The rounds without and with a meter.
    let without, with: [MeterLoad]
    /// What metering takes of a core: the difference of the medians, in this process, in the database, and in both.
    let processPercentOfCore, databasePercentOfCore, percentOfCore: Double

    /// Compares the rounds.
    init(slots: Int, seconds: Double, without: [MeterLoad], with: [MeterLoad]) {
        (self.slots, self.seconds, self.without, self.with) = (slots, seconds, without, with)
        func difference(_ part: (MeterLoad) -> Double) -> Double {
            Statistics(with.map(part)).median - Statistics(without.map(part)).median
        }
        processPercentOfCore = difference(\.processPercent)
        databasePercentOfCore = difference(\.databasePercent)
        percentOfCore = processPercentOfCore + databasePercentOfCore
    }

    /// The report as text.
    var lines: [String] {
        var lines = ["\(slots) jobs, \(decimal(seconds, 0)) s a round; percent of a core:"]
        for (name, loads) in [("without a meter", without), ("with a meter", with)] {
            let cells = loads.map {
                "\(decimal($0.processPercent, 3)) + \(decimal($0.databasePercent, 3))"
            }
            lines.append("\(name) (process + database): \(cells.joined(separator: ", "))")
        }
        lines.append(
            "metering: \(decimal(percentOfCore, 3)) % of a core, of which \(decimal(processPercentOfCore, 3)) in the process "
                + "and \(decimal(databasePercentOfCore, 3)) in the database (differences of medians)"
        )
        return lines
    }
}

/// One worker that holds jobs for a while.
private struct MeterRound {
    let url: String
    let seconds: Double
    let slots: Int
    let hasMeter: Bool

    /// Returns the load while all slots hold a job.
    func run() throws -> MeterLoad {
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        let run = try queue.enqueue(
            RunSpec(
                name: "meter", definition: "", definitionHash: "meter",
                stages: [
                    StageSpec(
                        name: "hold", jobs: Array(repeating: JobSpec(kind: "hold"), count: slots))
                ]))
        let meter =
            try hasMeter
            ? AttemptMeter(
                zone: FactorSet.usualZone, threadsPerAttempt: 1,
                reader: LiveHostReader(database: CostLedger(connection).key())) : nil
        let crew = try BenchCrew(
            url, workers: 1, slots: slots, batch: 1,
            registry: [
                "hold": BenchHandler { context in
                    while !context.isDraining { Thread.sleep(forTimeInterval: 0.5) }
                    return JobOutput()
                }
            ], observer: meter)
        while try queue.jobs(run: run).count(where: { $0.state == .running }) < slots {
            if let failure = crew.failure { throw BenchError(failure) }
            Thread.sleep(forTimeInterval: 0.05)
        }
        // After ten seconds the partitions exist, and the first report is written.
        Thread.sleep(forTimeInterval: 12)
        let server = try ServerProcessorTime(backend: connection.backendProcess)
        let begun = ContinuousClock.now
        let before = (process: try Clocks.processCPUNanoseconds(), server: try server.seconds())
        Thread.sleep(forTimeInterval: seconds)
        let after = (process: try Clocks.processCPUNanoseconds(), server: try server.seconds())
        let elapsed = (ContinuousClock.now - begun) / .seconds(1)
        try crew.end()
        return MeterLoad(
            processPercent: Double(after.process - before.process) / 1e7 / elapsed,
            databasePercent: 100 * (after.server - before.server) / elapsed)
    }
}

/// The processor time of a PostgreSQL server on this machine.
struct ServerProcessorTime {
    private let postmaster: Int

    /// Finds the server by one of its processes, that of a session.
    init(backend: Int) throws {
        postmaster = try Self.stat(backend).parent
    }

    /// Returns the processor time of all processes of the server so far, those that have ended included.
    func seconds() throws -> Double {
        let own = try Self.stat(postmaster)
        var ticks = own.ticks + own.endedTicks
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            // A process may end meanwhile: then the server has its time.
            guard let pid = Int(name), let one = Self.read(pid), one.parent == postmaster else {
                continue
            }
            ticks += one.ticks
        }
        return Double(ticks) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// A process: its parent, and the processor time of itself and of its children that have ended, in ticks.
    private typealias Stat = (parent: Int, ticks: Int, endedTicks: Int)

    private static func stat(_ pid: Int) throws -> Stat {
        guard let stat = read(pid) else {
            throw BenchError(
                "/proc/\(pid)/stat cannot be read: the server must run on this machine")
        }
        return stat
    }

    private static func read(_ pid: Int) -> Stat? {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else {
            return nil
        }
        return parse(String(decoding: bytes, as: UTF8.self))
    }

    /// Reads a line of /proc/PID/stat; its second field, the name in brackets, may contain anything.
    static func parse(_ line: String) -> (parent: Int, ticks: Int, endedTicks: Int)? {
        guard let end = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: end)...].split(separator: " ").map { Int($0) ?? 0 }
        guard fields.count > 14 else { return nil }
        return (fields[1], fields[11] + fields[12], fields[13] + fields[14])
    }
}
