// The table of stages in the live view of `ofa status --watch`: bars, rates and times, in the rows and columns that there
// are.

import Foundation
import Intake
import Jobs

/// The stages of a run as rows of the live view.
struct StageRows {
    private let stages: [StageStatus]
    private let cells: [[String]]
    private let columns: Int
    /// The number of rows with the head and all stages.
    let full: Int
    /// The fewest rows: the head, the stages that run or need attention, and a row about the others.
    let least: Int
    /// The titles of the columns that have no room.
    let leftOut: [String]

    /// Takes the stages of a status, for a terminal of so many columns.
    init(_ reading: StatusReading, columns: Int) {
        let status = reading.status
        let rates = Dictionary(
            reading.curves.map { ($0.stage, $0.points.last?.imagesPerSecond) }
        ) { first, _ in first }
        let joules = reading.joules
        stages = status.stages
        self.columns = columns
        let bar = columns < 100 ? 12 : columns < 150 ? 20 : 30
        cells = stages.map { stage in
            [
                stage.name, Self.progress(stage, bar),
                StatusText.secondsLeft(stage, asOf: status.asOf).map(Format.duration) ?? "",
                Self.rate(stage, rates[stage.name].flatMap { $0 }),
                stage.attempts == 0 ? "" : Format.duration(stage.attemptSeconds),
                joules[stage.name].map { Format.grouped(Int($0.rounded())) } ?? "",
                stage.attempts == 0 ? "" : String(stage.attempts),
                stage.state == .running ? stage.message ?? "" : "",
            ]
        }
        let urgent = stages.count { Self.rank($0) == 0 }
        full = stages.isEmpty ? 0 : stages.count + 1
        least = min(full, 1 + max(1, urgent) + (urgent < stages.count ? 1 : 0))
        leftOut = Self.table(cells).layout(width: columns).leftOut
    }

    /// Returns the table in at most `limit` rows. Stages that are done or wait make room first; a row counts them.
    func lines(_ limit: Int) -> [ScreenLine] {
        if limit <= 0 { return [] }
        let room = limit >= full ? stages.count : max(0, limit - 2)
        // Of the stages that are done, the latest stay.
        let order = stages.indices.sorted {
            let (a, b) = (Self.rank(stages[$0]), Self.rank(stages[$1]))
            return a != b ? a < b : a == 2 ? $0 > $1 : $0 < $1
        }
        let shown = order.prefix(room).sorted()
        let layout = Self.table(shown.map { cells[$0] }).layout(width: columns)
        var lines = [ScreenLine(layout.lines[0], .strong)]
        lines += zip(shown, layout.lines.dropFirst()).map {
            ScreenLine($1, Self.style(stages[$0]))
        }
        let hidden = stages.indices.filter { !shown.contains($0) }.map { stages[$0].state }
        if !hidden.isEmpty {
            let counts = StageStatus.State.allCases.compactMap { state -> String? in
                let count = hidden.count { $0 == state }
                return count == 0 ? nil : "\(count) \(state.rawValue)"
            }
            let text =
                "\(hidden.count) more \(hidden.count == 1 ? "stage" : "stages"): "
                + counts.joined(separator: ", ")
            lines.append(ScreenLine(Shown.cut(text, to: columns), .faint))
        }
        return Array(lines.prefix(limit))
    }

    private static func table(_ cells: [[String]]) -> Table {
        var table = Table(
            .text("STAGE", least: 14), .text("PROGRESS"), .number("LEFT", .medium),
            .number("RATE", .medium), .number("TIME", .medium), .number("ENERGY J", .low),
            .number("ATTEMPTS", .low), .text("MESSAGE", .low, least: 24))
        table.rows = cells
        return table
    }

    /// Returns how soon a stage gives way: 0 for stages that run or need attention, 1 for those that wait, 2 for those
    /// that are done.
    private static func rank(_ stage: StageStatus) -> Int {
        switch stage.state {
        case .running, .failed, .retryable: 0
        case .available, .scheduled, .blocked: 1
        case .completed, .cancelled: 2
        }
    }

    private static func style(_ stage: StageStatus) -> ScreenLine.Style {
        switch stage.state {
        case .running: .plain
        case .failed: .bad
        case .retryable: .warning
        default: .faint
        }
    }

    /// Returns a bar with the percentage for a stage that runs; else the state.
    static func progress(_ stage: StageStatus, _ cells: Int) -> String {
        let percent = StatusText.percent(stage.progress)
        switch stage.state {
        case .running:
            let pad = String(repeating: " ", count: max(0, 5 - percent.count))
            return "\(bar(stage.progress, cells)) \(pad)\(percent)"
        case .completed, .blocked: return stage.state.rawValue
        default:
            return stage.progress > 0
                ? "\(stage.state.rawValue) at \(percent)" : stage.state.rawValue
        }
    }

    /// Returns a bar of `cells` characters: heavy for what is done, to half a cell, and light for the rest.
    static func bar(_ share: Double, _ cells: Int) -> String {
        let halves = Int((min(1, max(0, share)) * Double(2 * cells)).rounded(.down))
        let heavy = String(repeating: "━", count: halves / 2)
        let half = halves % 2 == 1 ? "╸" : ""
        return heavy + half
            + String(repeating: "─", count: cells - heavy.count - half.count)
    }

    private static func rate(_ stage: StageStatus, _ imagesPerSecond: Double?) -> String {
        guard stage.state == .running else { return "" }
        if let imagesPerSecond, imagesPerSecond.isFinite, imagesPerSecond < 1e12 {
            let digits = imagesPerSecond < 10 ? 1 : 0
            return imagesPerSecond < 1000
                ? "\(Format.decimal(imagesPerSecond, digits)) images/s"
                : "\(Format.grouped(Int(imagesPerSecond.rounded()))) images/s"
        }
        if stage.jobs > 1 {
            return "\(stage.counts["completed", default: 0]) of \(stage.jobs) jobs"
        }
        guard stage.progress > 0.02, stage.attemptSeconds >= 1 else { return "" }
        return "\(Format.decimal(6000 * stage.progress / stage.attemptSeconds, 1)) %/min"
    }
}
