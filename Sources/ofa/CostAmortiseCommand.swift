// `ofa cost amortise`: what each device's network cost, with its part of what several networks descend from.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Metering
import Pipelines
import Postgres

/// Divides the costs of runs over the networks for devices that descend from them.
struct CostAmortise: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amortise",
        abstract: "Divides the costs of runs over the devices' networks that descend from them.",
        discussion: """
            A stage's cost is divided over the networks for devices that were made from what it made, also by later runs; \
            networks that are made later lower the part of each. All parts add up to the microjoule. Failed and \
            cancelled attempts, and stages from which no such network descends, are unallocated. A run's own cost is only \
            divided if the run is named, or if none is.

            --split equal: in equal parts; marginal: what a network alone caused, the rest is shared; use: in proportion \
            to --use or --uses, a CSV file with the columns device and count. A device with several networks is named by \
            artifact.

            Example:
              ofa cost amortise
              ofa cost amortise 3 4 --split marginal
              ofa cost amortise 3 --use watch=50000 --use my-board=2000 --json
              ofa cost amortise 3 --uses uses.csv --csv
            """)

    /// The runs; empty for all.
    @Argument(
        help: ArgumentHelp("The runs' numbers; by default all runs.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runs: [Int64] = []
    /// How shared costs are divided; nil for equal parts, or by uses if uses are given.
    @Option(
        help: "equal, marginal or use: how shared costs are divided.",
        completion: Word.completion(AmortisationSplit.self),
        transform: Word.one(of: AmortisationSplit.self))
    var split: AmortisationSplit?
    /// The numbers of uses, each as `device=n` or `artifact=n`.
    @Option(
        help: ArgumentHelp(
            "How often a network is used, by device or artifact; may be repeated.",
            valueName: "device=n"))
    var use: [String] = []
    /// A file with numbers of uses.
    @Option(
        help: ArgumentHelp(
            "A CSV file with the columns device and count: how often networks are used.",
            valueName: "file"), completion: .file(extensions: ["csv"]))
    var uses: String?
    /// The time until which networks and costs are considered; nil for now.
    @Option(
        help: ArgumentHelp(
            "Only networks made, and costs begun, by this moment, as 2026-01-31T12:00:00Z.",
            valueName: "moment"), transform: CostAmortise.moment)
    var asOf: Date?
    @OptionGroup var question: CostQuestion

    mutating func validate() throws {
        let hasUses = !use.isEmpty || uses != nil
        if hasUses, let split, split != .use {
            throw ValidationError(
                "--use and --uses are for --split use", remedy: "omit them, or --split")
        }
        if split == .use, !hasUses {
            throw ValidationError(
                "--split use needs the numbers of uses",
                remedy: "give --use DEVICE=N for each network, or --uses FILE.csv")
        }
        _ = try NetworkUses(options: use)
    }

    mutating func run() throws {
        var given = try NetworkUses(options: use)
        if let uses { try given.add(file: uses) }
        let split = split ?? (given.isEmpty ? .equal : .use)
        let chosen = runs.isEmpty ? nil : Array(Set(runs)).sorted()
        let costs = try question.ask(runs: chosen ?? []) { ledger, factors, _ in
            try ledger.amortised(
                runs: chosen, split: split, asOf: asOf, factors: factors, uses: given.counts)
        }
        let document = costs.document
        try question.answer(
            document, rows: document.rows,
            columns: ["row", "device", "artifact", "run", "uses", "energy_uj", "emission_ug"]
        ) {
            try Output.table(Self.table(costs))
            try Output.line()
            for note in Self.notes(costs) { try Output.line(note) }
        }
    }

    /// Parses the value of `--as-of`.
    @Sendable private static func moment(_ text: String) throws -> Date {
        do throws(InputFault) { return try MomentText.read(text) } catch { throw ValueFault(error) }
    }

    /// Returns the table of networks, shared and unallocated costs, and their sum.
    static func table(_ costs: AmortisedCosts) -> Table {
        let hasUses = costs.split == .use
        var table = Table(
            columns: [.text("DEVICE"), .number("ARTIFACT", .medium), .number("RUN", .medium)]
                + (hasUses ? [.number("USES")] : [])
                + [
                    .number("TIME", .low), .number("OWN J", .medium), .number("ENERGY J"),
                    .number("RANGE J", .low), .number("SHARE"), .number("gCO2e"),
                    .number("RANGE g", .low), .text("TIER", .medium),
                ])
        var rows: [(head: [String], own: CostSum?, cost: CostSum)] = costs.targets.map {
            let network = $0.network
            return (
                [network.device, "\(network.artifact)", "\(network.run)"]
                    + (hasUses ? ["\($0.uses ?? 0)"] : []), $0.own, $0.cost
            )
        }
        func head(_ name: String) -> [String] { [name, "", ""] + (hasUses ? [""] : []) }
        if costs.split == .marginal { rows.append((head("(shared)"), nil, costs.shared)) }
        rows.append((head("(unallocated)"), nil, costs.unallocatedCost))
        rows.append((head("total"), nil, costs.total))
        let shares = Format.shares(rows.map { costs.shareOfTotal($0.cost) })
        let grams = ReportText.column(
            rows.map { $0.cost.isKnown ? $0.cost.grams.value : nil })
        for (place, row) in rows.enumerated() {
            let energy = CostText.joules(row.cost)
            let word = row.cost.attempts > 0 ? "gap" : ""
            table.rows.append(
                row.head + [
                    Format.duration(Double(row.cost.wallNs) / 1e9),
                    row.own.map { own in
                        own.isKnown ? Format.decimal(Double(own.energy.microjoules) / 1e6, 3) : ""
                    } ?? "",
                    energy.map { Format.decimal($0.value, 3) } ?? word, CostText.range(energy),
                    shares[place], row.cost.isKnown ? grams[place] : word,
                    row.cost.isKnown ? CostText.range(row.cost.grams) : "",
                    row.cost.tier?.rawValue ?? "-",
                ])
        }
        return table
    }

    /// Returns the notes below the table.
    static func notes(_ costs: AmortisedCosts) -> [String] {
        let runs =
            costs.runs.map { "run \($0.map(String.init).joined(separator: ", "))" } ?? "all runs"
        let split =
            switch costs.split {
            case .equal: "shared costs in equal parts"
            case .marginal: "what several networks share is not divided"
            case .use: "shared costs in proportion to uses"
            }
        var notes = [
            "\(runs), as of \(costs.asOf.formatted(.iso8601)): \(split); with later networks the part of each falls;"
                + " IT energy, factor set \(costs.factors)"
        ]
        if costs.targets.isEmpty {
            notes.append("no network for a device descends from \(runs): everything is unallocated")
        }
        for (isFailed, words) in [
            (true, "failed and cancelled attempts"),
            (false, "stages that no network descends from"),
        ] {
            let rest = costs.unallocated.filter { $0.isFailed == isFailed }
            guard let energy = CostText.joules(CostSum.sum(rest.map(\.cost))) else { continue }
            let names = Set(rest.map(\.place.stage)).sorted()
            let more = names.count > 5 ? ", \(names.count - 5) more" : ""
            notes.append(
                "unallocated: \(ReportText.amount(energy.value)) J of \(words)"
                    + " (\(names.prefix(5).joined(separator: ", "))\(more))")
        }
        if !costs.otherRuns.isEmpty {
            let others = costs.otherRuns.map(String.init).joined(separator: " ")
            notes.append(
                "run \(others) made some of these networks; its own cost is not in the table:"
                    + " ofa cost amortise \((costs.runs ?? []).map(String.init).joined(separator: " ")) \(others)"
            )
        }
        if costs.total.carbonMissingUj > 0 {
            let joules = ReportText.amount(Double(costs.total.carbonMissingUj) / 1e6)
            notes.append(
                "the carbon of \(joules) J is unknown, not zero: factors for these hours are missing"
            )
        }
        if costs.total.gaps > 0 || costs.total.gapNs > 0 {
            notes.append("energy that was not metered is missing, not zero")
        }
        return notes
    }
}

/// How often networks are used, as it was given for devices or artifacts.
struct NetworkUses {
    private var given: [(name: String, count: Int64, place: String)] = []

    /// Whether no numbers are given.
    var isEmpty: Bool { given.isEmpty }

    /// Parses options such as `watch=50000`.
    init(options: [String]) throws {
        for text in options {
            guard let sign = text.lastIndex(of: "="), sign != text.startIndex else {
                throw ValidationError(
                    "--use '\(Shown.excerpt(text))' is no number of uses",
                    remedy: "write it as device=n, such as watch=50000")
            }
            do throws(InputFault) {
                let count = try Self.count(String(text[text.index(after: sign)...]))
                given.append((String(text[..<sign]), count, "--use \(Shown.excerpt(text))"))
            } catch {
                throw ValidationError(
                    "--use \(Shown.excerpt(text)): the number \(error.reason)", remedy: error.remedy
                )
            }
        }
    }

    /// Adds the rows of a file with the columns `device` and `count`.
    mutating func add(file path: String) throws {
        let text = String(decoding: try Input.bytes(path), as: UTF8.self)
        let rows = try UseRows.read(text, source: path)
        for row in rows {
            do throws(InputFault) {
                given.append((row.device, try Self.count(row.count), "\(path), line \(row.line)"))
            } catch {
                throw CommandFailure.failed(
                    "\(path), line \(row.line): the count \(error.reason)", remedy: error.remedy,
                    code: "malformed")
            }
        }
    }

    private static func count(_ text: String) throws(InputFault) -> Int64 {
        Int64(try DecimalNumber.whole(text, in: 0...1_000_000_000_000_000))
    }

    /// Returns the number of uses of each of `networks`, by artifact. Exit code 2 if a name is none of theirs or stands
    /// for several, if a network is named twice, or if a network has no number.
    func counts(_ networks: [DeviceNetwork]) throws -> [Int64: Int64] {
        var counts: [Int64: Int64] = [:]
        for one in given {
            let having = networks.filter { $0.device == one.name }
            if having.count > 1 {
                let artifacts = having.map { "\($0.artifact)" }.joined(separator: ", ")
                throw CommandFailure.notFound(
                    "\(one.place): device \(one.name) has several networks, artifacts \(artifacts)",
                    remedy: "name each of them by artifact, such as \(having[0].artifact)=1000")
            }
            guard
                let network = having.first
                    ?? networks.first(where: { String($0.artifact) == one.name })
            else {
                throw CommandFailure.notFound(
                    "\(one.place): no network of these runs is for device '\(Shown.excerpt(one.name))'",
                    remedy: NearestName.remedy(
                        one.name, known: Set(networks.map(\.device)).sorted()))
            }
            guard counts.updateValue(one.count, forKey: network.artifact) == nil else {
                throw CommandFailure.failed(
                    "\(one.place): the uses of artifact \(network.artifact) are given twice",
                    remedy: "give them once")
            }
        }
        if let network = networks.first(where: { counts[$0.artifact] == nil }) {
            throw CommandFailure.notFound(
                "the uses of device \(network.device), artifact \(network.artifact), are not given",
                remedy: "give --use \(network.artifact)=N, with 0 if it is not used")
        }
        return counts
    }
}
