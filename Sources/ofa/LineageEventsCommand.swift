// `ofa lineage send` sends OpenLineage events of ended attempts; `ofa lineage check` checks events.

import ArgumentParser
import Foundation
import Intake
import Pipelines
import Postgres

/// Sends the events that workers have not sent yet.
struct LineageSend: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Sends OpenLineage events of ended attempts that were not sent yet.",
        discussion: """
            With OFA_OPENLINEAGE, a file or a URL, workers do this every ten seconds. The database remembers what was \
            sent to which target. The first time, all attempts that the database still has are sent.

            Examples:
              ofa lineage send --to events.jsonl
              ofa lineage send --to http://marquez:5000/api/v1/lineage
            """)

    @Option(
        help: "The file or URL; by default OFA_OPENLINEAGE.", completion: .file())
    var to: String?
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        guard
            let target = try to.map({ try OpenLineageTarget($0) }) ?? Environment.openLineage()
        else {
            throw ValidationError(
                "no target is given", remedy: "give --to, or set OFA_OPENLINEAGE")
        }
        let connection = try database.connect()
        let sent = try OpenLineageDelivery(
            connection, to: target, code: Version().code, report: { Output.note($0) }
        ).send()
        try Output.answer(sent, output) {
            try Output.line("sent the events of \(sent.attempts) attempts to \(target.shown)")
        }
        if sent.refused > 0 {
            throw CommandFailure.failed(
                "\(target.shown) refused \(sent.refused) event\(sent.refused == 1 ? "" : "s")",
                remedy: "the notes name them; they are not sent again")
        }
    }
}

/// Checks OpenLineage events.
struct LineageCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks OpenLineage run events, one JSON object per line.",
        discussion: """
            Checks required fields, formats, facets, and one START and one COMPLETE or FAIL per run; an event may be \
            repeated. The exit code is 2 if an event breaks a rule, or if there is none. Needs no database.

            Example:
              ofa lineage up 17 --format openlineage | ofa lineage check -
            """)

    @Argument(help: "The file; - for standard input.", completion: .file())
    var file: String
    @OptionGroup var output: OutputOptions

    /// The JSON answer.
    struct Answer: Encodable {
        let events, repeated: Int
        let problems: [String]
    }

    mutating func run() throws {
        let bytes =
            file == "-" ? try Input.standardInput(atMost: 1 << 30) : try Input.bytes(file)
        var check = OpenLineageCheck()
        var problems: [String] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if line.isEmpty { continue }
            do throws(InputFault) {
                guard let text = String(validating: line, as: UTF8.self) else {
                    throw InputFault("is not text in UTF-8")
                }
                try check.check(text)
            } catch {
                problems.append("line \(index + 1): \(Remedy.joined(error.reason, error.remedy))")
            }
        }
        do throws(InputFault) { try check.finish() } catch { problems.append(error.reason) }
        if check.count == 0, problems.isEmpty { problems.append("there are no events") }
        let answer = Answer(events: check.count, repeated: check.repeated, problems: problems)
        try Output.answer(answer, output) {
            for problem in problems { try Output.line(problem) }
            if problems.isEmpty {
                let repeated =
                    check.repeated == 0 ? "" : ", of which \(check.repeated) are repeated"
                try Output.line("\(check.count) events follow the rules\(repeated)")
            }
        }
        if !problems.isEmpty { throw ExitCode(2) }
    }
}
