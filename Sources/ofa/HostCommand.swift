// `ofa host`: what is stated of machines, such as their zone, prices and rating; shown with the source of each figure.

import Accounting
import ArgumentParser
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// The commands about machines.
struct HostCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "host",
        abstract: "The machines that work: zone, PUE, prices, embodied carbon and rating.",
        discussion: "Example:\n  ofa host set ops/host.example.yaml\n  ofa host show",
        subcommands: [HostSet.self, HostShow.self, HostList.self])

    /// Returns the machine called `name` (or `#ID`), by default the one that this program runs on; exit code 2 if the
    /// database does not know it, and an error if several have that name.
    static func find(_ name: String?, _ connection: Connection) throws -> Machine {
        let ledger = HostLedger(connection)
        guard let name else { return try ledger.this() }
        let machines = try ledger.machines()
        let found = machines.filter { machine in
            machine.name == name || machine.id.map { "#\($0)" } == name
        }
        guard let first = found.first else {
            throw CommandFailure.notFound(
                "no machine is called \(Shown.excerpt(name))",
                remedy: NearestName.remedy(name, known: machines.map(\.name)))
        }
        guard found.count == 1 else {
            let numbers = found.compactMap { $0.id.map { "#\($0)" } }.joined(separator: ", ")
            throw CommandFailure.failed(
                "\(found.count) machines are called \(name)",
                remedy: "give a number instead: one of \(numbers)", code: "ambiguous")
        }
        return first
    }
}

/// Options with figures of a machine.
struct HostFigureOptions: ParsableArguments {
    /// The electricity zone.
    @Option(help: "The electricity zone, such as DEU.") var zone: String?
    /// Energy of the building over IT energy.
    @Option(
        help: "Energy of the building over that of its computers.",
        transform: HostFigureOptions.real(.pue))
    var pue: Double?
    /// The lower bound of `pue`.
    @Option(help: "The lower bound of --pue.", transform: HostFigureOptions.real(.pueLow))
    var pueLow: Double?
    /// The upper bound of `pue`.
    @Option(help: "The upper bound of --pue.", transform: HostFigureOptions.real(.pueHigh))
    var pueHigh: Double?
    /// Litres for each kWh.
    @Option(help: "Litres of water for each kWh.", transform: HostFigureOptions.real(.wue)) var wue:
        Double?
    /// The currency of prices.
    @Option(help: "The currency of prices, such as EUR.", transform: HostFigureOptions.letters)
    var currency: String?
    /// The price of a processor for an hour.
    @Option(
        help: "A rented machine: the price of a processor for an hour.",
        transform: HostFigureOptions.real(.rentalPerCPUHour))
    var rentalPerCpuHour: Double?
    /// The price of a kWh.
    @Option(
        help: "An owned machine: the price of a kWh.", transform: HostFigureOptions.real(.kwhPrice))
    var kwhPrice: Double?
    /// The loss of value in an hour.
    @Option(
        help: "An owned machine: what it loses in value in an hour.",
        transform: HostFigureOptions.real(.depreciationPerHour))
    var depreciationPerHour: Double?
    /// Grams of CO2e of making the machine.
    @Option(
        help: "Grams of CO2e of making the whole machine.",
        transform: HostFigureOptions.real(.embodied))
    var embodiedG: Double?
    /// The lower bound of `embodiedG`.
    @Option(
        help: "The lower bound of --embodied-g.", transform: HostFigureOptions.real(.embodiedLow))
    var embodiedLowG: Double?
    /// The upper bound of `embodiedG`.
    @Option(
        help: "The upper bound of --embodied-g.", transform: HostFigureOptions.real(.embodiedHigh))
    var embodiedHighG: Double?
    /// The hours of use in its life.
    @Option(
        help: "The hours that the machine is used in its life.",
        transform: HostFigureOptions.real(.lifetimeHours))
    var lifetimeHours: Double?
    /// The rated power of a socket in watts.
    @Option(
        help: "The rated power of a processor socket in watts.",
        transform: HostFigureOptions.real(.ratedWatts))
    var ratedWatts: Double?
    /// The hardware threads of a socket.
    @Option(
        help: "The hardware threads of that socket.",
        transform: HostFigureOptions.real(.hostThreads))
    var hostThreads: Double?
    /// A note for people.
    @Option(help: "A note for people.") var note: String?

    /// The numbers that are given.
    var numbers: [HostSetting.Figure: Double] {
        let given: [(HostSetting.Figure, Double?)] = [
            (.pue, pue), (.pueLow, pueLow), (.pueHigh, pueHigh), (.wue, wue),
            (.rentalPerCPUHour, rentalPerCpuHour), (.kwhPrice, kwhPrice),
            (.depreciationPerHour, depreciationPerHour), (.embodied, embodiedG),
            (.embodiedLow, embodiedLowG), (.embodiedHigh, embodiedHighG),
            (.lifetimeHours, lifetimeHours), (.ratedWatts, ratedWatts),
            (.hostThreads, hostThreads),
        ]
        return given.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }

