// ofa-bench serve: the dashboard under load: pages while fifty browsers watch a run of 20,000 jobs, what that takes from
// the workers, two hundred event streams, and the time of a scrape.
import ArgumentParser
import Foundation
import Jobs
import Postgres

/// Loads the dashboard of a private PostgreSQL.
struct ServeBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Loads the dashboard: pages, event streams and metrics beside working jobs.",
        discussion: """
            Two workers take jobs that compute for --work-ms each, in turn without and with browsers that watch their run: \
            they follow its events and load its page every two seconds. Then further streams follow the events, and some \
            never read theirs. Python (3.9 or newer, OFA_PEER_PYTHON or python3) makes the load with ops/load-dashboard.py, \
            on the same processors.

            Example: ofa-bench serve --jobs 20000 --browsers 50 --streams 200 --rounds 3
            """)

    /// The jobs of a round.
    @Option(help: "Jobs of the watched run.") var jobs = 20_000
    /// What a job takes.
    @Option(help: "Milliseconds for which a job computes.") var workMs = 1.0
    /// The browsers that watch.
    @Option(help: "Browsers that watch the run.") var browsers = 50
    /// The further streams.
    @Option(help: "Event streams of the last part.") var streams = 200
    /// The rounds with browsers, and those without.
    @Option(help: "Rounds, without and with browsers in turn.") var rounds = 3
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard (100...10_000_000).contains(jobs), (0.01...1000).contains(workMs),
            (1...1000).contains(browsers), (0...1000).contains(streams), (1...100).contains(rounds)
        else { throw ValidationError("an option is out of range") }
    }

    /// Runs the benchmark.
    func run() throws {
        let server = try QueueServer()
        defer { server.stop() }
        var alone: [Double] = [], watched: [Double] = []
        var pages: [Double] = []
        for round in 1...rounds {
            for hasBrowsers in [false, true] {
                Output.note(
                    "round \(round) of \(rounds): \(hasBrowsers ? "with" : "without") browsers")
                let url = try server.database()
                let dashboard = try Dashboard(url)
                defer { dashboard.stop() }
                let load = try hasBrowsers ? dashboard.load(browsers: browsers) : nil
                let rate = try ServeRound(url: url, jobs: jobs, workMs: workMs).run {
                    try load?.waitUntilReady()
                }
                if let load {
                    watched.append(rate)
                    pages += try load.result().page_seconds
                } else {
                    alone.append(rate)
                }
            }
        }
        let url = try server.database()
        let dashboard = try Dashboard(url)
        defer { dashboard.stop() }
        try ServeRound.enqueue(url, jobs: jobs)
        let scrapes = try dashboard.scrapes()
        let load = try dashboard.load(browsers: 0, streams: streams, slow: 8, seconds: 10)
        let streamed = try load.result()
        let report = ServeReport(
            jobs: jobs, browsers: browsers, streams: streams, alone: alone, watched: watched,
            pages: pages, scrapes: scrapes, streamed: streamed)
        guard !json else {
            return try Output.json(Headline(ms: [max(0.001, report.pageP95Ms)]), report)
        }
        for line in report.lines { try Output.line(line) }
    }
}

/// What the load program found.
struct ServeLoad: Codable {
    /// The seconds of each page, ascending.
    let page_seconds: [Double]
    /// Events with a page, bytes of all events, and streams that the server ended.
    let events, bytes, ended: Int
}

/// The results.
struct ServeReport: Encodable {
    /// What was loaded.
    let jobs, browsers, streams: Int
    /// Jobs per second of each round, without and with browsers.
    let alone, watched: [Double]
    /// How much slower the median round is with browsers, in percent.
    let slowdownPercent: Double
    /// Pages loaded, and the median, the 95th percentile and the longest of their times.
    let pages: Int
    let pageMedianMs, pageP95Ms, pageLongestMs: Double
    /// The median and the longest time of a scrape.
    let scrapeMedianMs, scrapeLongestMs: Double
    /// What the further streams received.
    let streamed: ServeLoad

    /// Compares the rounds.
    init(
        jobs: Int, browsers: Int, streams: Int, alone: [Double], watched: [Double],
        pages: [Double], scrapes: [Double], streamed: ServeLoad
    ) {
        (self.jobs, self.browsers, self.streams) = (jobs, browsers, streams)
        (self.alone, self.watched, self.streamed) = (alone, watched, streamed)
        slowdownPercent = 100 * (1 - Statistics(watched).median / Statistics(alone).median)
        let sorted = pages.sorted()
        self.pages = sorted.count
        pageMedianMs = 1000 * (sorted.isEmpty ? 0 : sorted[sorted.count / 2])
        pageP95Ms =
            1000 * (sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, sorted.count * 95 / 100)])
        pageLongestMs = 1000 * (sorted.last ?? 0)
        scrapeMedianMs = 1000 * Statistics(scrapes).median
        scrapeLongestMs = 1000 * (scrapes.max() ?? 0)
    }

    /// The report as text.
    var lines: [String] {
        func rates(_ all: [Double]) -> String {
            all.map { decimal($0, 0) }.joined(separator: ", ")
        }
        return [
            "\(pages) pages of a run of \(jobs) jobs, \(browsers) browsers: median \(decimal(pageMedianMs, 1)) ms, 95th"
                + " percentile \(decimal(pageP95Ms, 1)) ms, longest \(decimal(pageLongestMs, 1)) ms",
            "jobs/s without browsers \(rates(alone)); with \(rates(watched)): \(decimal(slowdownPercent, 2)) % slower"
                + " (medians)",
            "\(streams) streams for 10 s: \(streamed.events) events, \(streamed.bytes) bytes, \(streamed.ended) ended",
            "a scrape of /metrics: median \(decimal(scrapeMedianMs, 1)) ms, longest \(decimal(scrapeLongestMs, 1)) ms",
        ]
    }
}

