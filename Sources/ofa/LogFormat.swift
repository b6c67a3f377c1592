// The lines that `ofa worker` and `ofa run` write on standard error: for people, or with `--log-format json` one JSON object
// each, for programs that collect logs.

import ArgumentParser
import Foundation
import Intake
import Jobs
import Synchronization

/// How lines on standard error look.
enum LogFormat: String, CaseIterable, Sendable {
    /// For people.
    case text
    /// A JSON object a line.
    case json

    /// The format of this process.
    static var current: LogFormat { chosen.withLock(\.self) }

    private static let chosen = Mutex(LogFormat.text)

    /// The commands that have the option.
    private static let commands: Set = ["run", "worker"]

    /// Chooses the format of this process from its arguments, or else from OFA_LOG_FORMAT, before anything is written. A
    /// wrong word in the arguments is left to the parser. Errors: `bad_setting`.
    static func choose(
        _ arguments: [String],
        _ environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        guard commands.contains(arguments.first ?? "") else { return }
        let format = try given(arguments) ?? fromEnvironment(environment) ?? .text
        chosen.withLock { $0 = format }
    }

    private static func given(_ arguments: [String]) -> LogFormat? {
        let options = arguments.prefix { $0 != "--" }
        for (place, word) in options.enumerated() {
            if word == "--log-format", place + 1 < options.count {
                return LogFormat(rawValue: options[place + 1])
            }
            if word.hasPrefix("--log-format=") {
                return LogFormat(rawValue: String(word.dropFirst(13)))
            }
        }
        return nil
    }

    /// Returns the format of OFA_LOG_FORMAT; nil if it is not set. Errors: `bad_setting`.
    static func fromEnvironment(_ environment: [String: String]) throws -> LogFormat? {
        guard let word = try Environment.text("OFA_LOG_FORMAT", environment) else { return nil }
        if let format = LogFormat(rawValue: word) { return format }
        throw CommandFailure.failed(
            "OFA_LOG_FORMAT is '\(Shown.excerpt(word, 40))', which is no format of a log",
            remedy: "set it to text or json, or unset it", code: "bad_setting")
    }
}

/// The option of commands that run jobs.
struct LogOptions: ParsableArguments {
    /// The format; `LogFormat.choose` has read it already.
    @Option(
        help: ArgumentHelp(
            "How lines on standard error look: text, or json for one object a line; by default OFA_LOG_FORMAT, or text.",
            valueName: "format"),
        transform: Word.one(of: LogFormat.self))
    var logFormat: LogFormat?
}

/// How much a line matters.
enum LogLevel: String, Encodable, Sendable {
    /// What happens as it should.
    case info
    /// A problem that the program goes on with.
    case warning
    /// A failure of what was asked for.
    case error
}

/// What a line is about, as far as that is known.
struct LogSubject: Sendable {
    /// The run, the job and the number of the attempt.
    var run: RunID?, job: JobID?, attempt: Int?
    /// The stage and its kind.
    var stage: String?, kind: String?

    /// Nothing in particular.
    static let none = LogSubject()

    /// A run, or a stage of it.
    static func run(_ run: RunID, stage: String? = nil) -> LogSubject {
        LogSubject(run: run, stage: stage)
    }

    /// An attempt of a job.
    static func attempt(_ lease: Lease) -> LogSubject {
        LogSubject(
            run: lease.runID, job: lease.jobID, attempt: lease.attempt, stage: lease.stage,
            kind: lease.kind)
    }
}

/// A line of the JSON format.
struct LogLine: Encodable {
    private let time, message, host: String
    private let level: LogLevel
    private let run: RunID?, job: JobID?, attempt: Int?
    private let stage, kind, code, remedy: String?
    private let worker: Int

    /// Makes a line. Passwords are replaced by `***`, and control characters are escaped, so that a program that prints the
    /// decoded text prints no terminal escapes.
    init(
        _ message: String, _ level: LogLevel, _ subject: LogSubject = .none, code: String? = nil,
        remedy: String? = nil, now: Date = Date()
    ) {
        let shown = { (text: String) in Shown.lines(Shown.withoutPasswords(text)) }
        time = now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        self.message = shown(message)
        self.level = level
        (run, job, attempt) = (subject.run, subject.job, subject.attempt)
        (stage, kind) = (subject.stage.map(shown), subject.kind.map(shown))
        self.code = code
        self.remedy = remedy.map(shown)
        host = shown(HostIdentity.current.name)
        worker = Int(getpid())
    }

    /// The line without its end. Fields without a value are left out.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Output.escaped(String(decoding: try encoder.encode(self), as: UTF8.self))
        } catch {
            // No field has a value that JSON lacks.
            preconditionFailure("a line of the log cannot be encoded: \(error)")
        }
    }
}
