// The frame of `ofa status --watch`: a status and a size of the terminal become rows. Nothing is read or written here.

import Foundation
import Intake
import Jobs

/// What the live view shows at one moment.
struct StatusFrame {
    /// The newest status; nil before the first.
    let reading: StatusReading?
    /// The estimated seconds until the run ends; nil if unknown.
    var secondsLeft: Double?
    /// The seconds since the status was read.
    var silentSeconds = 0.0

    /// A part of the frame that gives way when rows are few.
    private struct Section {
        /// What the part is called when it has no row.
        let name: String
        /// The fewest rows and the rows for everything.
        let least, full: Int
        /// Returns the part in at most a number of rows.
        let lines: (Int) -> [ScreenLine]
    }

    /// Returns the rows for a terminal of `size`: no more rows than it has, and none wider. Blank rows, workers, curves
    /// and the stages that wait or are done give way first, in this order.
    func lines(in size: ScreenSize) -> [ScreenLine] {
        guard let reading else {
            return [ScreenLine(Shown.cut("reading the status of the run", to: size.columns))]
        }
        let head = Array(
            Self.head(reading, secondsLeft, size.columns).prefix(max(1, size.rows - 1)))
        let stages = StageRows(reading, columns: size.columns)
        let notes = Self.notes(reading, size.columns)
        let curves = Self.curves(reading, size.columns)
        let errors = Self.errors(reading, size.columns)
        let workers = Self.workers(reading, size.columns)
        // In the order on the screen.
        let sections = [
            Self.section("notes", notes, least: notes.count),
            Section(name: "stages", least: stages.least, full: stages.full) { stages.lines($0) },
            Self.section("the loss", curves, least: min(1, curves.count)),
            Self.section("errors", errors, least: min(2, errors.count)),
            Self.section("workers", workers, least: 0),
        ]
        var rows = max(0, size.rows - head.count - 1)
        // First what each part needs, then what it wants; in the order of importance.
        let importance = [0, 1, 3, 2, 4]
        var given = sections.map { _ in 0 }
        for index in importance {
            given[index] = min(sections[index].least, rows)
            rows -= given[index]
        }
        for index in importance {
            let more = min(sections[index].full - given[index], rows)
            given[index] += more
            rows -= more
        }
        var missing = stages.leftOut
        var body: [ScreenLine] = []
        for (section, count) in zip(sections, given) where section.full > 0 {
            if count == 0 {
                missing.append(section.name)
                continue
            }
            if rows > 0 {
                body.append(ScreenLine(""))
                rows -= 1
            }
            body += section.lines(count)
            // The stages count those without a row themselves.
            if count < section.full, section.name != "stages" {
                let more = section.full - count
                missing.append("\(more) \(more == 1 ? "row" : "rows") of \(section.name)")
            }
        }
        let foot = Self.foot(reading, missing, silentSeconds, size.columns)
        let blank = [ScreenLine](repeating: ScreenLine(""), count: rows)
        return Array((head + body + blank + [foot]).prefix(size.rows))
    }

    private static func section(_ name: String, _ lines: [ScreenLine], least: Int) -> Section {
        Section(name: name, least: least, full: lines.count) { Array(lines.prefix($0)) }
    }

    // MARK: The parts

    private static func head(
        _ reading: StatusReading, _ secondsLeft: Double?, _ columns: Int
    ) -> [ScreenLine] {
        let stages = reading.status.stages
        let done = stages.count { $0.state == .completed }
        var parts = ["\(done) of \(stages.count) stages done"]
        if reading.status.run.state == .running, let secondsLeft {
            parts.append(SpecializeProgress.about(secondsLeft))
        }
        if reading.used.isKnown { parts.append(energy(reading.used)) }
        let slots = reading.workers.reduce(0) { $0 + $1.workingSlots }
        parts.append(
            "\(count(reading.workers.count, "worker"))"
                + (reading.workers.isEmpty ? "" : ", \(count(slots, "slot"))"))
        return [ScreenLine(Shown.cut(Shown.line(StatusText.title(reading)), to: columns), .strong)]
            + joined(parts, columns).map { ScreenLine(Shown.cut($0, to: columns)) }
    }

    /// Parts joined by dots in at most two rows, broken between parts.
    private static func joined(_ parts: [String], _ columns: Int) -> [String] {
        var lines: [String] = []
        for part in parts {
            let longer = lines.last.map { "\($0) · \(part)" }
            if let longer, Shown.cells(longer) <= columns || lines.count == 2 {
                lines[lines.count - 1] = longer
            } else {
                lines.append(part)
            }
        }
        return lines
    }

