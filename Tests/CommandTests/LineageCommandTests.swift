// Lineage as a user sees it: graphs, differences, paths, repetitions, events and statements of one small run.
import Artifacts
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct LineageCommandTests {
    /// Images, a supernet and its smallest network.
    private static let pipeline =
        ArtifactsHealCommandTests.pipeline.trimmingCharacters(in: .newlines) + """

              smallest:
                kind: materialise
                needs: [full]
                network: smallest
                calibration_images: 32

            """

    private func ran(environment: [String: String] = [:]) throws -> CommandPlace {
        let place = try CommandPlace(images: true)
        try place.write(Self.pipeline)
        let run = try place.ofa("run", "tiny.yaml", environment: environment)
        try #require(run.status == 0, "\(run.errors)")
        return place
    }

    private func objects(_ lines: [String]) throws -> [[String: Any]] {
        try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test("graph, why and diff answer; a changed seed is what differs, and a tombstone is marked")
    func questions() throws {
        let place = try ran()
        let svg = try place.ofa(
            "lineage", "graph", "fashion-mbv3-full", "--format", "svg", "-o", "l.svg")
        #expect(svg.status == 0, "\(svg.errors)")
        let drawing = try String(contentsOf: place.folder.appending(path: "l.svg"), encoding: .utf8)
        #expect(
            drawing.hasPrefix("<svg") && drawing.contains("box root")
                && drawing.contains("tiny-dataset"))
        let graph = try place.document("lineage", "graph", "fashion-mbv3-full")
        #expect(
            (graph["artifacts"] as? [Any])?.count == 3 && graph["direction"] as? String == "both")

        let why = try place.document(
            "lineage", "why", "tiny-dataset", "fashion-mbv3-smallest", "--paths", "5")
        // The network was calibrated on the data set itself.
        #expect(why["length"] as? Int == 1 && why["shortest_paths"] as? Int == 1)
        let reversed = try place.ofa("lineage", "why", "fashion-mbv3-full", "tiny-dataset")
        #expect(reversed.status == 2 && reversed.errors.contains("the other way round"))

        let other = try place.ofa("run", "tiny.yaml", "--set", "seed=4", "--name", "other")
        try #require(other.status == 0, "\(other.errors)")
        let networks = try place.list("artifacts", "list", "--kind", "subnet").compactMap {
            $0["id"] as? Int
        }
        try #require(networks.count == 2)
        let diff = try place.ofa("lineage", "diff", "\(networks[0])", "\(networks[1])", "--json")
        #expect(diff.status == 2)
        let found = try #require(try objects(diff.lines).first)
        #expect(found["same_bytes"] as? Bool == false)
        let differences = try #require(found["differences"] as? [[String: Any]])
        #expect(!differences.isEmpty)
        for one in differences {
            #expect(one["subject"] as? String == "seed", "\(one)")
            #expect(one["a_value"] as? String == "3" && one["b_value"] as? String == "4")
        }
        #expect(differences.map { $0["stage"] as? String }.contains("full"))
        #expect(try place.ofa("lineage", "diff", "\(networks[0])", "\(networks[0])").status == 0)

        _ = try place.database.connect().execute(
            Statement(
                name: "Collect",
                sql:
                    """
                    update ofa.blob set collected_at = now(), parent = null
                    where digest = (select digest from ofa.artifact where id = \(networks[0]))
                    """
            ))
        let up = try place.ofa("lineage", "up", "\(networks[0])")
        #expect(up.status == 0 && up.output.contains("; collected on 20"), "\(up.output)")
    }

    @Test("a network is reproduced byte for byte, and not with another seed; nothing else changes")
    func reproduce() throws {
        let place = try ran()
        let before = try place.list("artifacts", "list")
        for name in ["fashion-mbv3-smallest", "fashion-mbv3-full", "tiny-dataset"] {
            let same = try place.ofa("reproduce", name, "--check", "--json")
            #expect(same.status == 0, "\(same.errors)")
            let answer = try #require(try objects(same.lines).first)
            #expect(answer["same_bytes"] as? Bool == true)
            #expect(answer["digest"] as? String == answer["reproduced"] as? String)
            #expect((answer["differences"] as? [String])?.isEmpty == true, "\(answer)")
        }
        let other = try place.ofa(
            "reproduce", "fashion-mbv3-smallest", "--check", "--set", "seed=4")
        #expect(other.status == 2 && other.output.contains("other bytes"))
        #expect(other.errors.contains("seed 3 then, 4 now"), "\(other.errors)")
        #expect(try place.ofa("reproduce", "fashion-mbv3-smallest", "--set", "seed=4").status == 0)
        #expect(
            try place.ofa("reproduce", "fashion-mbv3-smallest", "--set", "epochs=4").status == 64)
        #expect(try place.ofa("reproduce", "nothing").status == 2)
        let after = try place.list("artifacts", "list")
        #expect(after.map { $0["id"] as? Int } == before.map { $0["id"] as? Int })
        #expect(try place.ofa("status").output.hasPrefix("run 1 "))
        #expect(try place.ofa("queue", "audit").status == 0)
    }

    @Test("the provenance of every artifact is recorded: code, machine, engine and determinism")
    func provenance() throws {
        let place = try ran()
        let version = try place.document("--version")
        for artifact in try place.list("artifacts", "list") {
            let metadata = try #require(artifact["metadata"] as? [String: Any])
            let made = try #require(metadata["madeBy"] as? [String: Any])
            let code = try #require(made["code"] as? [String: Any])
            #expect(code["release"] as? String == version["version"] as? String)
            #expect(code["commit"] as? String == version["commit"] as? String)
            #expect(made["instructionSet"] as? String == version["instruction_set"] as? String)
            #expect(made["deterministic"] as? Bool == true)
            #expect((made["blasCore"] as? String)?.isEmpty == false && made["host"] is String)
        }
    }

    @Test(
        "the events of a run follow the rules and are sent to a file; an unreachable target stops nothing"
    )
    func events() throws {
        let place = try ran(environment: ["OFA_OPENLINEAGE": "events.jsonl"])
        let file = place.folder.appending(path: "events.jsonl")
        let sent = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(
            String.init)
        #expect(sent.count == 6)
        #expect(
            try place.ofa("lineage", "check", "events.jsonl").output.contains(
                "6 events follow the rules"))
        #expect(
            try place.document("lineage", "send", "--to", "events.jsonl")["attempts"] as? Int == 0)
        let told = try place.ofa("lineage", "graph", "fashion-mbv3-full", "--format", "openlineage")
        #expect(Set(told.lines) == Set(sent))
        let events = try objects(sent)
        let last = try #require(events.last)
        let job = try #require(last["job"] as? [String: Any])
        #expect(
            last["eventType"] as? String == "COMPLETE"
                && job["name"] as? String == "two-stages.smallest")
        let facets = try #require((last["run"] as? [String: Any])?["facets"] as? [String: Any])
        #expect((facets["ofa_resourceUsage"] as? [String: Any])?["energyJoules"] is Double)
        let outputs = try #require(last["outputs"] as? [[String: Any]])
        #expect(outputs.map { $0["name"] as? String } == ["subnet/fashion-mbv3-smallest"])
        try sent[0].replacing(#/"runId":"[^"]*"/#, with: "\"runId\":\"x\"").write(
            to: place.folder.appending(path: "bad.jsonl"), atomically: true, encoding: .utf8)
        let bad = try place.ofa("lineage", "check", "bad.jsonl")
        #expect(bad.status == 2 && bad.output.contains("line 1: field run.runId is no UUID"))

        #expect(try place.ofa("enqueue", "tiny.yaml", "--name", "spoiled").status == 0)
        try place.spoilImages()
        let failed = try place.ofa(
            "worker", "--until-idle", environment: ["OFA_OPENLINEAGE": "http://127.0.0.1:1/"])
        #expect(
            failed.status == 0 && failed.errors.contains("left to the next worker"),
            "\(failed.errors)")
        #expect(
            try place.document("lineage", "send", "--to", "events.jsonl")["attempts"] as? Int ?? 0
                > 0)
        #expect(try place.ofa("lineage", "check", "events.jsonl").status == 0)
        #expect(try String(contentsOf: file, encoding: .utf8).contains("\"FAIL\""))
    }

    @Test(
        "events are posted in order; a server that is busy gets them later, and a refused event is left out"
    )
    func posted() throws {
        let place = try ran()
        let busy = try EventServer { number, _ in number == 0 ? 503 : number == 2 ? 422 : 201 }
        defer { busy.stop() }
        let first = try place.ofa("lineage", "send", "--to", busy.url)
        #expect(first.status == 1 && first.errors.contains("status 503"), "\(first.errors)")
        let second = try place.ofa("lineage", "send", "--to", busy.url, "--json")
        #expect(
            second.status == 1 && second.errors.contains("refused 1 events"), "\(second.errors)")
        #expect(try objects(second.lines).first?["attempts"] as? Int == 3)
        #expect(try place.document("lineage", "send", "--to", busy.url)["attempts"] as? Int == 0)
        let bodies = busy.bodies
        #expect(bodies.count == 7 && bodies[0] == bodies[1])
        try bodies.dropFirst().joined(separator: "\n").write(
            to: place.folder.appending(path: "posted.jsonl"), atomically: true, encoding: .utf8)
        #expect(try place.ofa("lineage", "check", "posted.jsonl").status == 0)
    }

    @Test("a worker sends the events by itself, without being asked")
    func duty() throws {
        let place = try ran()
        let server = try EventServer()
        defer { server.stop() }
        let worker = try RunningCommand(
            ["worker"],
            environment: place.environment.merging(["OFA_OPENLINEAGE": server.url]) { $1 })
        while server.bodies.count < 6 {
            try #require(worker.isRunning, "\(worker.errors)")
            Thread.sleep(forTimeInterval: 0.05)
        }
        worker.terminate()
        #expect(server.bodies.count == 6)
    }

    @Test("a statement names the artifact, its inputs and parameters, and is signed with a key")
    func attest() throws {
        let place = try ran()
        let plain = try place.ofa("lineage", "attest", "fashion-mbv3-smallest")
        #expect(plain.status == 0 && plain.errors.contains("not signed"), "\(plain.errors)")
        let statement = try #require(try objects(plain.lines).first)
        #expect(statement["_type"] as? String == "https://in-toto.io/Statement/v1")
        let artifact = try place.document("artifacts", "show", "fashion-mbv3-smallest")
        let subjects = try #require(statement["subject"] as? [[String: Any]])
        #expect(subjects.map { $0["name"] as? String } == ["subnet/fashion-mbv3-smallest"])
        #expect(
            (subjects[0]["digest"] as? [String: String]) == [
                "sha256": artifact["digest"] as? String ?? ""
            ])
        let predicate = try #require(statement["predicate"] as? [String: Any])
        let definition = try #require(predicate["buildDefinition"] as? [String: Any])
        #expect(definition["buildType"] as? String == "urn:ofa:stage:materialise:v1")
        let external = try #require(definition["externalParameters"] as? [String: Any])
        #expect((external["parameters"] as? [String: Any])?["calibrationImages"] as? Int == 32)
        let inputs = try #require(definition["resolvedDependencies"] as? [[String: Any]])
        #expect(
            Set(inputs.compactMap { $0["name"] as? String }).isSuperset(of: [
                "supernet/fashion-mbv3-full", "dataset/tiny-dataset",
                "test-images/tiny-test-images",
            ]))

        let key = place.folder.appending(path: "key.pem")
        try """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHctzssCZAm/JuaYrkkRA9ZWfxN
        -----END PRIVATE KEY-----

        """.write(to: key, atomically: true, encoding: .utf8)
        let signed = try place.ofa(
            "lineage", "attest", "fashion-mbv3-smallest", "-o", "s.json",
            environment: ["OFA_SIGNING_KEY": key.path])
        #expect(
            signed.status == 0 && signed.output.contains("the signed statement"), "\(signed.errors)"
        )
        let envelope = try JSONDecoder().decode(
            SignedEnvelope.self, from: try Data(contentsOf: place.folder.appending(path: "s.json")))
        let publicKey = try SigningKey(pem: [UInt8](try Data(contentsOf: key))).publicKey
        let bytes = try #require(envelope.verified(by: publicKey))
        #expect(String(decoding: bytes, as: UTF8.self) == plain.lines[0])
        #expect(
            try place.ofa(
                "lineage", "attest", "fashion-mbv3-smallest",
                environment: ["OFA_SIGNING_KEY": "tiny.yaml"]
            ).errors.contains("no unencrypted private key"))
    }
}
