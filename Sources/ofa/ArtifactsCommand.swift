// `ofa artifacts`: lists artifacts, shows one, and writes one to a file. Runs make artifacts; users can import some.

import ArgumentParser
import Artifacts
import Foundation
import Pipelines
import Postgres

/// The commands about artifacts; verify, heal, pin, unpin and move have files of their own.
struct ArtifactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "artifacts",
        abstract: "Artifacts: data sets, supernets, predictors, networks.",
        discussion: "Example:\n  ofa artifacts list --kind subnet",
        subcommands: [
            ArtifactsList.self, ArtifactsShow.self, ArtifactsGet.self, ArtifactsVerify.self,
            ArtifactsHeal.self, ArtifactsPin.self, ArtifactsUnpin.self, ArtifactsMove.self,
        ])

    /// Returns the artifact that `reference` names; exit code 2 if `reference` names no artifact or several.
    static func find(_ reference: String, _ connection: Connection) throws -> Artifact {
        do {
            return try ArtifactStore(connection).find(reference)
        } catch let error as ArtifactsError where [.notFound, .ambiguous].contains(error.code) {
            throw CommandFailure.notFound(error.reason, remedy: error.remedy)
        }
    }
}

/// The argument with an artifact reference.
struct ArtifactArgument: ParsableArguments {
    /// The reference, in a form that `ArtifactStore.find` accepts.
    @Argument(
        help: ArgumentHelp(
            "Its number, its name, or at least four digits of its digest.", valueName: "artifact"),
        completion: .artifacts)
    var reference: String
}

/// Lists artifacts, a line each.
struct ArtifactsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists artifacts, oldest first.",
        discussion: "Example:\n  ofa artifacts list --run 3 --json")

    @Option(
        name: .customLong("run"), help: "Only what this run made.",
        completion: .runs, transform: Number.id) var runID: Int64?
    @Option(
        help: "Only of this kind.", completion: .artifactKinds,
        transform: Word.name(of: ArtifactRole.self))
    var kind: String?
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let documents = try ArtifactStore(connection).listStored(run: runID, kind: kind).map {
            try ArtifactDocument($0.artifact, blob: $0.blob, pinned: $0.pinned)
        }
        try Output.answer(documents, output) {
            var table = Table(
                .number("ARTIFACT"), .text("KIND", .medium), .text("NAME"),
                .text("DIGEST", .medium), .number("BYTES", .medium), .number("STORED", .low),
                .number("RUN", .low), .text("STAGE", .low))
            for artifact in documents {
                table.rows.append([
                    "\(artifact.id)", artifact.kind, artifact.name, artifact.digest.short,
                    artifact.rawBytes.map { Format.bytes($0) } ?? "-",
                    artifact.blobBytes.map { Format.bytes($0) }
                        ?? (artifact.collectedAt == nil ? "not here" : "collected"),
                    artifact.run.map { "\($0)" } ?? "-", artifact.stage ?? "user-supplied",
                ])
            }
            try Output.table(table)
        }
    }
}

/// Shows one artifact in full detail.
struct ArtifactsShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows an artifact in full detail.",
        discussion: "Example:\n  ofa artifacts show 12")

    @OptionGroup var artifact: ArtifactArgument
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let blobs = BlobStore(connection)
        let document = try ArtifactDocument(
            found, blob: try blobs.info(found.digest), pinned: try blobs.pinned(found.digest))
        let dataset = try DatasetSummary.known(found, connection)
        try Output.answer(ShownArtifact(document: document, dataset: dataset), output) {
            var table = Table(.text("FIELD"), .wrapping("VALUE"))
            let origin = found.producer.map {
                "stage \($0.stage) of run \($0.run), job \($0.job), attempt \($0.token)"
            }
            let stored =
                try Self.storage(document, connection)
                ?? document.collectedAt.map { "collected on \($0.formatted(.iso8601))" }
            table.rows = [
                ["artifact", "\(document.id)"], ["kind", document.kind], ["name", document.name],
                ["digest", document.digest.hex],
                ["made by", origin ?? found.origin],
                ["recorded", document.createdAt.formatted(.iso8601)],
                ["bytes", document.rawBytes.map { Format.grouped($0) } ?? "not in this database"],
                ["stored", stored ?? "-"], ["pinned", document.pinned ?? "-"],
                ["metadata", found.metadataJSON],
            ]
            table.rows += dataset?.rows ?? []
            try Output.table(table)
        }
    }

    /// Returns how the bytes of an artifact are stored; nil if they are not stored.
    private static func storage(
        _ document: ArtifactDocument, _ connection: Connection
    ) throws -> String? {
        guard let bytes = document.blobBytes else { return nil }
        let place = document.store.map { ", in the \($0)" } ?? ""
        guard let parent = document.parent else {
            let coding = "\(document.filter ?? "none") + \(document.codec ?? "none")"
            return "\(Format.bytes(bytes)) as \(coding)\(place)"
        }
        let origin = try ArtifactStore(connection).newest(of: parent)
        let name = origin.map { "\($0.kind) #\($0.id)" } ?? "blob \(parent.short)"
        let form = document.filter == BlobCoding.Filter.recipe.rawValue ? "recipe" : "delta"
        return "\(form) of \(name), \(Format.bytes(bytes))"
            + " for \(Format.bytes(document.rawBytes ?? 0))\(place)"
    }
}

/// Writes the bytes of an artifact to a file.
struct ArtifactsGet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Writes an artifact's bytes to a file, checking them.",
        discussion: """
            Example:
              ofa artifacts get 12 -o phone.safetensors
              ofa artifacts get 12 -o - | sha256sum
            """)

    /// The JSON answer of `get`.
    struct Answer: Encodable {
        let artifact: Int64
        let digest: Digest
        let file: String
        let bytes: Int
    }

    @OptionGroup var artifact: ArtifactArgument
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The file to write; - for standard output.", completion: .file())
    var file: String
    @OptionGroup var files: FileOptions
    @OptionGroup var database: DatabaseOptions
    @OptionGroup var output: OutputOptions

    mutating func run() throws {
        let target = try OutputFile(file, files, output)
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        var bytes = 0
        try target.write { write in
            try BlobStore(connection).read(found.digest) { chunk in
                try write(Data(chunk))
                bytes += chunk.count
            }
        }
        if target.isStandardOutput { return }
        let answer = Answer(
            artifact: found.id.rawValue, digest: found.digest, file: file, bytes: bytes)
        try Output.answer(answer, output) {
            try Output.line("\(file): \(Format.grouped(bytes)) bytes, sha256 \(found.digest.hex)")
        }
    }
}
