// `ofa lineage`: prints the ancestors or the descendants of an artifact.

import ArgumentParser
import Artifacts
import Pipelines
import Postgres

/// The commands about lineage.
struct LineageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage", abstract: "Ancestors and descendants of an artifact.",
        discussion: "Example:\n  ofa lineage up 12",
        subcommands: [LineageUp.self, LineageDown.self])
}

/// The output format of lineage.
enum LineageFormat: String, CaseIterable {
    /// An indented tree.
    case tree
    /// A graph in DOT, the language of Graphviz.
    case dot
    /// A Mermaid flowchart.
    case mermaid
    /// One JSON document.
    case json
}

/// The options of `ofa lineage up` and `down`.
struct LineageOptions: ParsableArguments {
    /// The root artifact.
    @OptionGroup var artifact: ArtifactArgument
    /// The output format.
    @Option(
        help: "tree, dot, mermaid or json.", completion: Word.completion(LineageFormat.self),
        transform: Word.one(of: LineageFormat.self))
    var format: LineageFormat = .tree
    /// The maximum number of artifacts to print.
    @Option(help: "Artifacts shown at most.", transform: Number.whole(1...1_000_000)) var limit =
        Lineage.usualLimit
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// How many artifacts to read beyond `limit`, because shards of data sets are read but not printed.
    private static let mostShards = 100_000

    /// Prints the graph that `walk` returns for the artifact and a limit. Only the JSON output lists the shards of data
    /// sets, because a data set may have thousands.
    func show(_ walk: (Lineage, ArtifactID, Int) throws -> LineageGraph) throws {
        let connection = try database.connectToExisting()
        let root = try ArtifactsCommand.find(artifact.reference, connection)
        let format = output.json ? .json : format
        var graph: LineageGraph
        if format == .json {
            graph = try walk(Lineage(connection), root.id, limit)
        } else {
            let shard = ArtifactRole.datasetShard.rawValue
            graph = try walk(Lineage(connection), root.id, limit + Self.mostShards)
            let shards = graph.artifacts.dropFirst().filter { $0.kind == shard }.count
            graph = graph.without(kind: shard, limit: limit)
            if shards > 0 {
                Output.note("\(shards) shards of data sets are not shown: --json lists them")
            }
        }
        switch format {
        case .tree:
            for line in graph.tree().split(separator: "\n") { try Output.line(String(line)) }
        case .dot: try Output.lines(graph.dot())
        case .mermaid: try Output.lines(graph.mermaid())
        case .json: try Output.json(try graph.document())
        }
    }
}

/// Prints the ancestors of an artifact.
struct LineageUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Shows what an artifact was made from.",
        discussion: "Example:\n  ofa lineage up 17 --format mermaid")

    @OptionGroup var options: LineageOptions

    mutating func run() throws {
        try options.show { lineage, root, limit in try lineage.up(root, limit: limit) }
    }
}

/// Prints the descendants of an artifact.
struct LineageDown: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Shows what was made from an artifact.",
        discussion: "Example:\n  ofa lineage down 1 --format dot | dot -Tsvg > lineage.svg")

    @OptionGroup var options: LineageOptions

    mutating func run() throws {
        try options.show { lineage, root, limit in try lineage.down(root, limit: limit) }
    }
}
