// Manual pages in roff (the man(7) macros) from the tree of commands: one page for ofa, one for each subcommand, whose own
// subcommands are sections of it.

import Foundation
import Intake

/// A manual page.
struct ManualPage {
    /// The name of the page and of its file, without the section: `ofa-job`.
    let name: String
    /// The page in roff.
    let text: String

    /// The most characters of a line, in the source and of examples on the page.
    private static let width = 70

    /// Returns the pages of `ofa` and of its subcommands; `day` is the day of the program, such as 2026-12-01.
    static func all(of ofa: CommandTree, version: String, day: String) -> [ManualPage] {
        [ManualPage(top: ofa, version, day)]
            + ofa.shown.map { ManualPage(command: $0, version, day) }
    }

    private init(top ofa: CommandTree, _ version: String, _ day: String) {
        name = ofa.commandName
        var lines = Self.head(name, ofa.abstract, version, day)
        lines += [".SH SYNOPSIS", ".B ofa", ".I command", "[\\fIargument\\fR ...]"]
        let parts = Self.split(ofa.discussion)
        lines += [".SH DESCRIPTION"] + Self.prose(parts.prose)
        lines.append(".SH COMMANDS")
        for command in ofa.shown {
            lines += [".TP", ".BR ofa\\-" + Self.escaped(command.commandName) + " (1)"]
            lines += Self.filled(command.abstract ?? "")
        }
        lines += [".SH OPTIONS"] + Self.options(ofa)
        lines += [".SH EXIT STATUS"]
        for (code, meaning) in [
            ("0", "Done."), ("1", "Failed."), ("2", "Not found, or not true."),
            ("64", "The command line is wrong."), ("130", "After a second Ctrl\u{2D}C."),
        ] {
            lines += [".TP", ".B \(code)"] + Self.filled(meaning)
        }
        lines.append(".SH ENVIRONMENT")
        for (variable, meaning) in Self.variables {
            lines += [".TP", ".B \(variable)"] + Self.filled(meaning)
        }
        lines += [".SH EXAMPLES"]
        lines += Self.examples([
            "  ofa run pipelines/fashion-mnist-quick.yaml", "  ofa status --watch",
        ])
        text = lines.joined(separator: "\n") + "\n"
    }

    private static let variables = [
        ("OFA_DATABASE_URL", "The PostgreSQL URL of the database, as with --database."),
        ("OFA_HOME", "The folder of the private server and of caches; .ofa without it."),
        ("COLUMNS", "The width of tables in terminal cells."),
        ("NO_COLOR", "If set, nothing is printed bold or in colour."),
        ("TERM", "If dumb, lines are not rewritten and there is no live view."),
    ]

    private init(command: CommandTree, _ version: String, _ day: String) {
        name = command.words.joined(separator: "-")
        var lines = Self.head(name, command.abstract, version, day)
        lines += [".SH SYNOPSIS"] + Self.synopsis(command)
        let parts = Self.split(command.discussion)
        if !parts.prose.isEmpty { lines += [".SH DESCRIPTION"] + Self.prose(parts.prose) }
        if !command.shown.isEmpty {
            lines.append(".SH COMMANDS")
            lines += command.shown.flatMap { Self.section($0) }
        }
        let options = Self.options(command)
        if !options.isEmpty { lines += [".SH OPTIONS"] + options }
        if !parts.examples.isEmpty { lines += [".SH EXAMPLES"] + Self.examples(parts.examples) }
        lines += [".SH SEE ALSO", ".BR ofa (1)"]
        text = lines.joined(separator: "\n") + "\n"
    }

    /// A subcommand as a section, with those below it.
    private static func section(_ command: CommandTree) -> [String] {
        var lines = [".SS " + escaped(command.words.joined(separator: " "))]
        lines += filled(command.abstract ?? "")
        if command.shown.isEmpty { lines += [".PP"] + synopsis(command) }
        let parts = split(command.discussion)
        if !parts.prose.isEmpty { lines += [".PP"] + prose(parts.prose) }
        if command.shown.isEmpty { lines += options(command) }
        if !parts.examples.isEmpty {
            lines += [".PP", "Example:", ".PP"] + examples(parts.examples)
        }
        return lines + command.shown.flatMap { section($0) }
    }

    private static func head(
        _ name: String, _ abstract: String?, _ version: String, _ day: String
    ) -> [String] {
        let brief = (abstract ?? "").trimmingCharacters(in: CharacterSet(charactersIn: "."))
        return [
            ".\\\" Written by ofa manual; do not change it here.",
            ".TH \"\(escaped(name.uppercased()))\" 1 \"\(day)\" \"\(escaped(version))\" \"ofa\"",
            ".SH NAME",
        ] + filled("\(name) - \(brief)")
    }

    // MARK: Arguments

    /// The arguments of a command; the page of ofa alone has those that all commands have.
    private static func shown(_ command: CommandTree) -> [CommandTree.Argument] {
        (command.arguments ?? []).filter { argument in
            let names = Set((argument.names ?? []).map(\.name))
            return argument.shouldDisplay
                && (command.words.count == 1 || names.isDisjoint(with: ["help", "version"]))
        }
    }

