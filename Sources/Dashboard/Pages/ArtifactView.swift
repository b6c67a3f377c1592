// ArtifactView: the page of one artifact: what it is, how it was made, what it holds, and how it differs from another.

import Artifacts
import Foundation
import Intake
import Pipelines
import Postgres

/// The page of one artifact.
struct ArtifactView {
    /// The artifact.
    let artifact: Artifact
    /// The properties of its blob; nil if no bytes were ever stored.
    let blob: BlobInfo?
    /// What the page is asked for, and the connection to read with.
    let request: PageRequest
    let connection: Connection
    private let pinned: String?
    /// The address of the page.
    let path: String

    /// The most artifacts of the lineage, and pairs of artifacts of a comparison.
    static let mostRelatives = 40, mostPairs = 200

    /// Reads the artifact whose number is in the path. Errors: `notFound`.
    init(_ request: PageRequest, _ connection: Connection) throws {
        artifact = try Self.artifact(request, connection)
        let blobs = BlobStore(connection)
        blob = try blobs.info(artifact.digest)
        pinned = try blobs.pinned(artifact.digest)
        path = HTML.path("artifacts", artifact.id.description)
        (self.request, self.connection) = (request, connection)
    }

    /// Returns the artifact whose number is in the path. Errors: `notFound`.
    static func artifact(_ request: PageRequest, _ connection: Connection) throws -> Artifact {
        try ArtifactStore(connection).get(ArtifactID(rawValue: try request.number()))
    }

    /// Whether the bytes are stored.
    var isStored: Bool { blob.map { $0.collectedAt == nil } ?? false }

    /// Returns the page.
    func page() throws -> Page {
        Page(
            "\(artifact.kind) \(artifact.name)", trail: [("Artifacts", "/artifacts")],
            body: """
                \(Parts.section("Artifact \(artifact.id)", id: "facts", facts, downloads))\
                \(try contents())\
                \(try lineage())\
                \(try comparison())\
                \(Parts.section("Metadata", id: "metadata", metadata))
                """)
    }

    private var facts: HTML {
        var facts: [(name: String, value: HTML)] = [
            ("kind", Parts.link(artifact.kind, ArtifactPages.address(kind: artifact.kind))),
            ("name", "\(artifact.name)"),
            ("digest", "<code>sha256:\(artifact.digest.hex)</code>"),
            ("bytes", "\(blob.map { ReportText.grouped($0.rawBytes) } ?? "unknown")"),
            ("stored", "\(storage)"),
        ]
        if let parent = blob?.parent, isStored { facts.append(("made from", origin(parent))) }
        if let pinned { facts.append(("pinned", "\(pinned)")) }
        if let made = artifact.producer {
            facts += [
                (
                    "made by",
                    """
                    stage \(made.stage) of \(Parts.link("run \(made.run)", HTML.path("runs", "\(made.run)"))), \
                    \(Parts.link("job \(made.job)", HTML.path("jobs", "\(made.job)"))), attempt \(made.token)
                    """
                )
            ]
        } else {
            facts.append(("made by", "\(artifact.origin)"))
        }
        facts.append(("recorded", Parts.time(artifact.createdAt)))
        return Parts.list(facts)
    }

    /// How the bytes are stored, or why they are not.
    private var storage: String {
        guard let blob else { return "no bytes are stored in this database" }
        if let date = blob.collectedAt {
            return "the bytes were collected on \(date.formatted(.iso8601.year().month().day()))"
        }
        let form: String
        switch blob.coding.filter {
        case .recipe: form = "as a recipe"
        case .xor: form = "as a delta"
        case .none, .bitshuffle:
            form = "as \(blob.coding.filter.rawValue) + \(blob.coding.codec.rawValue)"
        }
        return "\(PageParts.bytes(blob.storedBytes)) \(form), in the \(blob.place.rawValue)"
    }

    /// The artifact from whose bytes a recipe or a delta makes these.
    private func origin(_ parent: Digest) -> HTML {
        do {
            guard let artifact = try ArtifactStore(connection).newest(of: parent) else {
                return "blob \(parent.short)"
            }
            return Parts.link(
                "\(artifact.kind) \(artifact.name) #\(artifact.id)",
                HTML.path("artifacts", artifact.id.description))
        } catch {
            return "blob \(parent.short)"
        }
    }

    private var downloads: HTML {
        var links: [HTML] = []
        if isStored {
            links.append(Parts.link("Download the bytes", path + "/download"))
            if artifact.kind == ArtifactRole.subnet.rawValue {
                links.append(Parts.link("Download as ONNX", path + "/network.onnx"))
            }
        }
        links.append(Parts.link("Download the lineage as SVG", path + "/lineage.svg"))
        return "<p>\(HTML.joined(links, separator: " · "))</p>\n"
    }