    private static func energy(_ used: StatusReading.Used) -> String {
        let energy =
            used.joules < 36_000
            ? "\(Format.grouped(Int(used.joules.rounded()))) J"
            : "\(Format.decimal(used.joules / 3.6e6, 3)) kWh"
        guard let grams = used.grams else { return "\(energy) so far, gCO2e unknown" }
        return "\(energy), \(Format.decimal(grams, grams < 10 ? 3 : 0)) gCO2e so far"
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// What holds the run or needs attention, each in at most two rows.
    private static func notes(_ reading: StatusReading, _ columns: Int) -> [ScreenLine] {
        var notes = [StatusText.dropped(reading.status.run), StartText.line(reading.deferred)]
            .compactMap(\.self)
        notes += reading.budgetLines + reading.uncounted.map { "warning: \($0)" }
        notes += reading.workerLines
        let waits = reading.status.stages.contains { $0.state == .available }
        if reading.workers.isEmpty, waits {
            notes.append("no worker is alive, so nothing starts: ofa worker, or the same ofa run")
        }
        return notes.flatMap { rows($0, "", columns, .warning) }
    }

    private static func errors(_ reading: StatusReading, _ columns: Int) -> [ScreenLine] {
        reading.status.stages.filter { $0.state != .cancelled }.flatMap { stage in
            stage.problem.map { rows("✗ \(stage.name): \($0)", "  ", columns, .bad) } ?? []
        }
    }

    private static func curves(_ reading: StatusReading, _ columns: Int) -> [ScreenLine] {
        reading.curves.flatMap { curve in
            let whole = TrainingLine.text(curve, cells: columns / 3)
            if Shown.cells(Shown.line(whole)) <= columns { return [ScreenLine(Shown.line(whole))] }
            let loss = "\(curve.stage): \(TrainingLine.loss(curve, cells: max(8, columns / 4)))"
            return ([loss] + [TrainingLine.heldOut(curve)].compactMap { $0.map { "  " + $0 } }).map
            {
                ScreenLine(Shown.cut(Shown.line($0), to: columns))
            }
        }
    }

    private static func workers(_ reading: StatusReading, _ columns: Int) -> [ScreenLine] {
        reading.workers.map { worker in
            let beat = reading.status.asOf.timeIntervalSince(worker.beatAt)
            let parts = [
                "\(worker.name) on \(worker.host), process \(worker.process)",
                count(worker.slots, "slot"),
                "alive for "
                    + Format.duration(reading.status.asOf.timeIntervalSince(worker.openedAt)),
                // A heartbeat may be newer than the reading.
                "heartbeat \(Int(max(0, beat))) s ago",
            ]
            return ScreenLine(
                Shown.cut(Shown.line(parts.joined(separator: " · ")), to: columns), .faint)
        }
    }

    private static func foot(
        _ reading: StatusReading, _ missing: [String], _ silent: Double, _ columns: Int
    ) -> ScreenLine {
        if silent >= 5 {
            let text = "the database has not answered for \(Int(silent)) s · q leaves"
            return ScreenLine(Shown.cut(text, to: columns), .warning)
        }
        let time = Date.ISO8601FormatStyle(timeZone: .gmt).time(includingFractionalSeconds: false)
        var parts = ["q leaves", "as of \(reading.status.asOf.formatted(time)) UTC"]
        if !missing.isEmpty { parts.append("no room for \(missing.joined(separator: ", "))") }
        return ScreenLine(Shown.cut(parts.joined(separator: " · "), to: columns), .faint)
    }

    /// A text in at most two rows; the second one is cut.
    private static func rows(
        _ text: String, _ indent: String, _ columns: Int, _ style: ScreenLine.Style
    ) -> [ScreenLine] {
        let line = Shown.line(text)
        let parts = Shown.wrapped(line, to: max(8, columns - Shown.cells(indent)))
        guard parts.count > 2 else {
            return parts.enumerated().map {
                ScreenLine(Shown.cut(($0 == 0 ? "" : indent) + $1, to: columns), style)
            }
        }
        return [
            ScreenLine(Shown.cut(parts[0], to: columns), style),
            ScreenLine(
                Shown.cut(indent + parts.dropFirst().joined(separator: " "), to: columns), style),
        ]
    }
}
