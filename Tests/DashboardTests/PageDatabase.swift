// A database with what pages of artifacts, devices and costs show: a run that trained a supernet, a predictor, a device and a
// network, with names that try to be markup.
import Artifacts
import Devices
import Foundation
import Jobs
import Networks
import Postgres
import Search
import TestSupport
import Testing

@testable import Dashboard
@testable import Pipelines

/// A filled database, and pages of it.
struct PageDatabase {
    let database: TemporaryDatabase
    let connection: Connection
    /// The run that trained, and what its stages made.
    let run: RunID
    let supernet, predictor, network: Artifact

    /// Markup, and how it is shown.
    static let markup = "<script>alert('1')</script>"
    static let shownMarkup = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"
    /// How the name of the data set is shown: markup, a terminal escape and a directional override, as no program stores them.
    static let shown = shownMarkup + "\\u{1B}[31m\\u{202E}"

    private static let pipeline = """
        name: pages
        space: fashion-mbv3
        devices:
          watch: {kind: phone, max_macs: 4000000}
        stages:
          data: {kind: import-dataset, dataset: d, folder: /nowhere}
          one: {kind: train, needs: [data], phase: full, kernel_sizes: [3, 5, 7], epochs: 1, learning_rate: 0.1}
          accuracy: {kind: sample-accuracy, needs: [one]}
          predictor: {kind: fit-predictor, needs: [accuracy]}
          search: {kind: search, needs: [predictor], device: watch}
          network: {kind: materialise, needs: [search], device: watch}
        """