    // MARK: Lineage

    private func lineage() throws -> HTML {
        let graph = try Lineage(connection).graph(
            .both, of: [artifact.id],
            Lineage.Scope(
                limit: Self.mostRelatives, hidden: hidden, isDetailed: false))
        let chart = graph.chart(more: "the nearest are shown") {
            HTML.path("artifacts", $0.id.description)
        }
        let inputs = Dictionary(grouping: graph.edges, by: \.output)
        let rows = graph.artifacts.map { one -> [HTML] in
            let from = (inputs[one.id] ?? []).map(\.input)
            return [
                ArtifactPages.link(one.id), "\(one.kind)", "\(one.name)",
                "\(one.producer?.stage ?? "user-supplied")",
                HTML.joined(Set(from).sorted().map(ArtifactPages.link), separator: ", "),
                "\(graph.collected[one.id] == nil ? "" : "collected")",
            ]
        }
        var notes: [String] = []
        if graph.isTruncated {
            notes.append("Only the nearest \(graph.artifacts.count) artifacts are shown.")
        }
        if graph.hidden > 0 {
            notes.append("\(ReportText.grouped(graph.hidden)) shards of data sets are left out.")
        }
        return Parts.section(
            "Lineage", id: "lineage", HTML.chart(chart, id: "lineage-chart"),
            notes.isEmpty ? .empty : PageParts.note(notes.joined(separator: " ")),
            """
            <details id="lineage-list"><summary>The same as a table</summary>
            \(Parts.table(
                "The artifacts of the lineage",
                [
                    .number("Artifact"), .text("Kind"), .text("Name"), .text("Stage"),
                    .text("Made from"), .text("Bytes"),
                ], rows))</details>

            """)
    }

    /// The kind that the lineage only counts: shards of pictures, unless this is one.
    private var hidden: String? {
        let shard = ArtifactRole.datasetShard.rawValue
        return artifact.kind == shard ? nil : shard
    }

    // MARK: Comparison

    private func comparison() throws -> HTML {
        let given = request.query["against"] ?? ""
        let form: HTML = """
            <form method="get" action="\(path)" class="fields"><label for="against">Other artifact</label>
            <input id="against" name="against" inputmode="numeric" pattern="[0-9]*" value="\(given)" required>
            <span class="note">Its number: what differs upstream of both is listed.</span>
            <button>Compare</button></form>

            """
        return Parts.section(
            "Compare", id: "compare", form,
            given.isEmpty
                ? .empty
                : try PageParts.readable {
                    let number = Int64(given).flatMap { $0 > 0 ? $0 : nil }
                    guard let number else {
                        throw DashboardError(
                            .form, "'\(Shown.excerpt(given))' is not the number of an artifact")
                    }
                    return try difference(
                        try ArtifactStore(connection).get(ArtifactID(rawValue: number)))
                })
    }

    private func difference(_ other: Artifact) throws -> HTML {
        let found = try LineageDifference(artifact, other, connection, limit: Self.mostPairs)
        let rows = found.differences.map { one -> [HTML] in
            [
                "\(one.stage)", "\(one.subject.rawValue)", "\(one.field)",
                "\(one.aValue ?? "–")", "\(one.bValue ?? "–")",
                "\(ArtifactPages.link(one.a)), \(ArtifactPages.link(one.b))",
            ]
        }
        let same = artifact.id == other.id
        return """
            <p>This is \(artifact.kind) \(artifact.name) #\(artifact.id.rawValue); the other is \(Parts.link(
                "\(other.kind) \(other.name) #\(other.id)",
                HTML.path("artifacts", other.id.description))). \
            \(found.sameBytes ? "Their bytes are the same." : "Their bytes differ.")</p>
            \(Parts.table(
                "Differences upstream, those farthest upstream first",
                [
                    .text("Stage"), .text("What"), .text("Field"), .text("This"), .text("Other"),
                    .text("Artifacts"),
                ], rows,
                none: same ? "They are the same artifact." : "No difference is recorded upstream."))\
            \(found.truncated
                ? PageParts.note("Only \(found.compared) pairs of artifacts were compared.")
                : .empty)
            """
    }

    private var metadata: HTML {
        let text = JSONValue(stored: artifact.metadataJSON)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        var shown = artifact.metadataJSON
        if let pretty = Self.encoded(text, encoder) { shown = pretty }
        let limit = 20_000
        let isCut = shown.utf8.count > limit
        return """
            <details id="metadata-text"><summary>What the producer recorded</summary>
            <pre>\(HTML.lines(isCut ? String(shown.prefix(limit)) + "…" : shown))</pre></details>

            """
    }

    private static func encoded(_ value: JSONValue, _ encoder: JSONEncoder) -> String? {
        do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
            return nil
        }
    }
}
