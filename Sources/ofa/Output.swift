// The output of every command: results on standard output (JSON or tables), everything else on standard error. Exit
// codes: 0 done, 1 failed, 2 object not found or condition not true, 64 usage error.
import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Networks
import Pipelines
import Devices
import Synchronization

/// The option that every command has.
struct OutputOptions: ParsableArguments {
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false
}

/// Writes results to standard output, and notes and progress to standard error. Printed text may come from outside, so
/// control characters and other deceptive characters are escaped here. On standard error, passwords are replaced by
/// `***`.
enum Output {
    /// The width of the current progress line in terminal cells; 0 without a progress line.
    private static let progressLength = Mutex(0)
    /// The time at which progress was last written to a standard error that cannot rewrite a line.
    private static let progressTime = Mutex<ContinuousClock.Instant?>(nil)
    /// The least time between two progress lines on a standard error that cannot rewrite a line.
    private static let progressInterval = Duration.seconds(10)

    /// Prints one value as one line of JSON with sorted keys; throws if standard output is closed.
    static func json(_ value: some Encodable) throws {
        try write(jsonText(value) + "\n")
    }

    /// Returns one value as one line of JSON with sorted keys.
    static func jsonText(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return escaped(
            String(decoding: try encoder.encode(NullKeeping(value: value)), as: UTF8.self))
    }

    /// Escapes characters that a terminal would interpret; the JSON keeps its meaning.
    static func escaped(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: Shown.isUnprintable) else { return json }
        return json.unicodeScalars.map { scalar in
            guard Shown.isUnprintable(scalar) else { return String(scalar) }
            return String(scalar).utf16.map { String(format: "\\u%04X", $0) }.joined()
        }.joined()
    }

    /// Prints a sentence on standard output, wrapped to the terminal's width; continuation lines begin below the first
    /// word. Throws if standard output is closed or full.
    static func line(_ text: String = "") throws {
        let line = Shown.line(text)
        let indent = line.prefix { " │├└─".contains($0) }
        let below = indent.map { "│├".contains($0) ? "│" : " " }.joined()
        try hang(String(line[indent.endIndex...]), after: String(indent), then: below)
    }

    /// Prints `value` after `name`; wrapped lines are aligned with the value.
    static func field(_ name: String, _ value: String) throws {
        let label = name.padding(toLength: 12, withPad: " ", startingAt: 0)
        try hang(Shown.line(value), after: label, then: String(repeating: " ", count: 12))
    }

    private static func hang(_ text: String, after first: String, then rest: String) throws {
        guard let width = Screen.tableWidth else { return try write(first + text + "\n") }
        let parts = Shown.wrapped(text, to: max(8, width - Shown.cells(first)))
        try write(
            parts.enumerated().map { ($0 == 0 ? first : rest) + $1 + "\n" }.joined())
    }

    /// Prints a text on one line without wrapping: a log line, or a value for a script.
    static func whole(_ text: String) throws {
        try write(Shown.line(text) + "\n")
    }

    /// Prints a multi-line text of another language (such as DOT) on standard output.
    static func lines(_ text: String) throws {
        try write(Shown.lines(text) + "\n")
    }

    /// Prints the lines of a text, each as `line` does. If there is no width to wrap to, they are written at once, which
    /// is much faster for thousands of lines.
    static func wrapped(_ text: String) throws {
        guard Screen.tableWidth != nil else { return try lines(text) }
        for one in text.split(separator: "\n", omittingEmptySubsequences: false) {
            try line(String(one))
        }
    }

    /// Prints a table on standard output, fitted to the terminal, with a bold head if the terminal supports this.
    static func table(_ table: Table) throws {
        let layout = table.layout(bold: Screen.isStyled, width: Screen.tableWidth)
        try write(layout.lines.joined(separator: "\n") + "\n")
        let names = layout.leftOut.filter { !$0.isEmpty }
        if let width = Screen.tableWidth, !names.isEmpty {
            let text = "  (no room for \(names.joined(separator: ", ")))"
            try write(Shown.cut(text, to: width) + "\n")
        }
    }

    /// Prints an error on standard error: one line of JSON, or text for people, or a line of a JSON log.
    static func failure(_ document: ErrorDocument, people text: String, asJSON: Bool) {
        endProgress()
        if !asJSON, LogFormat.current == .json {
            let error = document.error
            let line = LogLine(error.message, .error, code: error.code, remedy: error.remedy)
            return writeError(line.text + "\n")
        }
        do {
            writeError(Shown.lines(asJSON ? try jsonText(document) : text) + "\n")
        } catch {
            writeError(Shown.lines(text) + "\n")
        }
    }

    /// Prints `value` as JSON if `options` ask for it; otherwise calls `people`, which prints text.
    static func answer(
        _ value: some Encodable, _ options: OutputOptions, people: () throws -> Void
    ) throws {
        if options.json { try json(value) } else { try people() }
    }

    /// Prints a line on standard error; ends the progress line first.
    static func note(_ text: String) { note(text, .info) }

    /// Prints a line on standard error; `level` and `subject` are for the JSON format.
    static func note(
        _ text: String, _ level: LogLevel, about subject: LogSubject = .none
    ) {
        if LogFormat.current == .json {
            return writeError(LogLine(text, level, subject).text + "\n")
        }
        endProgress()
        writeError(Shown.lines(text) + "\n")
    }

    /// Shows progress: one line rewritten in place on a terminal; elsewhere, such as in a log, a
    /// line at most every `progressInterval`.
    static func progress(_ text: String, about subject: LogSubject = .none) {
        guard Screen.rewritesProgress, LogFormat.current == .text else {
            let now = ContinuousClock.now
            let isDue = progressTime.withLock { last in
                if let last, now - last < progressInterval { return false }
                last = now
                return true
            }
            if isDue { note(Shown.line(text), .info, about: subject) }
            return
        }
        // The text is cut to one line of the terminal, because a wrapped line cannot be rewritten in place.
        let shown = Shown.cut(Shown.line(text), to: max(Screen.progressWidth - 1, 20))
        let cells = Shown.cells(shown)
        progressLength.withLock { length in
            writeError("\r" + shown + String(repeating: " ", count: max(0, length - cells)))
            length = cells
        }
    }

    /// Ends the progress line, so that later output starts on a new line.
    static func endProgress() {
        progressLength.withLock { length in
            if length > 0 { writeError("\n") }
            length = 0
        }
    }

    /// Describes an error of any module in one or two lines.
    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as DecodingError: error.told
        case is CocoaError, is POSIXError:
            "a file cannot be read or written: \(FileBytes.reason(error))"
        case let error as any LocalizedError: error.errorDescription ?? "\(error)"
        case let error as any CustomStringConvertible: error.description
        default: error.localizedDescription
        }
    }

    /// Returns the exit code of an error. A `CommandFailure` has its own code. For other errors the code is 2 if a
    /// requested object does not exist or is ambiguous, if no network meets the limits, or if artifacts do not belong
    /// together; else the code is 1.
    static func exitCode(of error: any Error) -> ExitCode {
        switch error {
        case let error as CommandFailure: error.exitCode
        case let error as JobsError where error.code == .notFound: ExitCode(2)
        case let error as ArtifactsError where error.code == .notFound || error.code == .ambiguous:
            ExitCode(2)
        case let error as NetworkError where error.code == .unknownSpace: ExitCode(2)
        case let error as DeviceError where error.code == .infeasible: ExitCode(2)
        case let error as PipelineError where [.infeasible, .mismatch].contains(error.code):
            ExitCode(2)
        default: ExitCode.failure
        }
    }

    private static func write(_ text: String) throws { try bytes(Data(text.utf8)) }

    /// Writes bytes to standard output; throws if standard output is closed or full.
    static func bytes(_ bytes: Data) throws {
        do { try FileHandle.standardOutput.write(contentsOf: bytes) } catch {
            throw CommandFailure.failed(
                "cannot write standard output: \(FileBytes.reason(error))",
                code: "file")
        }
    }

    private static func writeError(_ text: String) {
        do {
            let text = Shown.withoutPasswords(text)
            try FileHandle.standardError.write(contentsOf: Data(text.utf8))
        } catch {
            // Standard error is closed. The command continues without messages.
        }
    }
}

