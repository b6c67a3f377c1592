// The tree of commands as the argument parser describes it, for manual pages.

import Foundation

/// A command with its arguments and subcommands.
struct CommandTree: Decodable {
    /// An argument, an option or a flag.
    struct Argument: Decodable {
        /// A name of an option or flag.
        struct Name: Decodable {
            /// `short`, `long` or `longWithSingleDash`.
            let kind: String
            /// The name without dashes.
            let name: String

            /// The name as it is typed.
            var typed: String { (kind == "long" ? "--" : "-") + name }
        }

        /// `positional`, `option` or `flag`.
        let kind: String
        /// Whether help shows it.
        let shouldDisplay: Bool
        /// Whether it may be left out.
        let isOptional: Bool
        /// Whether it may be given several times.
        let isRepeating: Bool
        /// The names of an option or flag; nil for an argument.
        let names: [Name]?
        /// What its value is called; nil for a flag.
        let valueName: String?
        /// The default, as text.
        let defaultValue: String?
        /// What it is for.
        let abstract: String?
    }

    /// The command that the document describes.
    private struct Document: Decodable {
        let command: CommandTree
    }

    /// The names of the commands above, from `ofa` on.
    let superCommands: [String]?
    /// The name.
    let commandName: String
    /// Whether help shows the command.
    let shouldDisplay: Bool
    /// What the command does, in one line.
    let abstract: String?
    /// More about it, with an example.
    let discussion: String?
    /// The name of the subcommand that runs if none is given.
    let defaultSubcommand: String?
    /// The commands below.
    let subcommands: [CommandTree]?
    /// The arguments, options and flags.
    let arguments: [Argument]?

    /// The words of the command: `ofa`, `job`, `log`.
    var words: [String] { (superCommands ?? []) + [commandName] }
    /// The subcommands that help shows.
    var shown: [CommandTree] {
        (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    /// Reads the tree of this program.
    static func ofa() throws -> CommandTree {
        try JSONDecoder().decode(Document.self, from: Data(Ofa._dumpHelp().utf8)).command
    }
}
