// `ofa job log`: prints the newest lines of a job's log, or all lines; can follow the log until the job ends.

import ArgumentParser
import Foundation
import Jobs

/// Prints the log of a job.
struct JobLog: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Prints a job's log: the newest lines in order.",
        discussion: """
            The number of omitted lines is printed on standard error. With --follow and --json every line of the log is \
            a JSON document.

            Example:
              ofa job log 12
              ofa job log 12 --all | less
              ofa job log 12 -f
            """)

    /// The job.
    @Argument(help: "The job's number.", completion: .jobs, transform: Number.id) var id: Int64
    /// How many of the newest lines to print.
    @Option(
        name: [.customShort("n"), .long], help: "How many of the newest lines.",
        transform: Number.whole(1...1_000_000))
    var lines = 1000
    /// Whether to print all lines.
    @Flag(help: "Print every line.") var all = false
    /// Whether to follow the log.
    @Flag(name: [.customShort("f"), .long], help: "Follow the log until the job has ended.")
    var follow = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// The number of lines that one query reads.
    private static let page = 5000

    /// Prints the lines; exit code 2 if there is no such job.
    mutating func run() throws {
        let queue = JobQueue(try database.connectToExisting())
        _ = try queue.job(id)
        var last: Int64 = 0
        var documents: [Line] = []
        func show(_ found: [JobLogLine]) throws {
            for line in found {
                last = line.id
                if output.json, follow {
                    try Output.json(Line(line))
                } else if output.json {
                    documents.append(Line(line))
                } else {
                    try Output.whole("\(line.at.formatted(.iso8601)) \(line.line)")
                }
            }
        }
        func showRest() throws {
            while true {
                let found = try queue.log(of: id, after: last, limit: Self.page)
                try show(found)
                if found.count < Self.page { return }
            }
        }
        if all { try showRest() } else { try show(try newest(queue)) }
        while follow {
            // The state is read first, so that lines written before the job's end are not missed.
            let isOver = [.completed, .cancelled, .discarded].contains(try queue.job(id).state)
            try showRest()
            if isOver { break }
            Thread.sleep(forTimeInterval: 0.5)
        }
        if output.json, !follow { try Output.json(documents) }
    }

    private func newest(_ queue: JobQueue) throws -> [JobLogLine] {
        let found = try queue.log(of: id, newest: lines)
        if let first = found.first, found.count == lines {
            let earlier = try queue.logCount(of: id, before: first.id)
            if earlier > 0 {
                Output.note(
                    "\(Format.grouped(earlier)) earlier lines are omitted: --all prints them")
            }
        }
        return found
    }

    private struct Line: Encodable {
        let at: Date
        let token: Int64
        let line: String

        init(_ line: JobLogLine) {
            at = line.at
            token = line.token
            self.line = line.line
        }
    }
}
