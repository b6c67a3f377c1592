// `ofa dataset`: draws pictures to try the program with, and shows imported data sets, so that people can look at a
// data set before training.

import ArgumentParser
import Artifacts
import Datasets
import Foundation
import Pipelines
import Postgres

/// The commands about data sets.
struct DatasetCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "dataset",
        abstract: "Data sets: what they hold, a page of their pictures, pictures to try.",
        discussion: """
            Example:
              ofa dataset draw pictures
              ofa dataset show 12 -o sheet.png
            """,
        subcommands: [DatasetShow.self, DatasetDraw.self])
}

/// Shows the classes, counts and sizes of a data set; can also write a contact sheet, one image with many of its
/// pictures.
struct DatasetShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows classes, counts and sizes; with -o writes a contact sheet.",
        discussion: """
            The rows of a contact sheet are the classes in their order, the pictures of a row are spread evenly over the \
            class, as they are stored. With many classes the rows stand in several columns.

            Example:
              ofa dataset show 12 -o sheet.png
              ofa dataset show birds-test-images -o sheet.png --pictures 16
            """)

    /// The JSON answer of `show`.
    struct Answer: Encodable {
        /// A row of the contact sheet: one class.
        struct Row: Encodable {
            let column, row, label: Int
            let name: String?
            let pictures: Int
        }

        let artifact: Int64
        let dataset: DatasetSummary
        /// The file and the rows of the contact sheet; nil if none was written.
        var file: String?
        var rows: [Row]?

        private enum CodingKeys: String, CodingKey {
            case dataset = "data_set"
            case artifact, file, rows
        }
    }

    /// The data set.
    @OptionGroup var artifact: ArtifactArgument
    /// The PNG file to write; nil for no contact sheet.
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The PNG file of a contact sheet; - for standard output.", completion: .file())
    var file: String?
    /// The maximum number of pictures per class on the contact sheet.
    @Option(help: "The most pictures of a class on the sheet.", transform: Number.whole(1...100))
    var pictures = 8
    /// The maximum number of classes on the contact sheet.
    @Option(
        help: "The most classes on the sheet, from the first on.",
        transform: Number.whole(1...1000))
    var classes = 200
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Writes the contact sheet if a file is given, and prints the summary.
    mutating func run() throws {
        let target = try file.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let rows = try DatasetSummary(reading: found, connection)
        var answer = Answer(artifact: found.id.rawValue, dataset: rows)
        if let target, let file {
            answer.rows = try sheet(of: found, connection, into: target)
            answer.file = file
            if target.isStandardOutput { return }
        }
        try Output.answer(answer, output) { try say(answer) }
    }

    private func sheet(
        of found: Artifact, _ connection: Connection, into target: OutputFile
    ) throws -> [Answer.Row] {
        let source = try ImportedImages.open(
            found, connection, cache: BlobCache(folder: DatabaseOptions.home + "/cache")
        ) { done, all in
            if all > 1 { Output.progress("opening shard \(done + 1) of \(all)") }
        }
        Output.endProgress()
        let sheet = ContactSheet.usual(source, pictures: pictures, classes: classes)
        let png = try sheet.png(source)
        try target.write { try $0(Data(png)) }
        let names = source.classNames
        return sheet.rows.enumerated().map { number, row in
            Answer.Row(
                column: number / sheet.rowsEach + 1, row: number % sheet.rowsEach + 1,
                label: row.label,
                name: row.label < names.count ? names[row.label].description : nil,
                pictures: row.count)
        }
    }

    private func say(_ answer: Answer) throws {
        var table = Table(.text("FIELD"), .wrapping("VALUE"))
        table.rows = answer.dataset.rows
        try Output.table(table)
        guard let rows = answer.rows, let file = answer.file else { return }
        var places = Table(
            .number("COLUMN"), .number("ROW"), .number("CLASS"), .text("NAME"),
            .number("PICTURES"))
        places.rows = rows.map { row in
            [
                "\(row.column)", "\(row.row)", "\(row.label)", row.name ?? "-",
                Format.grouped(row.pictures),
            ]
        }
        try Output.line()
        try Output.table(places)
        let all = answer.dataset.classes.count
        try Output.line(
            "\(file): at most \(pictures) pictures of each of "
                + (rows.count < all
                    ? "the first \(rows.count) of \(all) classes" : "\(all) classes"))
    }
}
