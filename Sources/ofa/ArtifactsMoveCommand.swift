// `ofa artifacts move`: moves the bytes of artifacts between the database and the folder outside the database.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Pipelines
import Postgres

/// Moves the bytes of artifacts.
struct ArtifactsMove: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Moves artifacts' bytes between the database and its folder.",
        discussion: """
            The bytes are verified in the new place before they are removed from the old one. ofa db store set names the \
            folder.

            Example:
              ofa artifacts move photos-dataset --to folder
              ofa artifacts move --kind dataset --to folder
            """)

    /// The result for one artifact.
    struct Moved: Encodable {
        let artifact: Int64
        let name: String
        let digest: Digest
        let bytes: Int
        let to: BlobPlace
        /// False if the bytes were already at the destination or are not stored.
        let moved: Bool
    }

    /// The artifacts.
    @Argument(help: "The artifacts, by number, name or digest.", completion: .artifacts)
    var artifacts: [String] = []
    /// The kind of artifacts to move, instead of named artifacts.
    @Option(
        help: "All artifacts of this kind.", completion: .artifactKinds,
        transform: Word.name(of: ArtifactRole.self))
    var kind: String?
    /// The destination.
    @Option(
        name: .customLong("to"), help: "Where to: database or folder.",
        completion: Word.completion(BlobPlace.self), transform: Word.one(of: BlobPlace.self))
    var place: BlobPlace
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Requires either artifacts or a kind.
    mutating func validate() throws {
        guard artifacts.isEmpty != (kind == nil) else {
            throw ValidationError("no artifact is given", remedy: "give artifacts, or --kind")
        }
    }

    /// Moves the artifacts one after the other.
    mutating func run() throws {
        let connection = try database.connectToExisting(takesLong: true)
        let chosen =
            if let kind {
                try ArtifactStore(connection).list(kind: kind)
            } else {
                try artifacts.map { try ArtifactsCommand.find($0, connection) }
            }
        let blobs = BlobStore(connection)
        var moved: [Moved] = []
        for (index, artifact) in chosen.enumerated() {
            Output.progress("moved \(index) of \(chosen.count)")
            let isMoved = try blobs.move(artifact.digest, to: place) {
                try $0.note("move", "artifact \(artifact.id)", ["to": place.rawValue])
            }
            let info = try blobs.info(artifact.digest)
            moved.append(
                Moved(
                    artifact: artifact.id.rawValue, name: artifact.name, digest: artifact.digest,
                    bytes: info?.storedBytes ?? 0, to: place, moved: isMoved))
        }
        Output.endProgress()
        try Output.answer(moved, output) {
            for one in moved {
                try Output.line(
                    "artifact \(one.artifact) (\(one.name)): "
                        + (one.moved
                            ? "\(Format.bytes(one.bytes)) moved to the \(place.rawValue)"
                            : "nothing to move"))
            }
        }
    }
}