    init() throws {
        database = try TemporaryDatabase()
        let connection = try database.connect(), queue = JobQueue(connection)
        self.connection = connection
        let run = try queue.enqueue(
            try PipelineDefinition(text: Self.pipeline, file: "p.yaml").runSpec())
        self.run = run
        let jobs = Dictionary(
            uniqueKeysWithValues: try queue.jobs(run: run).map { ($0.stage, $0.id) })
        let store = ArtifactStore(connection), blobs = BlobStore(connection)
        var token: Int64 = 0
        func make(
            _ stage: String, _ role: ArtifactRole, _ name: String, _ bytes: [UInt8],
            _ metadata: String = "{}", _ inputs: [(Artifact, ArtifactRole)] = [],
            isSameAttempt: Bool = false
        ) throws -> Artifact {
            if !isSameAttempt { token += 1 }
            let id = try store.insert(
                Artifact.New(
                    kind: role.rawValue, name: name,
                    digest: try blobs.put(bytes, elementSize: 1), metadataJSON: metadata, run: run,
                    job: try #require(jobs[stage]), token: token, stage: stage),
                inputs: inputs.map { Artifact.Input($0.0.id, role: $0.1.rawValue) })
            return try store.get(id)
        }
        let data = try make(
            "data", .dataset, "pictures", Array("no shard".utf8),
            #"{"dataset":"d","fingerprint":"f","images":1,"heldOut":0,"splitSeed":1}"#)
        _ = try make(
            "data", .testImages, "tests", Array("no test shard".utf8), "{}", isSameAttempt: true)
        supernet = try make(
            "one", .supernet, "supernet", Array("weights".utf8), "{}", [(data, .dataset)])
        let samples = try make(
            "accuracy", .samples, "samples", Array("samples".utf8),
            "{}", [(data, .dataset), (supernet, .supernet)])
        predictor = try make(
            "predictor", .predictor, "predictor", try Self.predictor().encoded(), "{}",
            [(samples, .samples)])
        let choice = try make(
            "search", .choice, "choice", Array("choice".utf8), "{}", [(predictor, .predictor)])
        network = try make(
            "network", .subnet, "watch network", Array(repeating: 7, count: 300_000),
            try JSONText.encode(Self.figures()), [(choice, .choice), (supernet, .supernet)])
        try change(
            "update ofa.artifact set name = E'<script>alert(''1'')</script>\\u001B[31m\\u202E' where id = \(data.id)"
        )
    }

    /// Changes stored rows that the database keeps as they are.
    func change(_ sql: String) throws {
        try connection.script(
            """
            set session_replication_role = replica;
            \(sql);
            set session_replication_role = origin;
            """)
    }

    /// A predictor that predicts 75 % for every network.
    static func predictor() throws -> AccuracyPredictor {
        let space = SearchSpace.fashion
        let inputs =
            space.layerCount * (space.kernelSizes.count + space.expandRatios.count)
            + space.resolutions.count
        return try AccuracyPredictor(
            stateDict: [
                "fc.weight": ([1, inputs], Array(repeating: 0, count: inputs)),
                "fc.bias": ([1], [0.75]),
            ], space: space, source: "p")
    }

    /// The figures of a network of three classes, of which one has a hostile name.
    static func figures() -> NetworkFigures {
        var figures = NetworkFigures(
            device: "watch", arch: SearchSpace.fashion.smallest, predictedAccuracy: 0.75,
            testAccuracy: 0.7, latencyMs: nil, tableLatencyMs: nil, macs: 2_345_678,
            params: 123_456, flashBytes: 500_000, peakActivationBytes: 20_000,
            assumption: "32-bit weights")
        figures.target = DeviceTarget(
            name: "watch", kind: .phone, limits: Constraints(macsMax: 4_000_000))
        figures.testImages = 30
        figures.classNames = ["shirt", markup, "shoe"]
        figures.confusion = [8, 1, 1, 0, 6, 4, 3, 0, 7]
        return figures
    }

    /// The page at `path`, with forms unless `mayAct` is false.
    func page(_ path: String, mayAct: Bool = true) throws -> Page {
        try Self.page(path, connection, mayAct: mayAct)
    }

    /// The page at `path` as `connection` reads it.
    static func page(
        _ path: String, _ connection: Connection, mayAct: Bool = true
    ) throws -> Page {
        guard case .page(let make) = try route(path).answer else {
            throw DashboardError(.notFound, "\(path) is no page")
        }
        return try make(try request(path, mayAct: mayAct), connection)
    }

    /// The file at `path`.
    func file(_ path: String) throws -> WebResponse {
        guard case .file(let make) = try Self.route(path).answer else {
            throw DashboardError(.notFound, "\(path) is no file")
        }
        return try make(try Self.request(path, mayAct: true), connection)
    }

    /// Posts a form; returns the path of the page that follows.
    func post(_ path: String, _ fields: [String: String]) throws -> String {
        let parts = Self.parts(path)
        for action in Pages.actions {
            guard let found = Route.match(action.pattern, parts) else { continue }
            return try action.perform(
                Action.Request(parts: found, fields: fields), try database.connect())
        }
        throw DashboardError(.notFound, "there is no form \(path)")
    }

    /// The bytes of an answer.
    static func bytes(_ response: WebResponse) async throws -> [UInt8] {
        switch response.body {
        case .bytes(let data): return [UInt8](data)
        case .pieces(let count, let next):
            var bytes: [UInt8] = []
            while let piece = try await next() { bytes += piece }
            #expect(count == nil || count == bytes.count)
            return bytes
        }
    }

    private static func parts(_ path: String) -> [String] {
        (path.split(separator: "?").first ?? "").split(separator: "/").map {
            String($0).removingPercentEncoding ?? ""
        }
    }

    private static func route(_ path: String) throws -> Route {
        guard let route = Pages.routes.first(where: { $0.match(parts(path)) != nil }) else {
            throw DashboardError(.notFound, "there is no page \(path)")
        }
        return route
    }

    private static func request(_ path: String, mayAct: Bool) throws -> PageRequest {
        let query = path.split(separator: "?").dropFirst().first.map(String.init) ?? ""
        return PageRequest(
            parts: try route(path).match(parts(path)) ?? [],
            query: WebRequest.fields(query) ?? [:], mayAct: mayAct,
            formToken: mayAct ? "<input type=\"hidden\" name=\"form_token\" value=\"x\">" : .empty)
    }
}