    private static func synopsis(_ command: CommandTree) -> [String] {
        var lines = [".B " + escaped(command.words.joined(separator: " "))]
        if !command.shown.isEmpty { lines.append("\\fIcommand\\fR") }
        for argument in shown(command) {
            var text = term(argument, all: false)
            if argument.isRepeating { text += " ..." }
            if argument.isOptional { text = "[\(text)]" }
            lines.append(text)
        }
        return lines
    }

    private static func options(_ command: CommandTree) -> [String] {
        shown(command).flatMap { argument -> [String] in
            var text = argument.abstract ?? ""
            if let value = argument.defaultValue, !value.isEmpty, !text.contains("default") {
                text += " Default: \(value)."
            }
            return [".TP", term(argument, all: true)] + filled(text.isEmpty ? "See above." : text)
        }
    }

    /// An argument as it is typed: `\fB\-n\fR, \fB\-\-lines\fR \fIlines\fR`.
    private static func term(_ argument: CommandTree.Argument, all: Bool) -> String {
        let value = argument.valueName.map { "\\fI\(escaped($0))\\fR" } ?? "\\fIvalue\\fR"
        guard let names = argument.names, !names.isEmpty else { return value }
        let long = names.first { $0.kind == "long" } ?? names[0]
        let shown = all ? names : [long]
        let text = shown.map { "\\fB\(escaped($0.typed))\\fR" }.joined(separator: ", ")
        return argument.kind == "flag" ? text : "\(text) \(value)"
    }

    // MARK: Text

    /// The lines of a discussion: those before `Example:`, and the indented ones after it.
    private static func split(_ discussion: String?) -> (prose: [String], examples: [String]) {
        let lines = (discussion ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
        guard let place = lines.firstIndex(where: { ["Example:", "Examples:"].contains($0) }) else {
            return (trimmed(lines), [])
        }
        let after = lines[(place + 1)...]
        let examples = after.prefix { $0.isEmpty || $0.hasPrefix(" ") }
        return (
            trimmed(Array(lines[..<place]) + after.dropFirst(examples.count)),
            trimmed(Array(examples))
        )
    }

    /// The lines without empty ones at both ends.
    private static func trimmed(_ lines: [String]) -> [String] {
        let start = lines.drop { $0.isEmpty }
        return start.reversed().drop { $0.isEmpty }.reversed()
    }

    /// Paragraphs; indented lines stay as they are.
    private static func prose(_ lines: [String]) -> [String] {
        var result: [String] = []
        for paragraph in lines.split(separator: "", omittingEmptySubsequences: true) {
            if !result.isEmpty { result.append(".PP") }
            for part in paragraph.indices {
                let line = paragraph[part]
                let isIndented = line.hasPrefix(" ")
                let follows = part > paragraph.startIndex
                if isIndented {
                    if !follows || !paragraph[part - 1].hasPrefix(" ") {
                        result += [".RS 2", ".nf"]
                    }
                    result += example(line)
                    if part + 1 == paragraph.endIndex || !paragraph[part + 1].hasPrefix(" ") {
                        result += [".fi", ".RE"]
                    }
                } else {
                    if follows, !paragraph[part - 1].hasPrefix(" ") { result.append(".br") }
                    result += filled(line)
                }
            }
        }
        return result
    }

    private static func examples(_ lines: [String]) -> [String] {
        [".nf"] + lines.flatMap { $0.isEmpty ? [".sp"] : example($0) } + [".fi"]
    }

    /// A line of an example, broken as a shell allows it: a comment goes before its command, and a long command goes on
    /// after a backslash.
    private static func example(_ line: String) -> [String] {
        let text = line.trimmingCharacters(in: .whitespaces)
        if Shown.cells(text) <= width { return [escaped(text)] }
        if let mark = text.range(of: " # ") {
            let comment = String(text[mark.upperBound...])
            let command = text[..<mark.lowerBound].trimmingCharacters(in: .whitespaces)
            return Shown.wrapped(comment, to: width - 2).map { escaped("# " + $0) }
                + example(command)
        }
        let parts = Shown.wrapped(text, to: width - 6)
        var isQuoted = false
        return parts.enumerated().map { place, part in
            let indent = place == 0 ? "" : "    "
            for mark in part where mark == "'" { isQuoted.toggle() }
            // Between quotes the line feed is part of the text, which is JSON.
            let end = place + 1 == parts.count || isQuoted ? "" : " \\"
            return escaped(indent + part + end)
        }
    }

    /// A text in lines of the source, which roff fills again.
    private static func filled(_ text: String) -> [String] {
        let words = text.replacing("\n", with: " ").split(separator: " ").joined(separator: " ")
        // Escapes make lines longer.
        return Shown.wrapped(words, to: width - 12).map { line in
            escaped(line)
        }
    }

    /// A text that roff prints as it is.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in Shown.line(text).unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case "\"": result += "\\(dq"
            case " "..."~": result.unicodeScalars.append(scalar)
            default: result += "\\[u" + hexadecimal(scalar) + "]"
            }
        }
        // A line that begins with a dot would be a request.
        return result.hasPrefix(".") ? "\\&" + result : result
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