    /// Whether no figure is given.
    var isEmpty: Bool { zone == nil && currency == nil && note == nil && numbers.isEmpty }

    /// Returns `before` with the given figures.
    func changing(_ before: HostSetting) throws -> HostSetting {
        HostSetting(
            zone: try zone.map { try ArgumentGate.name($0, "--zone") } ?? before.zone,
            currency: currency ?? before.currency,
            figures: before.figures.merging(numbers) { $1 },
            note: try note.map { try ArgumentGate.name($0, "--note") } ?? before.note)
    }

    @Sendable private static func letters(_ text: String) throws -> String {
        do throws(InputFault) { return try HostSetting.currency(text) } catch {
            throw ValueFault(error)
        }
    }

    private static func real(
        _ figure: HostSetting.Figure
    ) -> @Sendable (String) throws -> Double {
        { text in
            do throws(InputFault) { return try figure.read(text) } catch {
                throw ValueFault(error)
            }
        }
    }
}

/// States figures of a machine.
struct HostSet: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "States figures of a machine, from now on.",
        discussion: """
            A file (ops/host.example.yaml) replaces all that was stated; options alone change single figures. What is not \
            stated is unknown, and never counts as 0. What was stated before is kept for costs of the time before; the time \
            before the first statement has the figures of the first. Workers read zone and rating when they start.

            Example:
              ofa host set my-machine.yaml
              ofa host set --zone DEU --pue 1.2
              ofa host set build-box prices.yaml --from 2026-12-01T00:00:00Z
            """)

    /// A name, a file, both or neither.
    @Argument(
        help: ArgumentHelp(
            "The machine's name or #number (by default this machine), and a file ending in .yaml or .yml.",
            valueName: "name or file"))
    var words: [String] = []
    /// Single figures.
    @OptionGroup var figures: HostFigureOptions
    /// When the figures begin to hold; nil for now.
    @Option(
        help: ArgumentHelp(
            "When the figures begin to hold, as 2026-12-01T00:00:00Z; by default now.",
            valueName: "moment"),
        transform: HostSet.moment)
    var from: Date?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private var file: String? { words.last.flatMap { Self.isFile($0) ? $0 : nil } }
    private var name: String? { words.first.flatMap { Self.isFile($0) ? nil : $0 } }

    private static func isFile(_ word: String) -> Bool {
        [".yaml", ".yml"].contains { word.hasSuffix($0) }
    }

    @Sendable private static func moment(_ text: String) throws -> Date {
        do throws(InputFault) { return try MomentText.read(text, orDay: true) } catch {
            throw ValueFault(error)
        }
    }

    /// Refuses words that are neither a machine nor a file, and an empty statement.
    mutating func validate() throws {
        guard words.count == (file == nil ? 0 : 1) + (name == nil ? 0 : 1) else {
            throw ValidationError(
                "'\(words.joined(separator: " "))' is not a machine and a file",
                remedy: "write ofa host set [NAME] [FILE.yaml], and figures as options")
        }
        guard file != nil || !figures.isEmpty else {
            throw ValidationError(
                "nothing is stated", remedy: "give a file, or figures such as --zone DEU")
        }
    }

    /// States the figures and prints the machine.
    mutating func run() throws {
        let given = try file.map { try HostSettingFile.read($0) }
        let connection = try database.connect()
        let machine = try HostCommand.find(name, connection)
        let setting = try figures.changing(given ?? machine.stated?.setting ?? HostSetting())
        try HostLedger(connection).set(machine, setting, from: from)
        let now = try HostLedger(connection).machines().first { $0.identity == machine.identity }
        try HostPrinter.show(now ?? machine, connection, output)
    }
}

/// Shows a machine.
struct HostShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a machine's figures, each with its source.",
        discussion: """
            FROM is `stated` (ofa host set), a variable of this shell, the processor's model, the factor set, or a default, \
            in the order in which a worker here uses them.

            Example:
              ofa host show
              ofa host show build-box --json
            """)

    /// The machine; nil for this one.
    @Argument(
        help: "The machine's name or #number; by default this machine.", completion: .machines)
    var name: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Reads what is known and prints it.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        try HostPrinter.show(try HostCommand.find(name, connection), connection, output)
    }
}

/// Lists the machines.
struct HostList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the machines that worked here.",
        discussion: "Example:\n  ofa host list --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Reads what is known and prints it.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        try HostPrinter.list(try HostLedger(connection).machines(), connection, output)
    }
}
