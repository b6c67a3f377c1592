// `ofa artifacts pin` protects bytes from garbage collection; `ofa artifacts unpin` removes that protection.

import ArgumentParser
import Artifacts
import Intake
import Jobs
import Postgres

/// Pins the bytes of an artifact.
struct ArtifactsPin: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Protects an artifact's bytes from collection.",
        discussion: "Example:\n  ofa artifacts pin 12 --reason 'in the paper'")

    /// The JSON answer of `pin` and `unpin`.
    struct Answer: Encodable {
        let artifact: Int64
        let digest: Digest
        /// The reason of the pin; nil if the artifact is not pinned.
        let pinned: String?
    }

    /// The artifact.
    @OptionGroup var artifact: ArtifactArgument
    /// The reason.
    @Option(
        help: "The reason, shown by ofa artifacts show.",
        transform: { text in
            do throws(InputFault) { return try TextRule.name.checked(text) } catch {
                throw ValueFault(error)
            }
        })
    var reason: String
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Pins the artifact; exit code 2 if its bytes are not stored.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let isPinned = try BlobStore(connection).pin(found.digest, reason: reason) {
            try $0.note("pin", "artifact \(found.id)", ["reason": reason])
        }
        guard isPinned else {
            throw CommandFailure.notTrue(
                "the bytes of artifact \(found.id) (\(found.name)) are not here",
                remedy: "ofa artifacts heal \(found.id) recreates them, or says how")
        }
        let answer = Answer(artifact: found.id.rawValue, digest: found.digest, pinned: reason)
        try Output.answer(answer, output) {
            try Output.line("artifact \(found.id) (\(found.name)) is pinned: \(reason)")
        }
    }
}

/// Removes a pin.
struct ArtifactsUnpin: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Lets an artifact's bytes be collected again.",
        discussion: "Example:\n  ofa artifacts unpin 12")

    /// The artifact.
    @OptionGroup var artifact: ArtifactArgument
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Unpins the artifact; exit code 2 if the artifact is not pinned.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        let wasPinned = try BlobStore(connection).unpin(found.digest) {
            try $0.note("unpin", "artifact \(found.id)")
        }
        guard wasPinned else {
            throw CommandFailure.notTrue("artifact \(found.id) (\(found.name)) is not pinned")
        }
        let answer = ArtifactsPin.Answer(
            artifact: found.id.rawValue, digest: found.digest, pinned: nil)
        try Output.answer(answer, output) {
            try Output.line("artifact \(found.id) (\(found.name)) is no longer pinned")
        }
    }
}
