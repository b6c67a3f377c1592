// Failures of commands. Exit codes: 0 done, 1 failed, 2 object not found or condition not true, 64 usage error. Scripts
// get a code word, the message and the remedy.
import Accounting
import ArgumentParser
import Artifacts
import Dashboard
import Datasets
import Devices
import Foundation
import Intake
import Interchange
import Jobs
import Metering
import Networks
import Pipelines
import Postgres
import Schema
import Search
import Tensors
import Training

/// A failure with exit code, problem and remedy, in one or two lines.
struct CommandFailure: Remedied {
    /// The exit code: 1 failed, 2 object not found or condition not true.
    let exitCode: ExitCode
    /// A word for the kind of failure, for scripts.
    let code: String
    /// The problem and its file, line or field.
    let reason: String
    /// How to fix the problem; nil if unknown.
    let remedy: String?

    /// Returns a failure of the work itself: exit code 1.
    static func failed(_ reason: String, remedy: String? = nil, code: String = "failed")
        -> CommandFailure
    {
        CommandFailure(exitCode: ExitCode(1), code: code, reason: reason, remedy: remedy)
    }

    /// Returns the failure for a requested object that does not exist: exit code 2.
    static func notFound(_ reason: String, remedy: String? = nil) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_found", reason: reason, remedy: remedy)
    }

    /// Returns the failure for a condition that was checked and does not hold: exit code 2.
    static func notTrue(_ reason: String, remedy: String? = nil) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_true", reason: reason, remedy: remedy)
    }

    /// Returns an error of any module as a failure whose message begins with `place`, such as a line number of standard
    /// input.
    static func at(_ place: String, _ error: any Error) -> CommandFailure {
        let document = ErrorDocument(error).error
        return CommandFailure(
            exitCode: Output.exitCode(of: error), code: document.code,
            reason: "\(place): \(document.message)", remedy: document.remedy)
    }
}

/// Usage errors pass through the parser as one text, in which a mark (a control character) separates reason and remedy.
enum UsageText {
    /// The mark between reason and remedy, a character that `ArgumentGate` allows in no argument.
    private static let mark: Character = "\u{1F}"

    /// Joins reason and remedy for the parser.
    static func marked(_ reason: String, _ remedy: String?) -> String {
        remedy.map { "\(reason)\(mark)\($0)" } ?? reason
    }

    /// Splits the parser's text into reason and remedy.
    static func parts(_ text: String) -> (reason: String, remedy: String?) {
        guard let place = text.firstIndex(of: mark) else { return (text, nil) }
        // The parser adds a colon after a quoted value.
        let reason = text[..<place]
        return (
            String(reason.hasSuffix(": ") ? reason.dropLast(2) : reason),
            String(text[text.index(after: place)...])
        )
    }

    /// Returns the parser's full message `text` in a form for people: without marks.
    static func plain(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            // For an error that a running command throws, the parser adds this usage line, which is not the usage of
            // that command.
            .filter { $0 != "Usage: ofa <subcommand>" }.map { line in
                let (reason, remedy) = parts(String(line))
                return Remedy.joined(reason, remedy)
            }.joined(separator: "\n")
    }
}

extension ValidationError {
    /// Makes a usage error with a remedy.
    init(_ reason: String, remedy: String?) { self.init(UsageText.marked(reason, remedy)) }
}

/// An error about a value on the command line; the parser prepends the option and the value.
struct ValueFault: LocalizedError {
    private let fault: InputFault

    /// Makes an error that shows the remedy of `fault`, or the reason if `fault` has no remedy.
    init(_ fault: InputFault) { self.fault = fault }

    /// The text that the parser appends.
    var errorDescription: String? {
        fault.remedy.map { UsageText.marked("", $0) } ?? fault.reason
    }
}

/// The JSON form of an error: `{"error":{"code":…,"message":…,"remedy":…}}`.
struct ErrorDocument: Encodable {
    /// The error.
    struct Body: Encodable {
        /// A word that is stable across versions.
        let code: String
        /// The problem.
        let message: String
        /// How to fix the problem; nil if unknown.
        let remedy: String?
    }

    /// The error.
    let error: Body

    /// Makes the document of an error of any module.
    init(_ error: any Error) {
        let told = error as? any Remedied
        self.error = Body(
            code: Self.code(error),
            message: Shown.withoutPasswords(told?.reason ?? Output.describe(error)),
            remedy: told?.remedy.map(Shown.withoutPasswords))
    }

    /// Makes the document of a usage error, from the parser's message. If the message has no remedy, the remedy is to
    /// see the command's help.
    init(usage error: any Error) {
        let full = Ofa.fullMessage(for: error).split(separator: "\n").map(String.init)
        let hint = full.last { $0.contains(" --help'") }
        let (reason, remedy) = UsageText.parts(Ofa.message(for: error))
        let usage = hint.map {
            "see " + $0.split(separator: "'").dropFirst().prefix(1).joined()
        }
        self.error = Body(
            code: "usage", message: Shown.withoutPasswords(reason),
            remedy: (remedy ?? usage).map(Shown.withoutPasswords))
    }

    /// Returns a code word for an error of any module; the word is stable across versions.
    static func code(_ error: any Error) -> String {
        switch error {
        case let error as CommandFailure: error.code
        case let error as AccountingError: word(error.code)
        case let error as ArtifactsError: word(error.code)
        case let error as DashboardError: word(error.code)
        case let error as DatasetError: word(error.code)
        case let error as DeviceError: word(error.code)
        case let error as InterchangeError: word(error.code)
        case let error as JobsError: word(error.code)
        case let error as DashboardError: word(error.code)
        case let error as MeteringError: word(error.code)
        case let error as NetworkError: word(error.code)
        case let error as PipelineError: word(error.code)
        case let error as SchemaError: word(error.code)
        case let error as SearchError: word(error.code)
        case let error as TensorError: word(error.code)
        case let error as TrainingError: word(error.code)
        case let error as PostgresError:
            error.isConnectionLoss
                ? "database_unreachable" : error.isShortage ? "database_full" : "database"
        case is StageFailure: "stage_failed"
        case is InputFault: "bad_input"
        case is DecodingError: "malformed"
        case is CocoaError, is POSIXError: "file"
        default: "failed"
        }
    }

    /// Returns an error code in snake case: `not_found` for `notFound`.
    private static func word(_ code: some Any) -> String {
        "\(code)".reduce(into: "") { word, letter in
            word += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
        }
    }
}