/// Reads files and standard input.
enum Input {
    /// Returns a file's bytes; an error names the file and has exit code 2 if there is no such file. A file of more than
    /// `limit` bytes is refused unread.
    static func bytes(_ path: String, atMost limit: Int = FileBytes.mostBytes) throws -> [UInt8] {
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure.notFound("there is no file \(path)")
        }
        do throws(InputFault) {
            return try FileBytes.read(path, atMost: limit)
        } catch {
            throw CommandFailure.failed(
                "\(path) \(error.reason)", remedy: error.remedy, code: "file")
        }
    }

    /// Returns all of standard input; throws if there are more than `limit` bytes.
    static func standardInput(atMost limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try available() {
            bytes += more
            guard bytes.count <= limit else {
                throw CommandFailure.failed(
                    "standard input has more than \(limit >> 20) MB, and does not end",
                    remedy: "is it the right file?", code: "file")
            }
        }
        return bytes
    }

    /// Returns the bytes available on standard input, after waiting for at least one byte; nil at the end of the input.
    static func available() throws -> [UInt8]? {
        while true {
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
                let got = read(STDIN_FILENO, buffer.baseAddress, buffer.count)
                failure = got < 0 ? errno : 0
                count = max(0, got)
            }
            if failure == 0 { return bytes.isEmpty ? nil : bytes }
            guard failure == EINTR else {
                throw CommandFailure.failed(
                    "cannot read standard input: \(FileBytes.reason(failure))", code: "file")
            }
        }
    }
}
