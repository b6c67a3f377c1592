// `ofa classify`: prints the classes that a network predicts for pictures.

import ArgumentParser
import Artifacts
import Datasets
import Foundation
import Intake
import Networks
import Pipelines
import Postgres

/// Prints the most probable classes of pictures.
struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify",
        abstract: "Shows JPEG and PNG pictures to a network: classes with probabilities.",
        discussion: """
            Pictures are resized and cropped as the evaluation does that measured the network. The milliseconds are those \
            of the network on one thread, without reading the picture. With --json every line is an object; one for a \
            picture that was not classified has an error, and the exit code is then 1.

            Example:
              ofa classify phone-network holiday/*.jpg
              ofa classify 12 cat.png --top 3 --json
            """)

    /// A line of the JSON answer.
    struct Answer: Encodable {
        /// A class and its probability; the number and the name are those in an exported model's metadata.
        struct Class: Encodable {
            let `class`: Int
            let name: ByteName
            let probability: Double
        }

        let file: String
        let classes: [Class]?
        let milliseconds: Double?
        let error: ErrorDocument.Body?
    }

    /// The network.
    @OptionGroup var artifact: ArtifactArgument
    /// The pictures.
    @Argument(
        help: ArgumentHelp("The pictures, JPEG or PNG.", valueName: "file"), completion: .file())
    var pictures: [String]
    /// How many classes to print.
    @Option(
        help: "How many classes to print of each picture (5).", transform: Number.whole(1...1000))
    var top = 5
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let classifier = try PictureClassifier(
            try StoredNetwork(
                found, connection, cache: BlobCache(folder: DatabaseOptions.home + "/cache")))
        var failed = 0
        for picture in pictures {
            let answer = answer(classifier, picture)
            if let error = answer.error {
                failed += 1
                if !output.json {
                    Output.note(Remedy.joined("Error: \(error.message)", error.remedy))
                }
            }
            if output.json { try Output.json(answer) } else { try say(answer) }
        }
        if failed > 0 {
            throw CommandFailure.failed(
                "\(failed) of \(pictures.count) pictures were not classified", code: "unreadable")
        }
    }

    private func answer(_ classifier: PictureClassifier, _ picture: String) -> Answer {
        do {
            let path = try TextRule.path.checked(picture)
            let result = try classifier.classify(try FileBytes.read(path, atMost: 1 << 30))
            return Answer(
                file: picture,
                classes: result.classes.prefix(top).map {
                    Answer.Class(
                        class: $0.number, name: $0.name, probability: $0.probability)
                }, milliseconds: result.milliseconds, error: nil)
        } catch {
            return Answer(
                file: picture, classes: nil, milliseconds: nil,
                error: ErrorDocument(CommandFailure.at(picture, error)).error)
        }
    }

    private func say(_ answer: Answer) throws {
        guard let classes = answer.classes, let milliseconds = answer.milliseconds else { return }
        let words = classes.map { "\($0.name) \(Format.decimal(100 * $0.probability, 2)) %" }
        try Output.line(
            "\(answer.file): \(words.joined(separator: ", ")) (\(Format.decimal(milliseconds, 3)) ms)"
        )
    }
}
