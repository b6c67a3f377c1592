// `ofa lineage`: ancestors and descendants of artifacts. Differences and paths have files of their own.

import ArgumentParser
import Artifacts
import Foundation
import Pipelines
import Postgres

/// The commands about lineage.
struct LineageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage",
        abstract: "What artifacts were made from, what was made from them, and how two differ.",
        discussion: "Example:\n  ofa lineage up 12",
        subcommands: [
            LineageUp.self, LineageDown.self, LineageGraphCommand.self, LineageDiff.self,
            LineageWhy.self, LineageSend.self, LineageCheck.self, LineageAttest.self,
        ])
}

/// The output format of lineage.
enum LineageFormat: String, CaseIterable {
    /// An indented tree.
    case tree
    /// A graph in DOT, the language of Graphviz.
    case dot
    /// A Mermaid flowchart.
    case mermaid
    /// A drawing.
    case svg
    /// One JSON document.
    case json
    /// OpenLineage events of the attempts, one per line.
    case openlineage
}

/// The options of `ofa lineage up`, `down` and `graph`.
struct LineageOptions: ParsableArguments {
    /// The output format.
    @Option(
        help:
            "tree (the default), dot, mermaid, svg, json or openlineage (events of the attempts).",
        completion: Word.completion(LineageFormat.self),
        transform: Word.one(of: LineageFormat.self))
    var format: LineageFormat?
    /// The maximum number of artifacts to print.
    @Option(help: "Artifacts shown at most.", transform: Number.whole(1...1_000_000)) var limit =
        Lineage.usualLimit
    /// The file to write instead of standard output.
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The file to write; by default standard output.", completion: .file())
    var file: String?
    /// Whether to replace the file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// With `--json`, the answer on standard output is JSON; a file has its own format.
    mutating func validate() throws {
        guard output.json, file == nil, let format, format != .json else { return }
        throw ValidationError(
            "--json and --format \(format.rawValue) both want standard output",
            remedy: "omit one of them, or give -o FILE")
    }

    /// Prints the lineage of the artifacts. A data set may have thousands of shards, which only the JSON output lists.
    func show(_ direction: Lineage.Direction, of references: [String]) throws {
        let target = try file.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting()
        var roots: [ArtifactID] = []
        for reference in references {
            let root = try ArtifactsCommand.find(reference, connection).id
            if !roots.contains(root) { roots.append(root) }
        }
        let format = format ?? (output.json ? .json : .tree)
        let isWhole = format == .json
        let graph = try Lineage(connection).graph(
            direction, of: roots,
            Lineage.Scope(
                limit: limit, hidden: isWhole ? nil : ArtifactRole.datasetShard.rawValue,
                isDetailed: isWhole))
        if graph.hidden > 0 {
            Output.note("\(graph.hidden) shards of data sets are not shown: --json lists them")
        }
        if let target, !target.isStandardOutput {
            try target.write(try text(graph, format, connection) + "\n")
            if output.json { try Output.json(["file": target.path]) }
        } else if format == .tree {
            try Output.wrapped(graph.tree())
        } else if format == .json {
            try Output.json(try graph.document())
        } else {
            try Output.lines(try text(graph, format, connection))
        }
    }

    private func text(
        _ graph: LineageGraph, _ format: LineageFormat, _ connection: Connection
    ) throws -> String {
        switch format {
        case .tree: graph.tree()
        case .dot: graph.dot()
        case .mermaid: graph.mermaid()
        case .svg: graph.svg()
        case .json: try Output.jsonText(try graph.document())
        case .openlineage:
            try OpenLineageEvents(connection, code: Version().code).events(of: graph)
                .map { try Output.jsonText($0) }.joined(separator: "\n")
        }
    }
}

/// Prints the ancestors of an artifact.
struct LineageUp: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Shows what an artifact was made from.",
        discussion: "Example:\n  ofa lineage up 17 --format mermaid")

    @OptionGroup var artifact: ArtifactArgument
    @OptionGroup var options: LineageOptions

    mutating func run() throws { try options.show(.up, of: [artifact.reference]) }
}

/// Prints the descendants of an artifact.
struct LineageDown: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Shows what was made from an artifact.",
        discussion: "Example:\n  ofa lineage down 1 --format dot | dot -Tsvg > lineage.svg")

    @OptionGroup var artifact: ArtifactArgument
    @OptionGroup var options: LineageOptions

    mutating func run() throws { try options.show(.down, of: [artifact.reference]) }
}

/// Prints the ancestors and descendants of artifacts together.
struct LineageGraphCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Shows ancestors and descendants of one or several artifacts together.",
        discussion: "Example:\n  ofa lineage graph 12 17 --format svg -o lineage.svg")

    @Argument(
        help: ArgumentHelp("The artifacts, by number, name or digest.", valueName: "artifact"),
        completion: .artifacts)
    var artifacts: [String]
    @OptionGroup var options: LineageOptions

    mutating func run() throws { try options.show(.both, of: artifacts) }
}
