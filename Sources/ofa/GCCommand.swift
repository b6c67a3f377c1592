// `ofa gc`: removes unreferenced bytes, or the bytes of selected artifacts (garbage collection).

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Pipelines
import Postgres

/// Collects garbage: unreferenced bytes, or the bytes of selected artifacts.
struct GCCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Removes unreferenced bytes, or those of selected artifacts.",
        discussion: """
            Without a selection it removes checkpoints of jobs that have completed, or that ended otherwise longer ago \
            than --grace; blobs that no artifact, checkpoint or pin refers to, stored longer ago than --grace and before \
            the oldest running attempt began; and files in the store's folder without a blob.

            With --run, --kind or --older-than it removes the bytes of the selected artifacts that stages made. The \
            artifacts remain, marked as collected; ofa artifacts heal recreates their bytes. Artifacts are kept whole if \
            they are user-supplied, pinned, tables of a device, or made or needed by an unfinished run.

            Example:
              ofa gc --dry-run
              ofa gc --kind supernet --older-than 90d
            """)

    /// The JSON answer of `gc`.
    struct Answer: Encodable {
        let dryRun: Bool
        let checkpoints: Int
        let blobs: Int
        let files: Int
        let bytes: Int
        /// The selected artifacts that were collected.
        let collected: [BlobCollection.Named]
        /// The selected artifacts that were kept, with reasons.
        let kept: [BlobCollection.Named]

        private enum CodingKeys: String, CodingKey {
            case dryRun = "dry_run"
            case checkpoints, blobs, files, bytes, collected, kept
        }
    }

    /// The run whose artifacts are selected.
    @Option(
        name: .customLong("run"), help: "The artifacts that this run made.", completion: .runs,
        transform: Number.id)
    var runID: Int64?
    /// The kind of the selected artifacts.
    @Option(
        help: "The artifacts of this kind.", completion: .artifactKinds,
        transform: Word.name(of: ArtifactRole.self))
    var kind: String?
    /// The minimum age of the selected artifacts.
    @Option(
        help: ArgumentHelp(
            "The artifacts older than this, such as 90d, 12h or 2w.", valueName: "span"),
        transform: Span.read)
    var olderThan: Span?
    /// The time for which unreferenced bytes and the checkpoints of failed jobs are kept.
    @Option(
        help: ArgumentHelp(
            "How long to keep unreferenced bytes and checkpoints of failed jobs (7d).",
            valueName: "span"), transform: Span.read)
    var grace: Span?
    /// Whether to print what would be removed, and remove nothing.
    @Flag(help: "Print what would be removed; remove nothing.") var dryRun = false
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private var isNamed: Bool { runID != nil || kind != nil || olderThan != nil }

    /// Refuses `--grace` with a selection: the grace period does not apply to selected artifacts.
    mutating func validate() throws {
        guard grace == nil || !isNamed else {
            throw ValidationError(
                "--grace has no meaning with a selection", remedy: "omit one of them")
        }
    }

    /// Removes the bytes and prints the result.
    mutating func run() throws {
        let connection = try database.connectToExisting(takesLong: true)
        let answer = try isNamed ? named(connection) : needless(connection)
        Output.endProgress()
        try Output.answer(answer, output) { try say(answer) }
    }

    private func needless(_ connection: Connection) throws -> Answer {
        let collection = BlobCollection(
            connection, graceSeconds: grace?.seconds ?? BlobCollection.usualGraceSeconds)
        var all = BlobCollection.Collected()
        if dryRun {
            all = try collection.collectable()
        } else {
            let total = try collection.collectable()
            while true {
                let some = try collection.collect(limit: 200)
                all.checkpoints += some.checkpoints
                all.blobs += some.blobs
                all.bytes += some.bytes
                Output.progress("collected \(all.blobs) blobs of some \(total.blobs)")
                if some.checkpoints + some.blobs == 0 { break }
            }
        }
        all.files = try collection.collectFiles(isDryRun: dryRun)
        return Answer(
            dryRun: dryRun, checkpoints: all.checkpoints, blobs: all.blobs, files: all.files,
            bytes: all.bytes, collected: [], kept: [])
    }

    private func named(_ connection: Connection) throws -> Answer {
        let collection = BlobCollection(connection)
        let selection = BlobCollection.Selection(
            run: runID, kind: kind, olderThanSeconds: olderThan?.seconds ?? 0)
        func needed() throws -> [ArtifactID] { try NeededArtifacts.ids(connection) }
        let found = try collection.named(selection, needed: try needed())
        let candidates = found.filter { $0.kept == nil }
        let gone =
            try dryRun
            ? candidates
            : collection.collect(found, of: selection, needed: needed) { done in
                Output.progress("collected \(done) of \(candidates.count) artifacts")
            }
        let digests = Dictionary(gone.map { ($0.digest, $0.bytes) }) { first, _ in first }
        return Answer(
            dryRun: dryRun, checkpoints: 0, blobs: digests.count, files: 0,
            bytes: digests.values.reduce(0, +), collected: gone,
            kept: found.filter { $0.kept != nil })
    }

    private func say(_ answer: Answer) throws {
        if isNamed {
            var table = Table(
                .number("ARTIFACT"), .text("KIND", .medium), .text("NAME"), .number("BYTES"),
                .text("OUTCOME"))
            let done = dryRun ? "would be collected" : "collected"
            table.rows = (answer.collected + answer.kept).sorted { $0.artifact < $1.artifact }.map {
                [
                    "\($0.artifact)", $0.kind, $0.name, Format.bytes($0.bytes),
                    $0.kept.map { "kept: \($0)" } ?? done,
                ]
            }
            if !table.rows.isEmpty { try Output.table(table) }
        }
        var parts = ["\(Format.grouped(answer.blobs)) blobs (\(Format.bytes(answer.bytes)))"]
        if answer.checkpoints > 0 { parts.append("\(answer.checkpoints) checkpoints") }
        if answer.files > 0 { parts.append("\(answer.files) files without a blob") }
        try Output.line((dryRun ? "would collect " : "collected ") + parts.joined(separator: ", "))
    }
}
