// RunFigures: how pages about runs and jobs write figures, links and states.

import Accounting
import Artifacts
import Charts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// Figures of runs and jobs as text and markup.
enum RunFigures {
    /// A unit of energy with the joules that it has.
    typealias Unit = (name: String, joules: Double)

    /// Returns the unit in which an energy reads well: J, kJ or kWh.
    static func unit(microjoules: Double) -> Unit {
        let joules = microjoules / 1e6
        return joules < 1000 ? ("J", 1) : joules < 3.6e6 ? ("kJ", 1000) : ("kWh", 3.6e6)
    }

    /// Writes an energy, such as `12.3 kJ`.
    static func energy(_ microjoules: Double) -> String {
        let unit = unit(microjoules: microjoules)
        return "\(number(microjoules / 1e6 / unit.joules)) \(unit.name)"
    }

    /// Writes an energy with its range, such as `12.3 kJ (9.81 to 15.2)`; `unknown` without any.
    static func energy(_ row: CostRow?) -> String {
        guard let row, row.isKnown else { return "unknown" }
        return energy(row.energy)
    }

    /// Writes an energy with its range, such as `12.3 kJ (9.81 to 15.2)`.
    static func energy(_ energy: Energy) -> String {
        let unit = unit(microjoules: Double(energy.microjoules))
        func part(_ value: Int64) -> String { number(Double(value) / 1e6 / unit.joules) }
        let text = "\(part(energy.microjoules)) \(unit.name)"
        return energy.low == energy.high
            ? text : "\(text) (\(part(energy.low)) to \(part(energy.high)))"
    }

    /// Writes a mass of CO2e, such as `1.24 g`; `unknown` without any.
    static func carbon(_ row: CostRow?) -> String {
        guard let row, row.isKnown, let grams = row.knownGrams else { return "unknown" }
        return carbon(grams: grams)
    }

    /// Writes a mass of CO2e, such as `1.24 g`.
    static func carbon(grams: Double) -> String {
        if grams >= 1000 { return "\(number(grams / 1000)) kg" }
        return grams < 0.1 && grams > 0 ? "\(number(grams * 1000)) mg" : "\(number(grams)) g"
    }

    /// Writes a number with three significant digits, from 1,000 on as a whole one.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "unknown" }
        let size = abs(value)
        if size >= 1000 {
            return size < 9e15 ? ReportText.grouped(Int(value.rounded())) : "\(value)"
        }
        if size == 0 { return "0" }
        let digits = max(0, min(6, 2 - Int(floor(log10(size)))))
        return String(format: "%.\(digits)f", value)
    }

    /// Writes a share in percent with two decimals; empty for nil.
    static func percent(_ share: Double?) -> String {
        share.map { String(format: "%.2f %%", 100 * $0) } ?? ""
    }

    /// Writes a share in percent with its standard error, such as `91.20 ± 0.28 %`.
    static func percent(_ share: Double?, error: Double?) -> String {
        guard let share, let error else { return percent(share) }
        return String(format: "%.2f ± %.2f %%", 100 * share, 100 * error)
    }

    /// Writes a number of bytes in KiB or MiB.
    static func bytes(_ count: Int) -> String {
        let kibibytes = Double(count) / 1024
        return kibibytes < 1024
            ? String(format: "%.1f KiB", kibibytes) : String(format: "%.1f MiB", kibibytes / 1024)
    }

    /// Writes a count with a word, such as `1 job` or `12 jobs`.
    static func count(_ number: Int, _ word: String) -> String {
        "\(ReportText.grouped(number)) \(word)\(number == 1 ? "" : "s")"
    }

    /// Cuts a text that is too long for a page.
    static func cut(_ text: String, _ most: Int = 2000) -> String {
        text.unicodeScalars.count <= most
            ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(most))) + " …"
    }

    /// Returns the state of a stage, job or attempt for charts.
    static func chartState(_ word: String, isHeld: Bool = false) -> ChartState {
        switch word {
        case "running": .running
        case "completed", "done": .done
        case "failed", "discarded", "lost": .failed
        case "cancelled", "released": .cancelled
        case "retryable": .paused
        default: isHeld ? .paused : .waiting
        }
    }

    /// A link to a run.
    static func run(_ id: RunID, _ text: String? = nil) -> HTML {
        Parts.link(text ?? "run \(id)", HTML.path("runs", "\(id)"))
    }

    /// A link to a job.
    static func job(_ id: JobID) -> HTML { Parts.link("job \(id)", HTML.path("jobs", "\(id)")) }

    /// The address of the jobs of a stage.
    static func stagePath(_ run: RunID, _ stage: String, state: String? = nil, page: Int = 1)
        -> String
    {
        HTML.path("runs", "\(run)", "jobs") + "?stage=\(HTML.encoded(stage))"
            + (state.map { "&state=\(HTML.encoded($0))" } ?? "") + (page > 1 ? "&page=\(page)" : "")
    }

    /// A note in soft colour.
    static func note(_ text: String) -> HTML { "<p class=\"note\">\(text)</p>\n" }

    /// Text that opens on demand.
    static func details(_ summary: String, id: String, _ body: HTML) -> HTML {
        "<details id=\"\(id)\"><summary>\(summary)</summary>\(body)</details>\n"
    }

    /// Returns the costs that `body` reads, or why there are none: a zone or a factor set may be unknown.
    static func priced<T>(_ body: () throws -> T) throws -> Result<T, AccountingError> {
        do { return .success(try body()) } catch let error as AccountingError {
            return .failure(error)
        }
    }

    /// The text of a field of JSON: a string as it is, anything else as JSON.
    static func text(_ value: JSONValue) throws -> String {
        if case .string(let text) = value { return text }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// JSON as names and values; another value than an object as text.
    static func fields(_ json: String) throws -> HTML {
        let value = JSONValue(stored: json)
        guard case .object(let fields) = value else {
            return "<p><code>\(cut(try text(value)))</code></p>\n"
        }
        if fields.isEmpty { return note("Nothing.") }
        return Parts.list(
            try fields.sorted { $0.key < $1.key }.map { key, value in
                (name: cut(key, 200), value: "<code>\(cut(try text(value)))</code>")
            })
    }
}
