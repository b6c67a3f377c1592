// What differs upstream of two artifacts, and what cannot be known.
import Artifacts
import Postgres
import TestSupport
import Testing

@testable import Pipelines

@Suite struct LineageDifferenceTests {
    private let database: TemporaryDatabase
    private let connection: Connection
    private let store: ArtifactStore

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
        store = ArtifactStore(connection)
    }

    private func artifact(
        _ kind: String, _ name: String, token: Int64?, _ metadata: String = "{}",
        inputs: [(Artifact, String)] = []
    ) throws -> Artifact {
        let digest = try BlobStore(connection).put(Array(name.utf8), elementSize: 1)
        let new =
            token.map {
                Artifact.New(
                    kind: kind, name: name, digest: digest, metadataJSON: metadata, run: 1,
                    job: 900 + $0, token: $0, stage: "s")
            } ?? Artifact.New(broughtAs: kind, name: name, digest: digest, metadataJSON: metadata)
        return try store.get(
            try store.insert(new, inputs: inputs.map { Artifact.Input($0.0.id, role: $0.1) }))
    }

    private func madeBy(_ host: String, _ release: String = "1", threads: Int = 2) -> String {
        """
        {"madeBy":{"code":{"release":"\(release)"},"host":"\(host)","instructionSet":"avx2",\
        "blasCore":"Haswell","threads":\(threads),"deterministic":true}}
        """
    }

    private func found(_ a: Artifact, _ b: Artifact) throws -> [String] {
        try LineageDifference(a, b, connection).differences.map {
            "\($0.subject.rawValue) \($0.field): \($0.aValue ?? "-"), \($0.bValue ?? "-")"
        }
    }

    @Test("data sets that several paths lead to are named once")
    func data() throws {
        let sides = try (0..<2 as Range<Int64>).map { side in
            let base = 10 * side
            let data = try artifact(
                "dataset", "d\(side)", token: base + 1, madeBy("h"))
            let net = try artifact(
                "supernet", "n\(side)", token: base + 2, madeBy("h"), inputs: [(data, "dataset")])
            return try artifact(
                "subnet", "s\(side)", token: base + 3, madeBy("h"),
                inputs: [(data, "dataset"), (net, "supernet")])
        }
        let differences = try found(sides[0], sides[1])
        #expect(differences.filter { $0.hasPrefix("data bytes of dataset") }.count == 1)
        // The jobs of these artifacts are unknown, which is said once for each attempt.
        #expect(differences.filter { $0.hasPrefix("unknown parameters") }.count == 3)
    }

    @Test("code, machine and engine differ, or are not recorded for one of the two")
    func engines() throws {
        let one = try artifact("subnet", "a", token: 1, madeBy("h"))
        let other = try artifact("subnet", "b", token: 2, madeBy("g", "2", threads: 4))
        let old = try artifact("subnet", "c", token: 3)
        #expect(
            try found(one, other) == [
                "unknown parameters: job 901 is unknown, job 902 is unknown", "code code: 1, 2",
                "host host: h, g", "engine threads: 2, 4",
            ])
        #expect(
            try found(old, one).contains("unknown code, host and engine: -, recorded"))
    }

    @Test("an input that one of them lacks, and one that no stage made")
    func inputs() throws {
        let mine = try artifact("predictor", "mine", token: nil)
        let made = try artifact("predictor", "made", token: 1, madeBy("h"))
        let one = try artifact(
            "subnet", "a", token: 2, madeBy("h"), inputs: [(mine, "predictor")])
        let other = try artifact(
            "subnet", "b", token: 3, madeBy("h"), inputs: [(made, "predictor")])
        let none = try artifact("subnet", "c", token: 4, madeBy("h"))
        let differences = try found(one, other)
        #expect(differences.contains("stage stage: -, s"))
        #expect(differences.contains { $0.hasPrefix("data bytes of predictor: ") })
        #expect(
            try found(one, none).contains("input predictor: predictor mine #\(mine.id), -"))
    }
}
