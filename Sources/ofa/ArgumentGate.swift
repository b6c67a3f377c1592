// Validates the command line and the environment before a command runs. Arguments are converted to Unicode NFC and must
// have no control characters. Numbers must be decimal and in range. For an unknown name, the nearest known name is
// suggested.

import Accounting
import ArgumentParser
import Devices
import Foundation
import Intake
import Metering
import Networks
import Pipelines
import Postgres
import Tensors

/// Validates arguments from the shell.
enum ArgumentGate {
    /// Returns the validated arguments of this process in NFC; throws `ValidationError` for the first invalid argument.
    static func arguments(_ given: [String] = Array(CommandLine.arguments.dropFirst())) throws
        -> [String]
    {
        let arguments = try given.enumerated().map { index, text in
            let normal: String
            do throws(InputFault) {
                normal = try TextRule.result.checked(text)
            } catch {
                throw ValidationError(
                    "argument \(index + 1), '\(Shown.excerpt(Shown.withoutPasswords(text), 40))', \(error.reason)",
                    remedy: error.remedy)
            }
            // File names are bytes: an existing file's name is kept as given, even if the name is not in NFC.
            let isFile =
                !normal.utf8.elementsEqual(text.utf8)
                && FileManager.default.fileExists(atPath: text)
                && !FileManager.default.fileExists(atPath: normal)
            return isFile ? text : normal
        }
        try checkSubcommands(arguments, of: Ofa.self, path: "ofa")
        try checkRepeats(arguments)
        // The words of a completion request must stay as typed, so they are not joined.
        return arguments.first == "---completion" ? arguments : joiningNegatives(arguments)
    }

    /// Returns the arguments. If they ask for a help text (`help`, or a command that only has subcommands), `--json` is
    /// left out, because the parser accepts no options in a request for help.
    static func asksForHelp(_ arguments: [String]) -> [String] {
        let rest = arguments.filter { $0 != "--json" }
        if rest.first == "help" { return rest }
        var command: any ParsableCommand.Type = Ofa.self
        for word in rest {
            let subcommands = command.configuration.subcommands
            guard let next = subcommands.first(where: { $0.configuration.commandName == word })
            else { return arguments }
            command = next
        }
        let configuration = command.configuration
        return configuration.subcommands.isEmpty || configuration.defaultSubcommand != nil
            ? arguments : rest
    }

    /// Joins an option and a negative number: `--max-macs -5` becomes `--max-macs=-5`. Otherwise the parser would take
    /// `-5` for an option and report a missing value.
    static func joiningNegatives(_ arguments: [String]) -> [String] {
        var joined: [String] = []
        for (place, argument) in arguments.enumerated() {
            if argument == "--" { return joined + arguments[place...] }
            if let option = joined.last, option.hasPrefix("--"), !option.contains("="),
                argument.wholeMatch(of: /-\.?[0-9].*/) != nil
            {
                joined[joined.count - 1] = "\(option)=\(argument)"
            } else {
                joined.append(argument)
            }
        }
        return joined
    }

    /// Options that some command accepts more than once.
    private static let repeatable: Set = [
        "--set", "--limit", "--device", "--budget", "--latency-table", "--energy-table", "--use",
    ]

    /// Throws `ValidationError` for a repeated option, of which the parser would silently use the last value.
    static func checkRepeats(_ arguments: [String]) throws {
        var seen: Set<Substring> = []
        for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
            let name = argument.prefix { $0 != "=" }
            guard repeatable.contains(String(name)) || seen.insert(name).inserted else {
                throw ValidationError("\(name) stands twice", remedy: "give it once")
            }
        }
    }

    /// Throws `ValidationError` for an unknown subcommand.
    private static func checkSubcommands(
        _ arguments: [String], of command: any ParsableCommand.Type, path: String
    ) throws {
        let configuration = command.configuration
        guard let word = arguments.first, !word.hasPrefix("-"), !configuration.subcommands.isEmpty,
            word != "help"
        else { return }
        let known = configuration.subcommands.map { ($0.configuration.commandName ?? "", $0) }
        if let next = known.first(where: { $0.0 == word }) {
            return try checkSubcommands(
                Array(arguments.dropFirst()), of: next.1, path: "\(path) \(word)")
        }
        let names = known.map(\.0)
        // The word may be an argument of a default subcommand, so only words that resemble a subcommand are refused.
        if configuration.defaultSubcommand != nil, NearestName.find(word, among: names) == nil {
            return
        }
        throw ValidationError(
            "'\(Shown.excerpt(word, 40))' is no subcommand of \(path)",
            remedy: NearestName.remedy(word, known: names))
    }

    /// Returns a name in NFC; throws `ValidationError`, whose message begins with `what`, for an invalid name.
    static func name(_ text: String, _ what: String) throws -> String {
        do {
            return try TextRule.name.checked(text)
        } catch {
            throw ValidationError("\(what) \(error.reason)", remedy: error.remedy)
        }
    }
}

/// Parsers of enumerated words, for `@Option(transform:)`.
enum Word {
    /// Returns a parser of the raw values of `type`'s cases; its error suggests the nearest value.
    static func one<Case>(of type: Case.Type) -> @Sendable (String) throws -> Case
    where Case: RawRepresentable & CaseIterable & Sendable, Case.RawValue == String {
        { text in
            if let word = Case(rawValue: text) { return word }
            throw ValueFault(
                InputFault(
                    "is not known",
                    remedy: NearestName.remedy(text, known: Case.allCases.map(\.rawValue))))
        }
    }

    /// Returns the shell completion of the raw values of `type`'s cases.
    static func completion<Case>(_ type: Case.Type) -> CompletionKind
    where Case: RawRepresentable & CaseIterable, Case.RawValue == String {
        .list(Case.allCases.map(\.rawValue))
    }

