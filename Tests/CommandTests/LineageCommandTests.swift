// Lineage as a user sees it: graphs, differences, paths, events and statements of one small run.
import Artifacts
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct LineageCommandTests {
    /// Images, a supernet and its smallest network.
    static let pipeline =
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
            drawing.hasPrefix("<svg") && drawing.contains("box marked")
                && drawing.contains("tiny-dataset"))
        // With --json the answer is JSON, and the file keeps its format.
        let both = try place.document(
            "lineage", "graph", "fashion-mbv3-full", "--format", "svg", "-o", "both.svg")
        #expect(both["file"] as? String == "both.svg")
        #expect(
            try String(contentsOf: place.folder.appending(path: "both.svg"), encoding: .utf8)
                == drawing)
        let mixed = try place.ofa(
            "lineage", "up", "fashion-mbv3-full", "--format", "dot", "--json")
        #expect(mixed.status == 64 && mixed.errors.contains("omit one of them"), "\(mixed.errors)")
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
        try checkForms(place, sent)

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
        try ends(place)
    }

    /// Whatever ended an attempt early is a FAIL; an attempt that did not begin has no events.
    private func ends(_ place: CommandPlace) throws {
        try place.database.connect().script(
            """
            insert into ofa.attempt (token, job_id, attempt, session_id, started_at, ended_at, outcome)
            select 900000 + place, job_id, 1, session_id, now(), now(), outcome
            from (select job_id, session_id from ofa.attempt order by token limit 1) as one
            cross join unnest(array['cancelled', 'lost', 'released', 'unbegun'])
              with ordinality as made (outcome, place)
            """)
        #expect(
            try place.document("lineage", "send", "--to", "events.jsonl")["attempts"] as? Int == 3)
        let lines = try String(
            contentsOf: place.folder.appending(path: "events.jsonl"), encoding: .utf8
        ).split(separator: "\n").map(String.init)
        let types = try objects(lines.suffix(6)).compactMap { $0["eventType"] as? String }
        #expect(types == ["START", "FAIL", "START", "FAIL", "START", "FAIL"])
        #expect(try place.ofa("lineage", "check", "events.jsonl").status == 0)
    }

    /// Files of events that are none: empty, not UTF-8; and one with carriage returns and repeated events.
    private func checkForms(_ place: CommandPlace, _ sent: [String]) throws {
        func check(_ bytes: Data) throws -> CommandRun {
            try bytes.write(to: place.folder.appending(path: "form.jsonl"))
            return try place.ofa("lineage", "check", "form.jsonl")
        }
        let empty = try check(Data("\n\r\n".utf8))
        #expect(empty.status == 2 && empty.output.contains("there are no events"))
        let spoiled = try #require(sent[0].range(of: "two-stages"))
        var bytes = Data(sent[0][..<spoiled.lowerBound].utf8)
        bytes += [0xFF] + Data(sent[0][spoiled.upperBound...].utf8)
        let binary = try check(bytes)
        #expect(binary.status == 2 && binary.output.contains("line 1: is not text in UTF-8"))
        let twice = try check(
            Data((Array(sent[..<2]) + Array(sent[..<2])).joined(separator: "\r\n").utf8))
        #expect(
            twice.status == 0
                && twice.output.contains("4 events follow the rules, of which 2 are repeated"),
            "\(twice.output)")
    }

    @Test(
        "events are posted in order; a server that is busy gets them later, and a refused event is left out"
    )
    func posted() throws {
        let place = try ran()
        let all = try place.ofa("lineage", "graph", "fashion-mbv3-full", "--format", "openlineage")
            .lines
        #expect(all.count == 6)
        let busy = try EventServer { number, _ in number == 3 ? 503 : number == 5 ? 422 : 201 }
        defer { busy.stop() }
        let first = try place.ofa("lineage", "send", "--to", busy.url)
        #expect(first.status == 1 && first.errors.contains("status 503"), "\(first.errors)")
        let second = try place.ofa("lineage", "send", "--to", busy.url, "--json")
        #expect(
            second.status == 1 && second.errors.contains("refused 1 event"), "\(second.errors)")
        // The first attempt was recorded before the failure; the second one is sent from its START on.
        #expect(try objects(second.lines).first?["attempts"] as? Int == 2)
        #expect(try place.document("lineage", "send", "--to", busy.url)["attempts"] as? Int == 0)
        let bodies = busy.bodies
        let resent = Array(all[..<4]) + Array(all[2...])
        #expect(bodies == resent)
        #expect(busy.accepted == [all[0], all[1], all[2], all[2], all[4], all[5]])
        try redirected(place)
        try poisoned(place, all)
        try together(place, all)
    }

    /// A redirect is no delivery: the events are kept.
    private func redirected(_ place: CommandPlace) throws {
        let server = try EventServer(answering: { number, _ in
            number == 0 ? .init(302, headers: ["Location: /login"]) : .init(200)
        })
        defer { server.stop() }
        let first = try place.ofa("lineage", "send", "--to", server.url)
        #expect(first.status == 1 && first.errors.contains("/login"), "\(first.errors)")
        #expect(try place.document("lineage", "send", "--to", server.url)["attempts"] as? Int == 3)
        #expect(server.bodies.count == 7 && !server.bodies.contains(""))
    }

    /// An attempt whose events make the server fail is left out, if the server accepts those of the next one.
    private func poisoned(_ place: CommandPlace, _ all: [String]) throws {
        let server = try EventServer { _, body in body.contains("two-stages.full\"") ? 500 : 200 }
        defer { server.stop() }
        let sent = try place.ofa("lineage", "send", "--to", server.url, "--json")
        #expect(sent.status == 1 && sent.errors.contains("left out"), "\(sent.errors)")
        let answer = try #require(try objects(sent.lines).first)
        #expect(answer["attempts"] as? Int == 3 && answer["refused"] as? Int == 2)
        #expect(server.accepted == [all[0], all[1], all[4], all[5]])
        let broken = try EventServer { _, _ in 500 }
        defer { broken.stop() }
        let none = try place.ofa("lineage", "send", "--to", broken.url)
        #expect(none.status == 1 && none.errors.contains("status 500"), "\(none.errors)")
        #expect(broken.bodies == [all[0], all[0], all[0], all[2], all[2], all[2]])
    }

    /// While one process sends to a target, another one leaves it alone.
    private func together(_ place: CommandPlace, _ all: [String]) throws {
        let goOn = DispatchSemaphore(value: 0)
        let server = try EventServer { number, _ in
            if number == 0 { goOn.wait() }
            return 200
        }
        defer { server.stop() }
        let first = try RunningCommand(
            ["lineage", "send", "--to", server.url], environment: place.environment)
        #expect(server.waitForBodies(1))
        let second = try place.ofa("lineage", "send", "--to", server.url, "--json")
        goOn.signal()
        #expect(second.status == 0 && second.errors.contains("another process"), "\(second.errors)")
        #expect(try objects(second.lines).first?["attempts"] as? Int == 0)
        #expect(first.wait() == 0, "\(first.errors)")
        #expect(server.bodies == all)
    }

    @Test("a worker sends the events by itself, each once, without being asked")
    func duty() throws {
        let place = try ran()
        let server = try EventServer()
        defer { server.stop() }
        let worker = try RunningCommand(
            ["worker"],
            environment: place.environment.merging(["OFA_OPENLINEAGE": server.url]) { $1 })
        #expect(server.waitForBodies(6), "\(worker.errors)")
        worker.terminate()
        #expect(worker.wait() == 0, "\(worker.errors)")
        #expect(server.bodies.count == 6 && Set(server.bodies).count == 6)
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

        try attestFile(place)
        let missing = try place.ofa(
            "lineage", "attest", "fashion-mbv3-smallest",
            environment: ["OFA_SIGNING_KEY": "none.pem"])
        #expect(
            missing.status == 1 && missing.errors.contains("OFA_SIGNING_KEY, none.pem"),
            "\(missing.errors)")

        let key = place.folder.appending(path: "key.pem")
        try """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHctzssCZAm/JuaYrkkRA9ZWfxN
        -----END PRIVATE KEY-----

        """.write(to: key, atomically: true, encoding: .utf8)
        try #require(chmod(key.path, 0o644) == 0)
        let signed = try place.ofa(
            "lineage", "attest", "fashion-mbv3-smallest", "-o", "s.json",
            environment: ["OFA_SIGNING_KEY": key.path])
        #expect(
            signed.status == 0 && signed.output.contains("the signed statement"), "\(signed.errors)"
        )
        #expect(signed.errors.contains("chmod 600"), "\(signed.errors)")
        try #require(chmod(key.path, 0o600) == 0)
        #expect(
            try !place.ofa(
                "lineage", "attest", "fashion-mbv3-smallest",
                environment: ["OFA_SIGNING_KEY": key.path]
            ).errors.contains("chmod 600"))
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

    /// A file is stated only if its bytes are those of the artifact or of an export.
    private func attestFile(_ place: CommandPlace) throws {
        let name = "fashion-mbv3-smallest"
        for (file, command) in [
            ("a.onnx", ["export", name, "--format", "onnx"]),
            ("b.onnx", ["export", name, "--format", "onnx", "--normalise"]),
            ("c.safetensors", ["export", name, "--format", "safetensors"]),
        ] {
            #expect(try place.ofa(command + ["-o", file]).status == 0)
            let stated = try place.ofa("lineage", "attest", name, "--file", file)
            #expect(stated.status == 0, "\(stated.errors)")
            let statement = try #require(try objects(stated.lines).first)
            let subjects = try #require(statement["subject"] as? [[String: Any]])
            #expect(subjects.map { $0["name"] as? String } == [file, "subnet/\(name)"])
            let bytes = [UInt8](try Data(contentsOf: place.folder.appending(path: file)))
            #expect(
                subjects[0]["digest"] as? [String: String] == ["sha256": Digest.of(bytes).hex])
        }
        for (artifact, file) in [(name, "tiny.yaml"), ("fashion-mbv3-full", "a.onnx")] {
            let other = try place.ofa("lineage", "attest", artifact, "--file", file, "-o", "x.json")
            #expect(
                other.status == 2 && other.errors.contains("\(file) is no export of artifact"),
                "\(other.errors)")
        }
        #expect(
            !FileManager.default.fileExists(atPath: place.folder.appending(path: "x.json").path))
    }
}
