// Prints machines for the commands of `ofa host`.

import Accounting
import Foundation
import Intake
import Metering
import Postgres

/// Prints machines.
enum HostPrinter {
    /// Prints one machine with all its figures.
    static func show(_ machine: Machine, _ connection: Connection, _ output: OutputOptions) throws {
        let document = try HostDocument(machine, try FactorSet.load(connection))
        try Output.answer(document, output) {
            try Output.line(
                "machine \(machine.name)\(machine.id.map { " #\($0)" } ?? ""), identity \(machine.identity)"
                    + (machine.isThis ? ": this machine" : ""))
            if let processor = document.processor {
                try Output.field("processor", processor)
            }
            if let gpus = document.gpus, !gpus.isEmpty {
                try Output.field(
                    "GPUs", "\(gpus.joined(separator: ", ")); metered as a machine of their own")
            }
            try Output.field("metered", metered(machine))
            try Output.field("stated", stated(machine))
            var table = Table(
                .text("FIGURE"), .number("VALUE"), .number("RANGE", .low), .text("UNIT", .medium),
                .wrapping("FROM"))
            table.rows = document.figures.map(row)
            try Output.line()
            try Output.table(table)
            if let note = document.note, !note.isEmpty { try Output.line("note: \(note)") }
        }
    }

    /// Prints a line for each machine.
    static func list(_ machines: [Machine], _ connection: Connection, _ output: OutputOptions)
        throws
    {
        let factors = try FactorSet.load(connection)
        let documents = try machines.map { try HostDocument($0, factors) }
        try Output.answer(documents, output) {
            guard !machines.isEmpty else {
                return try Output.line("no machine has worked here yet, and none is stated")
            }
            var table = Table(
                .text("MACHINE"), .number("ID", .low), .text("ZONE"), .number("PUE"),
                .text("PRICES", .medium), .number("EMBODIED kg", .low),
                .text("METER", .medium), .text("STATED", .low), .text("FROM", .low))
            table.rows = zip(machines, documents).map { machine, document in
                let setting = machine.stated?.setting
                let zone = document.figures.first { $0.figure.name == "zone" }
                return [
                    machine.name + (machine.isThis ? " (this)" : ""),
                    machine.id.map(String.init) ?? "",
                    zone.map { value($0.figure) } ?? "",
                    document.figures.first { $0.figure.name == "pue" }.map { value($0.figure) }
                        ?? "",
                    prices(setting),
                    setting?.figures[.embodied].map { DecimalNumber.text($0 / 1000) } ?? "unknown",
                    machine.metered.map { "\($0.tier): \($0.method)" } ?? "none yet",
                    machine.stated.map { $0.validFrom.formatted(.iso8601) } ?? "never",
                    zone?.figure.source ?? "",
                ]
            }
            try Output.table(table)
        }
    }

    private static func row(_ document: HostDocument.FigureDocument) -> [String] {
        let figure = document.figure
        var range = ""
        if case .number(let interval) = figure.value, interval.low < interval.high {
            range = [interval.low, interval.high].map(DecimalNumber.text).joined(separator: "…")
        }
        return [
            figure.name, value(figure), range, figure.value == nil ? "" : figure.unit,
            figure.source ?? "",
        ]
    }

    private static func value(_ figure: HostFigure) -> String {
        switch figure.value {
        case .text(let text): text
        case .number(let interval): DecimalNumber.text(interval.value)
        case nil: "unknown"
        }
    }

    private static func prices(_ setting: HostSetting?) -> String {
        guard let setting, let currency = setting.currency else { return "unknown" }
        let prices = HostSetting.Figure.allCases.filter(\.isMoney).compactMap { figure in
            setting.figures[figure].map {
                "\(DecimalNumber.text($0)) \(currency)/\(figure.unit)"
            }
        }
        return prices.joined(separator: ", ")
    }