    /// Returns a parser like that of `one`, except that it returns the raw value instead of the case.
    static func name<Case>(of type: Case.Type) -> @Sendable (String) throws -> String
    where Case: RawRepresentable & CaseIterable & Sendable, Case.RawValue == String {
        { try one(of: Case.self)($0).rawValue }
    }
}

/// Parsers of numbers for `@Option(transform:)`; `064`, `0x40`, `1:30` and `nan` are refused.
enum Number {
    /// Returns a parser of integers in `range`.
    static func whole(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        { text in try read { () throws(InputFault) in try DecimalNumber.whole(text, in: range) } }
    }

    /// Returns a parser of integers in `range` that may have an exponent, such as 6e6.
    static func count(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        let bounds = Double(range.lowerBound)...Double(range.upperBound)
        return { text in
            let number = try read { () throws(InputFault) in
                try DecimalNumber.real(text, in: bounds)
            }
            guard let count = Int(exactly: number) else {
                throw ValueFault(
                    InputFault("is not whole", remedy: "write a whole number, such as 3000000"))
            }
            return count
        }
    }

    /// Returns a parser of numbers in `range`.
    static func real(_ range: ClosedRange<Double>) -> @Sendable (String) throws -> Double {
        { text in try read { () throws(InputFault) in try DecimalNumber.real(text, in: range) } }
    }

    /// Parses a limit of a device, such as milliseconds.
    static let limit = real(1e-9...1e15)
    /// Parses a limit on a count, such as multiply-accumulates.
    static let countLimit = count(1...1_000_000_000_000_000)
    /// Parses an energy in picojoules.
    static let energy = real(0...1e12)

    /// Parses how many bytes a weight or an activation takes on a device.
    @Sendable static func bytes(_ text: String) throws -> Int {
        let bytes = try whole(1...4)(text)
        return try read { () throws(InputFault) in
            guard DeviceTarget.numberSizes.contains(bytes) else {
                let sizes = SearchSpace.listed(DeviceTarget.numberSizes)
                throw InputFault("it must be one of \(sizes)")
            }
            return bytes
        }
    }

    /// Parses the number of a run or a job.
    @Sendable static func id(_ text: String) throws -> Int64 { Int64(try whole(1...Int.max)(text)) }

    /// Parses a seed, 0 to 2^63 − 1.
    @Sendable static func seed(_ text: String) throws -> UInt64 {
        UInt64(try whole(0...Int.max)(text))
    }

    private static func read<Value>(_ body: () throws(InputFault) -> Value) throws -> Value {
        do { return try body() } catch { throw ValueFault(error) }
    }
}

/// The environment variables that this program reads.
enum Environment {
    /// The variables that `ofa` knows, including variables of tests and benchmarks.
    private static let known = [
        "OFA_DATABASE_URL", "OFA_HOME", "OFA_STORE", "OFA_ZONE", "OFA_TDP_WATTS",
        "OFA_HOST_THREADS", "OFA_ISA", "OFA_ACTOR", "OFA_HOST", "OFA_OPENLINEAGE",
        "OFA_SIGNING_KEY", "OFA_LOG_FORMAT",
        "OFA_CHECKPOINTS", "OFA_FASHION_MNIST", "OFA_FAULT_SECONDS", "OFA_FAULT_SEED",
        "OFA_FIXTURES", "OFA_FUZZ_CASES", "OFA_MEASURE", "OFA_PEERS", "OFA_PEER_PYTHON",
        "OFA_ONNX_FOLDER", "OFA_ONNX_VENV", "OFA_PUBLISHED", "OFA_SCREENS", "OFA_WEB_VENV",
        "OFA_QUEUE_OPERATIONS", "OFA_QUEUE_SEED", "OFA_SCALE_ROWS",
    ]

    /// Returns a variable's text in NFC; nil if unset or empty. Errors: `bad_setting`.
    static func text(
        _ name: String, _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> String? {
        guard let text = environment[name], !text.isEmpty else { return nil }
        do {
            return try TextRule.path.checked(text)
        } catch {
            throw CommandFailure.failed(
                "\(name) \(error.reason)", remedy: "correct it or unset it", code: "bad_setting")
        }
    }

    /// Throws if a known variable has an invalid value, so that a command fails before it changes anything. Prints a
    /// note for each unknown `OFA_` variable.
    static func check(
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        for name in known { _ = try text(name, environment) }
        _ = try openLineage(environment)
        _ = try LogFormat.fromEnvironment(environment)
        _ = try HostDescription.current(environment: environment)
        _ = try InstructionSet.fromEnvironment()
        for name in environment.keys.sorted() where name.hasPrefix("OFA_") && !known.contains(name)
        {
            Output.note(
                Remedy.joined(
                    "note: unknown variable \(Shown.excerpt(name))",
                    NearestName.remedy(name, among: known)))
        }
    }

    /// Returns where events about attempts are sent; nil if OFA_OPENLINEAGE is not set. Errors: `bad_setting`.
    static func openLineage(
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> OpenLineageTarget? {
        do {
            return try text("OFA_OPENLINEAGE", environment).map { try OpenLineageTarget($0) }
        } catch let error as PipelineError {
            throw CommandFailure.failed(
                "OFA_OPENLINEAGE: \(error.reason)", remedy: error.remedy, code: "bad_setting")
        }
    }

    /// Throws if OFA_ZONE names a zone (a country or `world`) for which the database has no carbon intensity.
    static func checkZone(_ connection: Connection) throws {
        guard try text("OFA_ZONE") != nil else { return }
        _ = try FactorSet.load(connection).zone(environment: ProcessInfo.processInfo.environment)
    }
}
