// ArtifactPages: the list of artifacts. ArtifactView has the page of one, ArtifactFiles its downloads and pictures.

import Artifacts
import Foundation
import Pipelines
import Postgres

/// Pages: artifacts, lineage, contact sheets, confusion matrices and downloads.
enum ArtifactPages {
    /// The pages and files.
    static let routes: [Route] = [
        .page("/artifacts", list),
        .page("/artifacts/*") { try ArtifactView($0, $1).page() },
        .file("/artifacts/*/download", ArtifactFiles.download),
        .file("/artifacts/*/network.onnx", ArtifactFiles.onnx),
        .file("/artifacts/*/sheet.png", ArtifactFiles.sheet),
        .file("/artifacts/*/lineage.svg", ArtifactFiles.lineage),
    ]
    /// The forms.
    static let actions: [Action] = []

    /// The number of artifacts on a page.
    private static let most = 50

    /// Lists artifacts, newest first; `kind`, `run` and `before` of the query select some.
    static func list(_ request: PageRequest, _ connection: Connection) throws -> Page {
        let kind = request.query["kind"].flatMap { $0.isEmpty ? nil : $0 }
        let run = try number(request.query["run"])
        let before = try number(request.query["before"])
        let found = try ArtifactStore(connection).page(
            run: run, kind: kind, before: before.map(ArtifactID.init), most: most + 1)
        let shown = found.prefix(most)
        var next: [HTML] = []
        if before != nil { next.append(Parts.link("Newest", address(kind: kind, run: run))) }
        if found.count > most, let last = shown.last {
            let place = address(kind: kind, run: run, before: last.artifact.id.rawValue)
            next.append(Parts.link("Older", place))
        }
        let table = Parts.table(
            "Artifacts, newest first",
            [
                .number("Artifact"), .text("Kind"), .text("Name"), .number("Run"), .text("Stage"),
                .number("Size"), .number("Stored"), .text("Pinned"), .text("Recorded"),
            ], shown.map(row), none: "No artifacts fit.")
        return Page(
            "Artifacts",
            body: """
                \(Parts.section("Filter", id: "filter", filters(kind: kind, run: run)))\
                \(Parts.section(
                    title(kind: kind, run: run), id: "artifacts", table,
                    next.isEmpty ? .empty : "<p>\(HTML.joined(next, separator: " · "))</p>"))
                """)
    }

    /// Reads a number above 0 of the query; nil if there is none. Errors: `notFound`.
    private static func number(_ text: String?) throws -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        return try PageRequest(parts: [text]).number()
    }

    /// The address of a list.
    static func address(kind: String? = nil, run: Int64? = nil, before: Int64? = nil) -> String {
        let fields = [
            kind.map { "kind=\(HTML.encoded($0))" }, run.map { "run=\($0)" },
            before.map { "before=\($0)" },
        ].compactMap(\.self)
        return "/artifacts" + (fields.isEmpty ? "" : "?" + fields.joined(separator: "&"))
    }

    private static func title(kind: String?, run: Int64?) -> String {
        let what = kind.map { "Artifacts of kind \($0)" } ?? "Artifacts"
        return what + (run.map { " of run \($0)" } ?? "") + ", newest first"
    }

    private static func filters(kind: String?, run: Int64?) -> HTML {
        let kinds =
            [("all", nil)]
            + ArtifactRole.allCases.filter { $0 != .teacher }.map {
                ($0.rawValue, Optional($0.rawValue))
            }
        let chosen = PageParts.choices(
            "Kind", kinds.map { ($0.0, address(kind: $0.1, run: run), $0.1 == kind) })
        guard let run else { return chosen }
        return """
            \(chosen)<p>Run \(run) only · \(Parts.link("all runs", address(kind: kind)))</p>
            """
    }

    private static func row(_ stored: ArtifactStore.Stored) -> [HTML] {
        let artifact = stored.artifact
        let run = artifact.producer.map { Parts.link("\($0.run)", HTML.path("runs", "\($0.run)")) }
        return [
            link(artifact.id), "\(artifact.kind)",
            "\(Parts.link(artifact.name, HTML.path("artifacts", artifact.id.description)))",
            run ?? .empty, "\(artifact.producer?.stage ?? "user-supplied")",
            "\(stored.blob.map { PageParts.bytes($0.rawBytes) } ?? "unknown")",
            "\(storedText(stored.blob))", "\(stored.pinned)", Parts.time(artifact.createdAt),
        ]
    }

    /// Returns how many bytes are stored, or why none are.
    static func storedText(_ blob: BlobInfo?) -> String {
        guard let blob else { return "not here" }
        return blob.collectedAt == nil ? PageParts.bytes(blob.storedBytes) : "collected"
    }

    /// A link to the page of an artifact, by its number.
    static func link(_ id: ArtifactID) -> HTML {
        Parts.link(id.description, HTML.path("artifacts", id.description))
    }
}
