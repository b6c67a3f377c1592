// `ofa lineage`: from what an artifact was made, and what was made from it.

import ArgumentParser
import Artifacts
import Postgres

/// Lineage: up, down.
struct LineageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage", abstract: "What an artifact was made from, and what from it.",
        discussion: "Example:\n  ofa lineage up 12",
        subcommands: [LineageUp.self, LineageDown.self])
}

/// How lineage can be shown.
enum LineageFormat: String, CaseIterable {
    /// An indented tree.
    case tree
    /// Graphviz.
    case dot
    /// A Mermaid flowchart.
    case mermaid
    /// One JSON document.
    case json
}

/// What both walks have in common.
struct LineageOptions: ParsableArguments {
    /// Where to start.
    @OptionGroup var artifact: ArtifactArgument
    /// How to show what is found.
    @Option(
        help: "tree, dot, mermaid or json.", completion: Word.completion(LineageFormat.self),
        transform: Word.one(of: LineageFormat.self))
    var format: LineageFormat = .tree
    /// Where to stop.
    @Option(help: "Artifacts shown at most.", transform: Number.whole(1...1_000_000)) var limit =
        Lineage.usualLimit
    /// Which database.
    @OptionGroup var database: DatabaseOptions
    /// Whether scripts read the answer.
    @OptionGroup var output: OutputOptions

    /// Walks and shows.
    func show(_ walk: (Lineage, ArtifactID, Int) throws -> LineageGraph) throws {
        let connection = try database.connectToExisting()
        let root = try ArtifactsCommand.find(artifact.reference, connection)
        let graph = try walk(Lineage(connection), root.id, limit)
        switch output.json ? .json : format {
        case .tree:
            for line in graph.tree().split(separator: "\n") { try Output.line(String(line)) }
        case .dot: try Output.lines(graph.dot())
        case .mermaid: try Output.lines(graph.mermaid())
        case .json: try Output.json(try graph.document())
        }
    }
}

/// Towards the data set.
struct LineageUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Shows what an artifact was made from.",
        discussion: "Example:\n  ofa lineage up 17 --format mermaid")

    @OptionGroup var options: LineageOptions

    mutating func run() throws {
        try options.show { lineage, root, limit in try lineage.up(root, limit: limit) }
    }
}

/// Towards the devices.
struct LineageDown: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Shows what was made from an artifact.",
        discussion: "Example:\n  ofa lineage down 1 --format dot | dot -Tsvg > lineage.svg")

    @OptionGroup var options: LineageOptions

    mutating func run() throws {
        try options.show { lineage, root, limit in try lineage.down(root, limit: limit) }
    }
}
