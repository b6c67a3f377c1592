// `ofa manual`: writes the manual pages into a folder, for ops/install.sh. Help does not list it.

import ArgumentParser
import Foundation
import Intake

/// Writes the manual pages.
struct ManualCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write the manual pages into a folder.",
        discussion: """
            One page for ofa and one for each of its subcommands, as man1/ofa.1 and so on.

            Example:
              ofa manual ~/.local/share/man
            """, shouldDisplay: false)

    /// The folder.
    @Argument(help: "The folder; man1 below it is made.", completion: .directory)
    var folder: String
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Writes the pages and prints their files.
    mutating func run() throws {
        let below = URL(filePath: folder).appending(path: "man1")
        let version = Version()
        var files: [String] = []
        try FileManager.default.createDirectory(at: below, withIntermediateDirectories: true)
        for page in ManualPage.all(
            of: try CommandTree.ofa(), version: "ofa \(version.version)", day: try Self.day())
        {
            let file = below.appending(path: "\(page.name).1")
            try page.text.write(to: file, atomically: true, encoding: .utf8)
            files.append(file.path)
        }
        try Output.answer(files, output) { for file in files { try Output.line(file) } }
    }

    /// The day on which this program was built, in UTC.
    private static func day() throws -> String {
        let path = Bundle.main.executablePath ?? CommandLine.arguments[0]
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let built = attributes[.modificationDate] as? Date ?? Date()
        return built.formatted(Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day())
    }
}
