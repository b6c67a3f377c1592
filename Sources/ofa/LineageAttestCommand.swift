// `ofa lineage attest` writes a statement of how an artifact was made, for people who use the artifact elsewhere.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Pipelines
import Postgres

/// Writes the in-toto statement of an artifact.
struct LineageAttest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attest",
        abstract: "Writes an in-toto statement with SLSA provenance about an artifact.",
        discussion: """
            With OFA_SIGNING_KEY, the file of an Ed25519 private key in PEM, the statement is signed and wrapped in a \
            DSSE envelope. --file adds a file with the exported artifact as a subject.

            Examples:
              ofa lineage attest 17 -o phone.intoto.json
              OFA_SIGNING_KEY=key.pem ofa lineage attest 17 --file phone.onnx -o phone.intoto.json
            """)

    @OptionGroup var artifact: ArtifactArgument
    @Option(help: "A file with the exported artifact.", completion: .file())
    var file: String?
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The file to write; by default standard output.", completion: .file())
    var target: String?
    @OptionGroup var files: FileOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    /// The JSON answer if a file is written.
    struct Answer: Encodable {
        let artifact: Int64
        let file: String
        let signed: Bool
    }

    mutating func run() throws {
        let place = try target.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let exported = try file.map { path in
            Attestation.File(
                name: URL(filePath: path).lastPathComponent,
                digest: Digest.of(try Input.bytes(path)))
        }
        let statement = try Attestation.statement(found, exportedAs: exported, connection)
        let (text, isSigned) = try Self.signedIfConfigured(statement)
        guard let place, !place.isStandardOutput else { return try Output.lines(text) }
        try place.write(text + "\n")
        let answer = Answer(artifact: found.id.rawValue, file: place.path, signed: isSigned)
        try Output.answer(answer, output) {
            try Output.line(
                "\(place.path): the \(isSigned ? "signed " : "")statement about artifact \(found.id)"
            )
        }
    }

    /// Returns the envelope of a statement if OFA_SIGNING_KEY is set; otherwise the statement itself, with a note.
    static func signedIfConfigured(_ statement: String) throws -> (text: String, isSigned: Bool) {
        guard let keyFile = try Environment.text("OFA_SIGNING_KEY") else {
            Output.note("not signed: OFA_SIGNING_KEY is not set")
            return (statement, false)
        }
        return (try signed(statement, keyFile), true)
    }

    private static func signed(_ statement: String, _ path: String) throws -> String {
        do {
            return try Attestation.envelope(
                statement, by: try SigningKey(pem: try Input.bytes(path)))
        } catch let error as ArtifactsError {
            throw CommandFailure.failed(
                "OFA_SIGNING_KEY, \(path): \(error.reason)", remedy: error.remedy,
                code: "bad_setting")
        }
    }
}
