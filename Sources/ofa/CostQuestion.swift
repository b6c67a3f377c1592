// What the questions about costs have in common: their options, and their answers as comma-separated values.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// The options of a question about costs.
struct CostQuestion: ParsableArguments {
    /// The version of the conversion factors; nil for the newest.
    @Option(
        help: "The version of the factors; by default the newest.",
        transform: Number.whole(1...Int(Int32.max)))
    var factors: Int?
    /// Whether to answer in comma-separated values.
    @Flag(help: "Print comma-separated values, with the fields of the JSON rows.") var csv = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses two forms of the answer.
    mutating func validate() throws {
        if csv, output.json {
            throw ValidationError(
                "--csv and --json both want standard output", remedy: "omit one of them")
        }
    }

    /// Calls `body` with the ledger and the factor set, after a look at the runs `runs`; exit code 2 if a run or the
    /// factor set does not exist, or if no network descends from a run.
    func ask<Answer>(
        runs: [Int64], _ body: (CostLedger, FactorSet, JobQueue) throws -> Answer
    ) throws -> Answer {
        let connection = try database.connectToExisting(takesLong: true)
        do {
            let queue = JobQueue(connection)
            for run in runs { _ = try queue.run(run) }
            let factors = try FactorSet.load(connection, version: factors)
            return try body(CostLedger(connection), factors, queue)
        } catch let error as AccountingError
            where [.unknownFactorSet, .noTargets, .noNetworks].contains(error.code)
        {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }

    /// Prints `document` as JSON, or `rows` as comma-separated values beginning with the columns `columns`, or calls
    /// `people`, which prints text.
    func answer(
        _ document: some Encodable, rows: [some Encodable], columns: [String],
        people: () throws -> Void
    ) throws {
        if csv { return try Output.lines(try DocumentCSV.text(rows, columns: columns)) }
        try Output.answer(document, output, people: people)
    }
}

/// Formats JSON objects as comma-separated values (RFC 4180).
enum DocumentCSV {
    /// Returns a head and a line for each of `rows`. The columns are the fields of the objects, first those in `columns`,
    /// then the others by name; fields of an object within a row are named `outer.inner`. Elements of lists are
    /// separated by semicolons, and null is an empty cell.
    static func text(_ rows: [some Encodable], columns: [String]) throws -> String {
        let cells = try rows.map { row in
            var cells: [String: String] = [:]
            let text = try Output.jsonText(row)
            let node: JSONNode
            do throws(InputFault) { node = try JSONNode(text, JSONRule(maxBytes: .max)) } catch {
                throw CommandFailure.failed("a row \(error.reason)", code: "malformed")
            }
            add(node, "", to: &cells)
            return cells
        }
        let known = Set(columns)
        let others = Set(cells.flatMap(\.keys)).subtracting(known).sorted()
        let head = columns + others
        let lines = cells.map { row in
            head.map { quoted(row[$0] ?? "") }.joined(separator: ",")
        }
        return ([head.joined(separator: ",")] + lines).joined(separator: "\n")
    }

    private static func add(_ node: JSONNode, _ name: String, to cells: inout [String: String]) {
        switch node {
        case .object(let members):
            for member in members {
                add(member.value, name.isEmpty ? member.key : "\(name).\(member.key)", to: &cells)
            }
        case .list(let values):
            cells[name] = values.map(plain).joined(separator: ";")
        default: cells[name] = plain(node)
        }
    }

    private static func plain(_ node: JSONNode) -> String {
        switch node {
        case .text(let text): Shown.line(text)
        case .number(let digits): digits
        case .flag(let flag): flag ? "true" : "false"
        case .null, .object, .list: ""
        }
    }

    private static func quoted(_ text: String) -> String {
        text.contains { [",", "\"", "\n", "\r"].contains($0) }
            ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
}

/// Formats costs for people.
enum CostText {
    /// Formats an interval as `low…high`; empty if there is none or if it is exact.
    static func range(_ interval: Interval?) -> String {
        guard let interval, interval.low < interval.high else { return "" }
        return "\(ReportText.amount(interval.low))…\(ReportText.amount(interval.high))"
    }

    /// Formats a number; `word` if it is unknown.
    static func amount(_ value: Double?, _ word: String = "unknown") -> String {
        value.map { ReportText.amount($0) } ?? word
    }

    /// The energy of an amount in joules; nil if it is unknown.
    static func joules(_ amount: CostSum) -> Interval? {
        amount.isKnown ? amount.energy.kilowattHours.scaled(by: 3.6e6) : nil
    }
}
