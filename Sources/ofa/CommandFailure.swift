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
struct CommandFailure: Error, CustomStringConvertible {
    /// 1 failed, 2 not found or not true.
    let exitCode: ExitCode
    /// What kind of failure it is, for scripts.
    let code: String
    /// What is wrong, in which file, line or field, and what to do.
    let description: String

    /// A failure of the work itself: exit code 1.
    static func failed(_ message: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(1), code: "failed", description: message)
    }

    /// Something asked for does not exist: exit code 2.
    static func notFound(_ message: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_found", description: message)
    }

    /// A check is not true: exit code 2.
    static func notTrue(_ message: String) -> CommandFailure {
        CommandFailure(exitCode: ExitCode(2), code: "not_true", description: message)
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
        /// What to do; nil where the message does not say.
        let remedy: String?
    }

    /// The error.
    let error: Body

    /// The document of an error of any module.
    init(_ error: any Error) {
        let text = Output.describe(error)
        guard let failure = error as? PostgresError, let remedy = failure.remedy else {
            self.init(code: Self.code(error), text)
            return
        }
        let message = text.hasSuffix("\n" + remedy) ? text.dropLast(remedy.count + 1) : text[...]
        self.init(error: Body(code: Self.code(error), message: String(message), remedy: remedy))
    }

    private init(error: Body) { self.error = error }

    /// A usage error: what the parser says of it, and where the usage is told.
    init(usage error: any Error) {
        let full = Ofa.fullMessage(for: error).split(separator: "\n").map(String.init)
        let hint = full.last { $0.contains(" --help'") }
        self.init(
            code: "usage", Ofa.message(for: error),
            remedy: hint.map { "see " + $0.split(separator: "'").dropFirst().prefix(1).joined() })
    }

    private init(code: String, _ text: String, remedy: String? = nil) {
        let (message, own) = Self.split(text)
        self.init(error: Body(code: code, message: message, remedy: own ?? remedy))
    }

    /// A message of this program reads `what is wrong: what to do` or `what is wrong; what to do`, or in two sentences,
    /// and what to do begins with a verb or a command. Where no such part follows, all of it is the message.
    static func split(_ text: String) -> (message: String, remedy: String?) {
        var place = text.startIndex
        while let mark = text[place...].firstIndex(where: { ":;.\n".contains($0) }) {
            place = text.index(after: mark)
            let rest = text[place...].drop(while: \.isWhitespace)
            // `12:30` and `a.csv` are no ends of sentences.
            guard rest.startIndex > place || text[mark] == "\n" else { continue }
            let word = rest.drop { $0 == "`" }.prefix { $0.isLetter }
            guard verbs.contains(word.lowercased()),
                text[mark] != "." || word.first?.isUppercase == true
            else { continue }
            return (String(text[..<mark]), String(rest))
        }
        return (text, nil)
    }

    private static let verbs: Set<String> = [
        "add", "ask", "calibrate", "change", "check", "choose", "convert", "correct", "create",
        "delete", "did", "export", "find", "fit", "free", "give", "grant", "import", "install",
        "keep", "leave", "list", "look", "lower", "make", "measure", "mend", "move", "name", "ofa",
        "open", "pass", "pause", "pick", "point", "put", "raise", "read", "reduce", "remove",
        "rename", "repair", "repeat", "replace", "report", "restart", "restore", "resume", "retry",
        "run", "save", "say", "see", "set", "shorten", "split", "start", "stop", "take", "train",
        "try", "turn", "update", "upgrade", "use", "wait", "write",
    ]

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
