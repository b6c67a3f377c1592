// Tables of costs as comma-separated values: those of this program, and those that users of CodeCarbon load.

import Foundation
import Metering
import Postgres
import Schema

/// Writes comma-separated values by RFC 4180, with line feeds.
public enum CSVText {
    /// Returns a line of cells; nil, an unknown value, is an empty cell.
    public static func line(_ cells: [String?]) -> String {
        cells.map { cell in
            guard let cell else { return "" }
            let isPlain = cell.allSatisfy { $0 != "," && $0 != "\"" && !$0.isNewline }
            return isPlain ? cell : "\"" + cell.replacing("\"", with: "\"\"") + "\""
        }.joined(separator: ",") + "\n"
    }
}

extension CostReport {
    /// The rows as comma-separated values with a header, without their sum. Unknown values are empty.
    public var csv: String {
        let head = [
            grouping.rawValue, "attempts", "not_completed", "gaps", "gap_seconds", "seconds",
            "cpu_seconds", "energy_j", "energy_j_low", "energy_j_high", "kwh", "facility_kwh",
            "gco2e",
            "gco2e_low", "gco2e_high", "energy_j_without_carbon",
            "energy_j_without_hourly_intensity",
            "litres", "litres_low", "litres_high", "energy_j_without_litres", "money", "money_low",
            "money_high", "currency", "seconds_without_money", "embodied_gco2e",
            "embodied_gco2e_low", "embodied_gco2e_high", "seconds_without_embodied", "tier",
            "methods",
            "factors", "intensity_type", "intensity_signal",
        ]
        return CSVText.line(head) + rows.map { CSVText.line(cells($0)) }.joined()
    }

    private func cells(_ row: CostRow) -> [String?] {
        let (figures, isKnown) = (row.figures, row.isKnown)
        func number(_ value: Double?) -> String? { value.map { "\($0)" } }
        func amount(_ amount: CostAmount?) -> [String?] {
            [number(amount?.value), number(amount?.low), number(amount?.high)]
        }
        let energy = [row.energy.microjoules, row.energy.low, row.energy.high].map {
            isKnown ? number(Double($0) / 1e6) : nil
        }
        let carbon = [row.grams, row.gramsLow, row.gramsHigh].map {
            row.isCarbonKnown ? number($0) : nil
        }
        let counts = [row.attempts, row.notCompleted, row.gaps].map { "\($0)" }
        let times = [row.gapNs, row.wallNs, row.cpuNs].map { "\(Double($0) / 1e9)" }
        let building = figures.buildingUj.map { $0 / Emissions.microjoulesPerKWh }
        var cells: [String?] = [row.label] + counts + times + energy
        cells.append(
            isKnown
                ? number(Emissions.kilowattHours(microjoules: row.energy.microjoules)) : nil)
        cells.append(number(building))
        cells += carbon
        cells += [
            number(Double(figures.carbonMissingUj) / 1e6), number(Double(figures.standInUj) / 1e6),
        ]
        cells += amount(figures.water) + [number(Double(figures.waterMissingUj) / 1e6)]
        cells += amount(figures.onlyMoney?.amount)
        cells += [figures.onlyMoney?.currency, number(Double(figures.moneyMissingNs) / 1e9)]
        cells += amount(figures.embodied) + [number(Double(figures.embodiedMissingNs) / 1e9)]
        cells += [
            row.tier?.rawValue, row.methods.joined(separator: "; "), "\(factors.version)",
            factors.basis.type, factors.basis.signal,
        ]
        return cells
    }
}

extension CostLedger {
    /// The columns of CodeCarbon's emissions.csv, version 3.
    static let codeCarbonColumns = [
        "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions",
        "emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy",
        "ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code",
        "region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version",
        "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude",
        "ram_total_size", "tracking_mode", "on_cloud", "pue", "wue",
    ]

    /// What CodeCarbon calls a run of its tracker: a run of ofa, or an attempt.
    private struct Tracked {
        let id, project: String
        var experiment: String?
        var end: Date?
    }

