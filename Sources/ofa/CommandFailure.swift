// Failures: the exit codes 0 done, 1 failed, 2 not found or not true, 64 usage; for scripts a code word, the
// message and the remedy.
import Accounting
import ArgumentParser
import Artifacts
import Datasets
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

/// A failure that decides the exit code and says what is wrong and what to do, in one or two lines.
struct CommandFailure: Remedied {
    /// 1 failed, 2 not found or not true.
    let exitCode: ExitCode
    /// What kind of failure it is, for scripts.
    let code: String
    /// What is wrong, in which file, line or field.
    let reason: String
    /// What to do; nil where nothing is known.
    let remedy: String?

    /// A failure of the work itself: exit code 1.
    static func failed(_ reason: String, remedy: String? = nil, code: String = "failed")
        -> CommandFailure
    {
        CommandFailure(exitCode: ExitCode(1), code: code, reason: reason, remedy: remedy)
    }

    /// Something asked for does not exist: exit code 2.
    static func notFound(_ reason: String, remedy: String? = nil) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_found", reason: reason, remedy: remedy)
    }

    /// A check is not true: exit code 2.
    static func notTrue(_ reason: String, remedy: String? = nil) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_true", reason: reason, remedy: remedy)
    }

    /// An error of any module about what stands at `place`, such as a line of standard input.
    static func at(_ place: String, _ error: any Error) -> CommandFailure {
        let document = ErrorDocument(error).error
        return CommandFailure(
            exitCode: Output.exitCode(of: error), code: document.code,
            reason: "\(place): \(document.message)", remedy: document.remedy)
    }
}

/// Usage errors go through the parser, which hands on one text: a mark in it parts the reason from the remedy.
enum UsageText {
    /// No argument can hold it, see `ArgumentGate`.
    private static let mark: Character = "\u{1F}"

    /// The text for the parser.
    static func marked(_ reason: String, _ remedy: String?) -> String {
        remedy.map { "\(reason)\(mark)\($0)" } ?? reason
    }

    /// What the parser made of it, in two parts.
    static func parts(_ text: String) -> (reason: String, remedy: String?) {
        guard let place = text.firstIndex(of: mark) else { return (text, nil) }
        // After a value that it quotes, the parser puts a colon itself.
        let reason = text[..<place]
        return (
            String(reason.hasSuffix(": ") ? reason.dropLast(2) : reason),
            String(text[text.index(after: place)...])
        )
    }

    /// The parser's full message as people read it.
    static func plain(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            // What is found only while a command runs: the parser has forgotten which command it was.
            .filter { $0 != "Usage: ofa <subcommand>" }.map { line in
                let (reason, remedy) = parts(String(line))
                return Remedy.joined(reason, remedy)
            }.joined(separator: "\n")
    }
}

extension ValidationError {
    /// A usage error with what to do.
    init(_ reason: String, remedy: String?) { self.init(UsageText.marked(reason, remedy)) }
}

/// What a value on the command line must be; the parser quotes the value and the option before it.
struct ValueFault: LocalizedError {
    private let fault: InputFault

    /// Takes the reason, and its remedy alone where there is one.
    init(_ fault: InputFault) { self.fault = fault }

    /// What the parser appends.
    var errorDescription: String? {
        fault.remedy.map { UsageText.marked("", $0) } ?? fault.reason
    }
}

/// The JSON form of an error: `{"error":{"code":…,"message":…,"remedy":…}}`.
struct ErrorDocument: Encodable {
    /// The error.
    struct Body: Encodable {
        /// A word that stays the same from version to version.
        let code: String
        /// What is wrong.
        let message: String
        /// What to do; nil where nothing is known.
        let remedy: String?
    }

    /// The error.
    let error: Body

    /// The document of an error of any module.
    init(_ error: any Error) {
        let told = error as? any Remedied
        self.error = Body(
            code: Self.code(error),
            message: Shown.withoutPasswords(told?.reason ?? Output.describe(error)),
            remedy: told?.remedy.map(Shown.withoutPasswords))
    }

    /// A usage error: what the parser says of it, and where the usage is told.
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

    /// A word for the kind of error, the same for the same case of a module's codes.
    static func code(_ error: any Error) -> String {
        switch error {
        case let error as CommandFailure: error.code
        case let error as AccountingError: word(error.code)
        case let error as ArtifactsError: word(error.code)
        case let error as DatasetError: word(error.code)
        case let error as InterchangeError: word(error.code)
        case let error as JobsError: word(error.code)
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

    /// `not_found` for `notFound`.
    private static func word(_ code: some Any) -> String {
        "\(code)".reduce(into: "") { word, letter in
            word += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
        }
    }
}
