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
            DSSE envelope. --file adds a file as a subject: the artifact's own bytes, or an export of it in any format; another \
            file is refused. An export in eight bits is quantised again to compare it, on the same kind of processor.

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
        let key = try StatementKey.configured()
        let exported = try file.map { try Self.exported($0, found, connection) }
        let statement = try Attestation.statement(found, exportedAs: exported, connection)
        let text = try key?.signed(statement) ?? statement
        guard let place, !place.isStandardOutput else { return try Output.lines(text) }
        try place.write(text + "\n")
        let answer = Answer(artifact: found.id.rawValue, file: place.path, signed: key != nil)
        try Output.answer(answer, output) {
            try Output.line(
                "\(place.path): the \(key == nil ? "" : "signed ")statement about artifact \(found.id)"
            )
        }
    }

    /// Returns a file to be stated, whose bytes are those of the artifact or of an export of it.
    private static func exported(_ path: String, _ artifact: Artifact, _ connection: Connection)
        throws -> Attestation.File
    {
        let digest = Digest.of(try Input.bytes(path))
        let cache = BlobCache(folder: DatabaseOptions.home + "/cache")
        guard
            try NetworkExport.has(
                digest, of: artifact, connection, cache: cache, threads: HostRoom.machineThreads)
        else {
            let again = artifact.kind == ArtifactRole.subnet.rawValue ? "export" : "artifacts get"
            throw CommandFailure.notTrue(
                "\(path) is no export of artifact \(artifact.id) (\(artifact.name)): nothing was stated",
                remedy: "ofa \(again) \(artifact.id) -o FILE writes one")
        }
        return Attestation.File(name: URL(filePath: path).lastPathComponent, digest: digest)
    }
}

/// The key of OFA_SIGNING_KEY, which signs statements.
struct StatementKey {
    private let path: String
    private let pem: [UInt8]

    /// Returns the key, which is checked here, before any work; nil, with a note, if OFA_SIGNING_KEY is not set. Errors:
    /// `bad_setting`.
    static func configured() throws -> StatementKey? {
        guard let path = try Environment.text("OFA_SIGNING_KEY") else {
            Output.note("not signed: OFA_SIGNING_KEY is not set")
            return nil
        }
        let pem: [UInt8]
        do throws(InputFault) { pem = try FileBytes.read(path, atMost: 1 << 20) } catch {
            throw failure(path, error.reason, remedy: error.remedy)
        }
        let key = StatementKey(path: path, pem: pem)
        _ = try key.signed("")
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & 0o077 != 0 {
            Output.note("OFA_SIGNING_KEY, \(path): other users may read it: chmod 600 \(path)")
        }
        return key
    }

    /// Returns the signed envelope of a statement.
    func signed(_ statement: String) throws -> String {
        do {
            return try Attestation.envelope(statement, by: try SigningKey(pem: pem))
        } catch let error as ArtifactsError {
            throw Self.failure(path, error.reason, remedy: error.remedy)
        }
    }

    private static func failure(_ path: String, _ why: String, remedy: String?) -> CommandFailure {
        CommandFailure.failed(
            "OFA_SIGNING_KEY, \(path): \(why)", remedy: remedy, code: "bad_setting")
    }
}
