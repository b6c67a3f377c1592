// Pages of artifacts: the list, what one is and holds, its lineage, comparisons and downloads.
import Artifacts
import Foundation
import Postgres
import Testing

@testable import Dashboard
@testable import Pipelines

@Suite struct ArtifactPagesTests {
    private let filled: PageDatabase

    init() throws { filled = try PageDatabase() }

    @Test("the list has the newest first, and is filtered by kind and run and paged by links")
    func list() throws {
        let all = try filled.page("/artifacts").body.text
        let newest = try #require(all.range(of: "watch network"))
        let oldest = try #require(all.range(of: ">\(PageDatabase.shown)<"))
        #expect(newest.lowerBound < oldest.lowerBound)
        #expect(all.contains("<a href=\"/artifacts?kind=subnet\">subnet</a>"))
        let subnets = try filled.page("/artifacts?kind=subnet&run=\(filled.run)").body.text
        #expect(subnets.contains("watch network") && !subnets.contains("script"))
        #expect(try filled.page("/artifacts?run=99").body.text.contains("No artifacts fit."))
        let store = ArtifactStore(filled.connection)
        for number in 0..<60 {
            try store.insert(
                Artifact.New(
                    broughtAs: "predictor", name: "p\(number)", digest: filled.predictor.digest))
        }
        let first = try filled.page("/artifacts?kind=predictor").body.text
        #expect(first.contains(">p59<") && !first.contains(">p9<"))
        let older = try #require(
            first.firstMatch(of: #/href="(\/artifacts\?kind=predictor&amp;before=[0-9]+)"/#))
        let path = String(older.1).replacing("&amp;", with: "&")
        let second = try filled.page(path).body.text
        #expect(second.contains(">p9<") && !second.contains(">p59<") && second.contains("Newest"))
    }

    @Test("a network's page has its figures, limits, genes, confusions, lineage and links")
    func network() throws {
        let id = filled.network.id
        let page = try filled.page("/artifacts/\(id)")
        let text = page.body.text
        for part in [
            "sha256:\(filled.network.digest.hex)", "300,000", "/runs/\(filled.run)",
            "70.00 % ± 8.37", "75.00 %", "2,345,678", "488.3 KiB",
            "max_macs", "4,000,000 MACs", "✓ met", "href=\"/devices/watch\"",
            "/artifacts/\(id)/download", "/artifacts/\(id)/network.onnx",
            "/artifacts/\(filled.supernet.id)", "shoe taken for shirt: 3 of 10",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        // Predictions by class as a table, with the hostile class as text.
        #expect(text.contains("<th scope=\"row\">\(PageDatabase.shownMarkup)</th>"))
        #expect(!text.contains("<script"))
        // Sections have the same ids whenever the page is rendered.
        let ids = text.matches(of: #/<section id="([a-z]+)"/#).map { String($0.1) }
        #expect(
            ids == [
                "facts", "network", "limits", "architecture", "classes", "lineage", "compare",
                "metadata",
            ])
    }

    @Test("a network of an older version says that no predictions by class are recorded")
    func older() throws {
        try filled.change(
            "update ofa.artifact set metadata = metadata - 'confusion' where id = \(filled.network.id)"
        )
        let text = try filled.page("/artifacts/\(filled.network.id)").body.text
        #expect(text.contains("No predictions by class are recorded"))
    }

    @Test(
        "an evaluation of the same search result has the predictions of a network without its own")
    func evaluation() throws {
        try filled.change(
            "update ofa.artifact set metadata = metadata - 'confusion' where id = \(filled.network.id)"
        )
        let store = ArtifactStore(filled.connection)
        let choice = try #require(try store.list(kind: "search-result").first)
        let counts = ArmEvaluation(
            arm: "cut", seed: 1, netEpochs: nil, testImages: 4,
            networks: [
                .init(
                    name: "watch", arch: PageDatabase.figures().arch, top1: 0.75, loss: nil,
                    macs: 1, params: 1, confusion: [2, 0, 1, 1])
            ])
        let evaluation = try store.insert(
            Artifact.New(
                kind: "evaluation", name: "evaluation",
                digest: BlobStore(filled.connection).put(
                    Array(try JSONText.encode(counts).utf8), elementSize: 1),
                metadataJSON: try JSONText.encode(counts.summary), run: filled.run, job: 1,
                token: 99, stage: "evaluate"),
            inputs: [Artifact.Input(choice.id, role: "search-result")])
        let text = try filled.page("/artifacts/\(filled.network.id)").body.text
        #expect(text.contains("Recorded by evaluation <a href=\"/artifacts/\(evaluation)\">"))
        #expect(text.contains("75.00 % right"))
        #expect(try !store.get(evaluation).metadataJSON.contains("confusion"))
        #expect(try filled.page("/artifacts/\(evaluation)").body.text.contains("75.00 % right"))
    }

    @Test("another artifact is compared by its number; one that does not exist is said")
    func comparison() throws {
        let path = "/artifacts/\(filled.network.id)"
        let text = try filled.page("\(path)?against=\(filled.supernet.id)").body.text
        #expect(text.contains("Their bytes differ."))
        #expect(text.contains("Differences upstream"))
        #expect(
            try filled.page("\(path)?against=\(filled.network.id)").body.text.contains(
                "They are the same artifact."))
        for (given, words) in [("9999", "there is no artifact"), ("%3Cb%3E", "is not the number")] {
            let text = try filled.page("\(path)?against=\(given)").body.text
            #expect(text.contains(words) && !text.contains("<b>"), "\(given)")
        }
    }

    @Test("a download gives the stored bytes under a name without special characters")
    func download() async throws {
        try filled.change(
            "update ofa.artifact set name = E'../\"<b>\\u001B\\u202Eü' where id = \(filled.network.id)"
        )
        let response = try filled.file("/artifacts/\(filled.network.id)/download")
        #expect(try await PageDatabase.bytes(response) == Array(repeating: 7, count: 300_000))
        let name = try #require(response.headers["Content-Disposition"])
        #expect(
            name.wholeMatch(of: #/attachment; filename="[-_A-Za-z0-9]+\.safetensors"/#) != nil,
            "\(name)")
        let lineage = try filled.file("/artifacts/\(filled.network.id)/lineage.svg")
        let svg = String(decoding: try await PageDatabase.bytes(lineage), as: UTF8.self)
        #expect(svg.hasPrefix("<svg") && svg.contains("&lt;b&gt;\\u{1B}\\u{202E}"))
    }

    @Test("damaged and collected bytes are said, and never sent")
    func damaged() throws {
        let id = filled.network.id
        try filled.connection.script(
            """
            update ofa.blob_chunk set data = set_byte(data, 0, 255 - get_byte(data, 0))
            where digest = (select digest from ofa.artifact where id = \(id))
            """)
        #expect(try filled.page("/artifacts/\(id)").body.text.contains("Download the bytes"))
        let error = #expect(throws: ArtifactsError.self) {
            try filled.file("/artifacts/\(id)/download")
        }
        #expect(error?.code == .corrupt && error.map(Problem.status) == 422)
        // The predictor's page needs its bytes.
        try filled.connection.script(
            """
            update ofa.blob set collected_at = ofa.now(), stored_bytes = 0
            where digest = (select digest from ofa.artifact where id = \(filled.predictor.id))
            """)
        let text = try filled.page("/artifacts/\(filled.predictor.id)").body.text
        #expect(text.contains("the bytes were collected on"))
        #expect(text.contains("The bytes are not here, so this cannot be shown."))
        #expect(!text.contains("Download the bytes"))
        #expect(
            #expect(throws: ArtifactsError.self) {
                try filled.file("/artifacts/\(filled.predictor.id)/download")
            }?.code == .collected)
        // Bytes that are no shard.
        let data = try #require(try ArtifactStore(filled.connection).list(kind: "dataset").first)
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { do { try FileManager.default.removeItem(at: folder) } catch {} }
        let cache = BlobCache(folder: folder.path)
        let shown = try PageFiles.$cache.withValue(cache) {
            try filled.page("/artifacts/\(data.id)").body.text
        }
        #expect(shown.contains("<p class=\"bad\">"))
        let refusal = #expect(throws: DashboardError.self) {
            try PageFiles.$cache.withValue(cache) {
                try filled.file("/artifacts/\(data.id)/sheet.png")
            }
        }
        #expect(refusal?.code == .form)
    }

    @Test("a predictor's page has its method and space")
    func predictor() throws {
        let text = try filled.page("/artifacts/\(filled.predictor.id)").body.text
        #expect(text.contains("fashion-mbv3") && text.contains("accuracies in floats"))
        #expect(text.contains("No quality is recorded"))
    }

    @Test(
        "what does not exist is not found",
        arguments: [
            "/artifacts/9999", "/artifacts/0", "/artifacts/x", "/artifacts/01",
            "/artifacts?run=x", "/artifacts?before=-1",
        ])
    func unknown(_ path: String) throws {
        let error = #expect(throws: (any Error).self) { try filled.page(path) }
        #expect(error.map(Problem.status) == 404, "\(path)")
    }

    @Test("files of artifacts of other kinds, or of none, are not found")
    func unknownFiles() throws {
        for path in [
            "/artifacts/9999/download", "/artifacts/9999/lineage.svg",
            "/artifacts/\(filled.predictor.id)/network.onnx",
            "/artifacts/\(filled.predictor.id)/sheet.png",
        ] {
            let error = #expect(throws: (any Error).self) { try filled.file(path) }
            #expect(error.map(Problem.status) == 404, "\(path)")
        }
    }
}