    private static func metered(_ machine: Machine) -> String {
        guard let metered = machine.metered else { return "not yet" }
        return "\(metered.method), tier \(metered.tier), zone \(metered.zone), last in the hour of "
            + metered.hour.formatted(.iso8601)
    }

    private static func stated(_ machine: Machine) -> String {
        guard let stated = machine.stated else {
            return machine.settings == 0 ? "nothing yet (ofa host set)" : "nothing that holds yet"
        }
        return "from \(stated.validFrom.formatted(.iso8601)) on, by \(stated.actor)"
            + (machine.settings > 1 ? "; \(machine.settings) statements in all" : "")
    }
}

/// The JSON form of a machine. `figures` has a field for each figure.
struct HostDocument: Encodable {
    /// A figure with its source.
    struct FigureDocument: Encodable {
        /// The figure.
        let figure: HostFigure

        private enum Key: String, CodingKey { case value, low, high, unit, source }

        /// Writes null for what is unknown.
        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            switch figure.value {
            case .text(let text):
                try fields.encode(text, forKey: .value)
                try fields.encodeNil(forKey: .low)
                try fields.encodeNil(forKey: .high)
            case .number(let interval):
                try fields.encode(interval.value, forKey: .value)
                try fields.encode(interval.low, forKey: .low)
                try fields.encode(interval.high, forKey: .high)
            case nil:
                for key in [Key.value, .low, .high] { try fields.encodeNil(forKey: key) }
            }
            try fields.encode(figure.unit, forKey: .unit)
            try fields.encode(figure.source, forKey: .source)
        }
    }

    private let machine: Machine
    /// The processor's model, of the machine of this program only.
    let processor: String?
    /// The names of the GPUs with energy counters, of the machine of this program only.
    let gpus: [String]?
    /// The figures in force.
    let figures: [FigureDocument]
    /// The note of the statement in force.
    var note: String? { machine.stated?.setting.note }

    /// Makes the document; `factors` has the figures that are not stated.
    init(_ machine: Machine, _ factors: FactorSet) throws {
        self.machine = machine
        let host = machine.isThis ? try HostDescription.current(environment: [:]) : nil
        processor = host.map {
            "\($0.cpuModel), \($0.vCPUs) processors\($0.isVirtual ? ", a virtual machine" : "")"
        }
        gpus = machine.isThis ? GPUs()?.names ?? [] : nil
        figures = HostFigure.all(
            of: machine.stated?.setting ?? HostSetting(), factors: factors, processor: host,
            environment: machine.isThis ? ProcessInfo.processInfo.environment : [:]
        ).map { FigureDocument(figure: $0) }
    }

    private enum Key: String, CodingKey {
        case id, identity, name, processor, gpus, metered, figures, note, actor, settings
        case isThis = "is_this"
        case firstSeenAt = "first_seen_at"
        case validFrom = "valid_from"
        case recordedAt = "recorded_at"
    }

    /// Writes every field, null if it is unknown.
    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(machine.id, forKey: .id)
        try fields.encode(machine.identity, forKey: .identity)
        try fields.encode(machine.name, forKey: .name)
        try fields.encode(machine.isThis, forKey: .isThis)
        try fields.encode(machine.firstSeenAt, forKey: .firstSeenAt)
        try fields.encode(processor, forKey: .processor)
        try fields.encode(gpus, forKey: .gpus)
        try fields.encode(machine.metered, forKey: .metered)
        try fields.encode(
            Dictionary(
                figures.map { ($0.figure.name, $0) }, uniquingKeysWith: { first, _ in first }),
            forKey: .figures)
        try fields.encode(note, forKey: .note)
        try fields.encode(machine.stated?.validFrom, forKey: .validFrom)
        try fields.encode(machine.stated?.recordedAt, forKey: .recordedAt)
        try fields.encode(machine.stated?.actor, forKey: .actor)
        try fields.encode(machine.settings, forKey: .settings)
    }
}