    /// Returns a table by run, or by attempt, as the emissions.csv that CodeCarbon writes, one row a run or attempt; `run` is
    /// that of a table of attempts, nil for all. As there, emissions are in kg, energy is that of the building in kWh, power
    /// is in W and water in litres. `cpu_energy` is all energy: that of processors and memory is not metered apart. The
    /// `run_id` of an attempt is its token, and its `experiment_id` the run. Cells of what is not known here are empty.
    public func codeCarbon(_ report: CostReport, run: Int64? = nil) throws -> String {
        precondition([.run, .attempt].contains(report.grouping), "a row is a run or an attempt")
        let known = try report.grouping == .run ? trackedRuns(report) : trackedAttempts(run)
        let zone = report.zones.count == 1 ? report.zones.first : nil
        var text = CSVText.line(Self.codeCarbonColumns)
        for row in report.rows {
            // The label of an attempt ends with its token.
            let id = row.label.split(separator: " ").last.map(String.init) ?? row.label
            let cells = Self.codeCarbon(
                row, known[id] ?? Tracked(id: row.label, project: row.label), zone: zone)
            text += CSVText.line(Self.codeCarbonColumns.map { cells[$0] })
        }
        return text
    }

    /// Returns the runs of a table by run, by number.
    private func trackedRuns(_ report: CostReport) throws -> [String: Tracked] {
        let runs = report.rows.compactMap { Int64($0.label) }
        var known: [String: Tracked] = [:]
        for run in runs { known["\(run)"] = Tracked(id: "\(run)", project: "run \(run)") }
        for row in try connection.query(.costRuns(runs: runs)) {
            let id = "\(try row.int64("id"))"
            known[id] = Tracked(
                id: id, project: try row.text("name"), end: try row.optionalDate("ended_at"))
        }
        return known
    }

    /// Returns the attempts of `run`, or of the newest runs, by token.
    private func trackedAttempts(_ run: Int64?) throws -> [String: Tracked] {
        let first = try connection.query(.costFirstRun(newest: Self.newestRuns)).first?
            .int64("run_id")
        var known: [String: Tracked] = [:]
        for row in try connection.query(.costAttempts(run: run, first: first ?? 0)) {
            let id = "\(try row.int64("token"))"
            known[id] = Tracked(
                id: id, project: try row.text("name"), experiment: "\(try row.int64("run_id"))",
                end: try row.optionalDate("ended_at"))
        }
        return known
    }

    private static func codeCarbon(_ row: CostRow, _ tracked: Tracked, zone: String?)
        -> [String: String]
    {
        let seconds = Double(row.wallNs) / 1e9
        let it = Emissions.kilowattHours(microjoules: row.energy.microjoules)
        let building = row.figures.buildingUj.map { $0 / Emissions.microjoulesPerKWh }
        var cells = [
            "project_name": tracked.project, "run_id": tracked.id, "duration": "\(seconds)",
            "tracking_mode": "process", "on_cloud": "N",
        ]
        cells["experiment_id"] = tracked.experiment
        // CodeCarbon writes the time in this form, without a zone; here it is UTC.
        cells["timestamp"] = tracked.end.map {
            $0.formatted(
                .iso8601.year().month().day().dateSeparator(.dash).time(
                    includingFractionalSeconds: false))
        }
        if row.isCarbonKnown, row.figures.carbonMissingUj == 0 {
            cells["emissions"] = "\(row.grams / 1000)"
            cells["emissions_rate"] = seconds > 0 ? "\(row.grams / 1000 / seconds)" : nil
        }
        if row.isKnown, let building {
            cells["energy_consumed"] = "\(building)"
            cells["cpu_energy"] = "\(building)"
            cells["cpu_power"] =
                seconds > 0 ? "\(Double(row.energy.microjoules) / 1e6 / seconds)" : nil
            if it > 0 {
                cells["pue"] = "\(building / it)"
                if let water = row.figures.water, row.figures.waterMissingUj == 0 {
                    cells["water_consumed"] = "\(water.value)"
                    cells["wue"] = "\(water.value / it)"
                }
            }
        }
        // Zones of three letters are those of countries.
        if let zone, zone.wholeMatch(of: /[A-Z]{3}/) != nil { cells["country_iso_code"] = zone }
        return cells
    }
}
