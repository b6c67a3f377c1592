// Pages and files of the dashboard about a real run, as a role that only reads sees them; and the form that specialises, through
// to its network.
import Artifacts
import Foundation
import Jobs
import Postgres
import Testing

@testable import Dashboard
@testable import Pipelines

@Suite("pages of a real run")
struct DashboardPagesTests {
    @Test("artifacts, devices and costs of a run are shown, downloaded and specialised from")
    func realRun() async throws {
        let place = try CommandPlace.withPictures(whole: true)
        let reader = try reader(of: place)
        let cache = BlobCache(folder: place.folder.appending(path: "cache").path)
        try await PageFiles.$cache.withValue(cache) {
            try checkPages(place, reader)
            try await checkFiles(place, reader)
            try checkCosts(place, reader)
            try checkForm(place)
        }
    }

    /// A connection of a role with `--read`.
    private func reader(of place: CommandPlace) throws -> Connection {
        let role = "read_" + UUID().uuidString.prefix(8).lowercased()
        try place.database.connect().script("create role \(role) login")
        #expect(try place.ofa("db", "grant", role, "--read").status == 0)
        return try Connection(
            url: place.database.url.replacing(#/user=[^&]*/#, with: "user=\(role)"))
    }

    private func route(_ path: String) throws -> (Route, PageRequest) {
        let parts = path.split(separator: "?")
        let places = parts[0].split(separator: "/").map(String.init)
        let fields = parts.count > 1 ? WebRequest.fields(String(parts[1])) : nil
        for route in Pages.routes {
            guard let found = route.match(places) else { continue }
            return (route, PageRequest(parts: found, query: fields ?? [:], mayAct: true))
        }
        throw DashboardError(.notFound, path)
    }

    private func page(_ path: String, _ connection: Connection) throws -> Page {
        let (route, request) = try route(path)
        guard case .page(let make) = route.answer else { throw DashboardError(.notFound, path) }
        let page = try make(request, connection)
        #expect(!page.body.text.contains("a <b>"), "\(path)")
        return page
    }

    private func bytes(_ path: String, _ connection: Connection) async throws -> [UInt8] {
        let (route, request) = try route(path)
        guard case .file(let make) = route.answer else { throw DashboardError(.notFound, path) }
        switch try make(request, connection).body {
        case .bytes(let data): return [UInt8](data)
        case .pieces(_, let next):
            var bytes: [UInt8] = []
            while let piece = try await next() { bytes += piece }
            return bytes
        }
    }

    private func network(_ place: CommandPlace) throws -> Artifact {
        try #require(
            try ArtifactStore(try place.database.connect()).networks(
                ofDevice: "this-machine", most: 1
            ).first)
    }

    private func checkPages(_ place: CommandPlace, _ reader: Connection) throws {
        for artifact in try ArtifactStore(reader).list() {
            let text = try page("/artifacts/\(artifact.id)", reader).body.text
            #expect(text.contains("sha256:\(artifact.digest.hex)"))
            #expect(!text.contains("class=\"bad\""), "\(artifact.kind)")
        }
        #expect(try page("/artifacts", reader).body.text.contains("test-images"))
        let network = try network(place)
        let text = try page("/artifacts/\(network.id)", reader).body.text
        let figures = try NetworkFigures(of: network)
        // The counts by class add up to the test images, and the right ones to the accuracy.
        let counts = try #require(figures.confusion)
        #expect(counts.count == 100 && counts.reduce(0, +) == figures.testImages)
        let right = (0..<10).reduce(0) { $0 + counts[11 * $1] }
        let images = Double(figures.testImages ?? 0)
        #expect(abs(Double(right) / images - figures.testAccuracy) < 1e-9)
        #expect(text.contains("a &lt;b&gt;") && text.contains("Predictions of this-machine"))
        let data = try #require(try ArtifactStore(reader).list(kind: "dataset").first)
        let pictures = try page("/artifacts/\(data.id)", reader).body.text
        #expect(pictures.contains("sheet.png?digest=\(data.digest.short)"))
        #expect(pictures.contains("c &quot;q&quot;"))
        let predictor = try #require(try ArtifactStore(reader).list(kind: "predictor").first)
        #expect(
            try page("/artifacts/\(predictor.id)", reader).body.text.contains("fashion-mbv3"))
        let table = try #require(try ArtifactStore(reader).list(kind: "latency-table").first)
        #expect(try page("/artifacts/\(table.id)", reader).body.text.contains("Median, ms"))
        let device = try page("/devices/this-machine", reader)
        #expect(!device.isLive && device.body.text.contains("/artifacts/\(network.id)"))
        #expect(try page("/devices", reader).body.text.contains("this-machine"))
    }

    private func checkFiles(_ place: CommandPlace, _ reader: Connection) async throws {
        let network = try network(place)
        let export = try place.ofa("export", "\(network.id)", "-o", "network.onnx")
        #expect(export.status == 0, "\(export.errors)")
        #expect(
            try await bytes("/artifacts/\(network.id)/network.onnx", reader)
                == place.bytes("network.onnx"))
        #expect(
            Digest.of(try await bytes("/artifacts/\(network.id)/download", reader))
                == network.digest)
        let data = try #require(try ArtifactStore(reader).list(kind: "dataset").first)
        let sheet = try place.ofa("dataset", "show", "\(data.id)", "-o", "sheet.png")
        #expect(sheet.status == 0, "\(sheet.errors)")
        #expect(
            try await bytes("/artifacts/\(data.id)/sheet.png", reader)
                == place.bytes("sheet.png"))
        let svg = try await bytes("/artifacts/\(network.id)/lineage.svg", reader)
        #expect(svg.starts(with: Array("<svg".utf8)))
    }

    private func checkCosts(_ place: CommandPlace, _ reader: Connection) throws {
        let document = try place.document("cost")
        let total = try #require(document["total"] as? [String: Any])
        let energy = CostParts.energy(Int64(try #require(total["energy_uj"] as? Int)))
        for grouping in ["day", "host", "kind", "device", "pipeline", "zone", "stage", "run"] {
            let text = try page("/cost?by=\(grouping)", reader).body.text
            #expect(text.contains(energy), "\(grouping)")
            #expect(text.contains("<svg"), "\(grouping)")
        }
        let future = try page("/cost?since=2999-01-01", reader).body.text
        #expect(future.contains("No costs are recorded since that day."))
        let networks = try page("/cost/networks", reader).body.text
        #expect(networks.contains("/devices/this-machine"))
    }

    private func checkForm(_ place: CommandPlace) throws {
        let action = try #require(
            Pages.actions.first { Route.match($0.pattern, ["devices"]) != nil })
        let connection = try place.database.connect()
        let next = try action.perform(
            Action.Request(
                parts: [], fields: ["name": "camera", "kind": "phone", "max_macs": "4000000"]),
            connection)
        #expect(next == "/devices/camera?done=specialised")
        #expect(try page("/devices/camera", connection).isLive)
        let run = try #require(
            try DeviceStore(connection).runs(ofDevice: "camera").first)
        let work = try place.ofa("worker", "--until-idle")
        #expect(work.status == 0, "\(work.errors)")
        #expect(try JobQueue(connection).run(run.id).state == .completed)
        let page = try page("/devices/camera", connection)
        let network = try #require(
            try ArtifactStore(connection).networks(ofDevice: "camera", most: 1).first)
        #expect(!page.isLive && page.body.text.contains("/artifacts/\(network.id)"))
        #expect(page.body.text.contains("✓ met"))
    }
}
