// `ofa db store`: shows and sets the folder outside the database in which blobs (the bytes of artifacts and
// checkpoints) can be stored, and the rule that selects which new blobs are stored there.

import ArgumentParser
import Artifacts
import Foundation
import Intake
import Pipelines
import Postgres

/// The commands about the store of blobs.
struct DatabaseStore: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Where blobs are stored: in the database, or in a folder by kind and size.",
        discussion: """
            Example:
              ofa db store set folder --path /srv/ofa-store --from-mb 16 --kinds dataset,dataset-shard
              ofa db store
            """,
        subcommands: [DatabaseStoreShow.self, DatabaseStoreSet.self, DatabaseStoreRemove.self],
        defaultSubcommand: DatabaseStoreShow.self)
}

/// The JSON answer of `ofa db store`.
private struct StoreAnswer: Encodable {
    let folder: StoreRule?
    let use: [String: StoreRule.Use]

    init(_ connection: Connection) throws {
        folder = try StoreRule.current(connection)
        use = Dictionary(
            uniqueKeysWithValues: try StoreRule.use(connection).map { ($0.key.rawValue, $0.value) })
    }

    func answer(_ output: OutputOptions) throws {
        try Output.answer(self, output) {
            for place in BlobPlace.allCases {
                guard let use = use[place.rawValue] else { continue }
                try Output.field(
                    place.rawValue,
                    "\(Format.grouped(use.blobs)) blobs, \(Format.bytes(use.bytes))")
            }
            guard let folder else { return try Output.line("all blobs are stored in the database") }
            let kinds = folder.kinds.isEmpty ? "anything" : folder.kinds.joined(separator: ", ")
            try Output.field("path", folder.path)
            try Output.field("goes there", "\(kinds) from \(Format.bytes(folder.fromBytes)) on")
        }
    }
}

/// Shows where blobs are stored.
struct DatabaseStoreShow: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows where blobs are stored, and the use of both places.",
        discussion: "Example:\n  ofa db store show --json")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the folder and its rule, and the number and size of blobs in the database and in the folder.
    mutating func run() throws { try StoreAnswer(try database.connectToExisting()).answer(output) }
}

/// Sets the folder, and the rule that selects which new blobs are stored in it.
struct DatabaseStoreSet: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Sets the folder, and which new blobs are stored there.",
        discussion: """
            The setting is stored in the database, so all workers put the same bytes there. On a machine that reaches \
            the folder by another path, set OFA_STORE to it. Bytes that are in the database stay there until ofa \
            artifacts move moves them.

            Example:
              ofa db store set folder --path /srv/ofa-store --from-mb 16 --kinds dataset,dataset-shard
            """)

    /// The only kind of external store.
    enum Kind: String, CaseIterable, Sendable { case folder }

    /// The kind of store.
    @Argument(
        help: "folder", completion: Word.completion(Kind.self),
        transform: Word.one(of: Kind.self))
    var store: Kind
    /// The folder.
    @Option(help: "The folder, on a local disk or a shared file system.", completion: .directory)
    var path: String
    /// The minimum size in MB of blobs that are stored in the folder.
    @Option(
        help: ArgumentHelp("Only blobs of this size or more, in MB (0).", valueName: "MB"),
        transform: Number.whole(0...1_000_000))
    var fromMB: Int?
    /// The kinds of artifacts whose blobs are stored in the folder, separated by commas; nil for all kinds.
    @Option(
        help: ArgumentHelp(
            "Only these kinds of artifacts, separated by commas (all); checkpoint is one of them.",
            valueName: "kinds"))
    var kinds: String?
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses unknown kinds and relative paths.
    mutating func validate() throws {
        let known = ArtifactRole.allCases.map(\.rawValue) + [BlobStore.checkpointKind]
        for kind in list where !known.contains(kind) {
            throw ValidationError(
                "there is no kind '\(kind)'", remedy: NearestName.remedy(kind, known: known))
        }
        guard path.hasPrefix("/") else {
            throw ValidationError(
                "--path \(path) is relative, so each process would resolve it differently",
                remedy: "give an absolute path")
        }
    }

    private var list: [String] { kinds?.split(separator: ",").map(String.init) ?? [] }

    /// Saves the folder and the rule, and prints them.
    mutating func run() throws {
        let connection = try database.connect()
        try StoreRule.set(
            path: path, fromBytes: (fromMB ?? 0) << 20, kinds: list, connection)
        try StoreAnswer(connection).answer(output)
    }
}

/// Removes the setting of the folder, so that all new blobs are stored in the database; deletes no files.
struct DatabaseStoreRemove: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Stores all new blobs in the database again.",
        discussion: "Example:\n  ofa db store remove")

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Removes the setting; exit code 2 if the folder holds blobs, or if no folder is set.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        guard try StoreRule.remove(connection) else {
            throw CommandFailure.notTrue(
                try StoreRule.current(connection) == nil
                    ? "no folder is set" : "the folder holds blobs",
                remedy: "ofa artifacts move --kind KIND --to database moves them")
        }
        try StoreAnswer(connection).answer(output)
    }
}