/// A run whose jobs compute, and the workers that take them.
private struct ServeRound {
    let url: String
    let jobs: Int
    let workMs: Double

    /// Enqueues the run; it is the first of its database.
    @discardableResult static func enqueue(_ url: String, jobs: Int) throws -> RunID {
        let connection = try Connection(
            url: url, applicationName: "ofa-bench", statementTimeoutSeconds: 600)
        defer { connection.close() }
        return try JobQueue(connection).enqueue(
            RunSpec(
                name: "watched", definition: "", definitionHash: "watched",
                stages: [
                    StageSpec(
                        name: "compute",
                        jobs: Array(repeating: JobSpec(kind: "compute"), count: jobs))
                ]))
    }

    /// Returns the jobs per second. `ready` waits for the browsers.
    func run(_ ready: () throws -> Void) throws -> Double {
        let run = try Self.enqueue(url, jobs: jobs)
        let connection = try Connection(url: url, applicationName: "ofa-bench")
        defer { connection.close() }
        let queue = JobQueue(connection)
        try queue.pause(queue: "default")
        try ready()
        let work = Duration.seconds(workMs / 1000)
        let crew = try BenchCrew(
            url, workers: 2, batch: 50,
            registry: [
                "compute": BenchHandler { _ in
                    let end = ContinuousClock.now + work
                    while ContinuousClock.now < end {}
                    return JobOutput()
                }
            ])
        while try connection.queryOne(.sessionsAlive).int("sessions") < 2 {
            Thread.sleep(forTimeInterval: 0.01)
        }
        let taken = try ContinuousClock().measure {
            try queue.resume(queue: "default")
            while try queue.run(run).state == .running {
                if let failure = crew.failure { throw BenchError(failure) }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
        try crew.end()
        return Double(jobs) / (taken / .seconds(1))
    }
}

/// A running `ofa serve`.
private final class Dashboard {
    private let process = Process()
    private let port: Int

    init(_ url: String) throws {
        let folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        process.executableURL = folder.appending(path: "ofa")
        process.arguments = ["serve", "--port", "0", "--json"]
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["OFA_DATABASE_URL": url]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var text = Data()
        while !text.contains(10) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw BenchError("ofa serve ended") }
            text += more
        }
        struct Answer: Decodable { let url: String }
        let answer = try JSONDecoder().decode(Answer.self, from: text.prefix { $0 != 10 })
        guard let port = URL(string: answer.url)?.port else {
            throw BenchError("ofa serve is at \(answer.url)")
        }
        self.port = port
    }

    /// Asks the server to stop, and waits for its end.
    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    /// Starts the load program on the page of the first run.
    func load(browsers: Int, streams: Int = 0, slow: Int = 0, seconds: Int = 15) throws -> Load {
        try Load([
            "ops/load-dashboard.py", "\(port)", "/runs/1", "--browsers", "\(browsers)",
            "--streams", "\(streams)", "--slow", "\(slow)", "--seconds", "\(seconds)",
        ])
    }

    /// Returns the seconds of 30 scrapes, of which none comes from a cache.
    func scrapes() throws -> [Double] {
        guard let url = URL(string: "http://127.0.0.1:\(port)/metrics") else { return [] }
        return try (0..<30).map { _ in
            Thread.sleep(forTimeInterval: 1.1)
            var text = Data()
            let taken = try ContinuousClock().measure { text = try Data(contentsOf: url) }
            guard text.count > 1000 else { throw BenchError("/metrics has \(text.count) bytes") }
            return taken / .seconds(1)
        }
    }
}

/// The running load program.
private final class Load {
    private let process = Process()
    private let output = Pipe()
    private var text = Data()

    init(_ arguments: [String]) throws {
        let python = ProcessInfo.processInfo.environment["OFA_PEER_PYTHON"] ?? "python3"
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        process.standardOutput = output
        try process.run()
    }

    /// Waits until the page is there and the browsers start.
    func waitUntilReady() throws {
        while !text.contains(10) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw BenchError("the load program ended") }
            text += more
        }
    }

    /// Waits for the end and returns what was found.
    func result() throws -> ServeLoad {
        try waitUntilReady()
        text += output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BenchError("the load program ended with \(process.terminationStatus)")
        }
        return try JSONDecoder().decode(ServeLoad.self, from: text.drop { $0 != 10 }.dropFirst())
    }
}
