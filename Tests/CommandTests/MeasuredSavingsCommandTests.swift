// pipelines/measured-savings.yaml through the queue at a tiny scale: the networks trained alone are those that were
// searched, and report and plot compare their costs.
import Artifacts
import Foundation
import Jobs
import Networks
import TestSupport
import Testing

@testable import Pipelines

@Suite struct MeasuredSavingsCommandTests {
    private let file = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../pipelines/measured-savings.yaml").standardizedFileURL.path
    private let devices = ["laptop", "phone", "watch", "microcontroller", "sensor"]

    @Test("the whole file runs with two seeds; report and plot have every way of every device")
    func whole() throws {
        let place = try CommandPlace(), data = place.folder.appending(path: "data").path
        try FileManager.default.createDirectory(
            atPath: data, withIntermediateDirectories: true)
        for (count, seed, part) in [(150, UInt64(1), "train"), (40, 2, "t10k")] {
            try TinyImages(count: count, size: 28, classes: 10, seed: seed).write(
                to: data, images: "\(part)-images-idx3-ubyte.gz",
                labels: "\(part)-labels-idx1-ubyte.gz")
        }
        let set =
            [
                "stages.data.folder=\(data)", "stages.data.held_out=20", "seeds=[5, 6]",
                "epoch_scale=0.2", "space={base: fashion-mbv3, width: 0.5}",
                "stages.accuracy.subnets=12", "stages.accuracy.images=20",
                "stages.accuracy.calibration_images=64", "stages.accuracy.shards=2",
            ] + devices.map { "stages.search-\($0).front_evaluations=0" }
        let run = try place.ofa(
            ["run", file, "--workers", "2", "--json"] + set.flatMap { ["--set", $0] })
        try #require(run.status == 0, "\(run.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        try check(try #require(report["savings"] as? [String: Any]))
        try checkNetworks(place)
        try checkShown(place)
        try checkElsewhere(place, ["run", file, "--workers", "2", "--json"], set)
    }

    /// A teacher of an earlier run makes the supernet's cost unknown, and a given accuracy is not taken for that of the
    /// cut network. What the trainings alone cost stays known.
    private func checkElsewhere(_ place: CommandPlace, _ words: [String], _ set: [String]) throws {
        let store = ArtifactStore(try place.database.connect())
        let teacher = try #require(
            try store.list(run: 1, kind: ArtifactRole.supernet.rawValue).first {
                $0.producer?.stage == "full-5"
            })
        let set =
            set.filter { !$0.hasPrefix("seeds=") } + [
                "seeds=[5]", "stages.kernel.teacher=artifact:\(teacher.id)",
                "stages.until-laptop-train.until_accuracy=0.01",
            ]
        let run = try place.ofa(words + set.flatMap { ["--set", $0] })
        try #require(run.status == 0, "\(run.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let savings = try #require(report["savings"] as? [String: Any])
        #expect(savings["made_elsewhere"] as? [Int64] == [teacher.id.rawValue])
        #expect(savings["aims_are_of_cut"] as? Bool == false)
        let supernet = try #require(savings["supernet"] as? [String: Any])
        #expect(supernet["seconds"] is NSNull && supernet["energy_j"] is NSNull)
        let ways = try #require(savings["ways"] as? [[String: Any]])
        let alone = try #require(ways[1]["all"] as? [String: Any])
        #expect(alone["seconds"] is [String: Any])
        for crossing in try #require(savings["break_even"] as? [[String: Any]]) {
            #expect(crossing["mean"] is NSNull)
        }
    }

    /// The JSON has every field, and break-even follows from its costs.
    private func check(_ savings: [String: Any]) throws {
        #expect(savings["seeds"] as? [Int] == [5, 6] && savings["held_out_images"] as? Int == 20)
        let rows = try #require(savings["devices"] as? [[String: Any]])
        #expect(rows.compactMap { $0["device"] as? String } == devices)
        for row in rows {
            let ways = try #require(row["ways"] as? [[String: Any]])
            #expect(
                ways.compactMap { $0["way"] as? String }
                    == ["cut", "alone", "alone_until_accuracy"])
            #expect(
                ways.compactMap { $0["name"] as? String } == [
                    "cut from the supernet", "alone, same epochs", "alone, same accuracy",
                ])
            for way in ways {
                let test = try #require(way["test"] as? [String: Any])
                #expect((test["values"] as? [Double])?.count == 2 && test["deviation"] is Double)
                let seconds = try #require(way["seconds"] as? [String: Any])
                #expect((seconds["mean"] as? Double ?? 0) > 0)
                #expect(way.keys.contains("energy_j") && way.keys.contains("held_out"))
            }
            #expect((ways[2]["reached"] as? [Bool])?.count == 2 && ways[2]["aims"] is [String: Any])
            #expect((ways[1]["as_accurate"] as? [Bool])?.count == 2)
            #expect(ways[0]["epochs"] is NSNull && ways[1]["epochs"] is [String: Any])
        }
        #expect(savings["aims_are_of_cut"] as? Bool == true)
        #expect((savings["made_elsewhere"] as? [Any])?.isEmpty == true)
        let crossings = try #require(savings["break_even"] as? [[String: Any]])
        #expect(crossings.count == 6)
        for crossing in crossings where crossing["measure"] as? String == "time" {
            let mean = try #require(crossing["mean"] as? [String: Any])
            let costs = ["fixed", "per_target", "alone"].compactMap { mean[$0] as? Double }
            try #require(costs.count == 3)
            let gain = costs[2] - costs[1]
            let targets = gain > 0 ? Int((costs[0] / gain - 1e-9).rounded(.up)) : nil
            #expect(mean["targets"] as? Int == targets)
            #expect((crossing["by_seed"] as? [[String: Any]])?.count == 2)
        }
    }

    /// Of each seed and device, both trainings alone have the architecture that was searched, and the accuracy at which
    /// one was to end is that of the cut network on held-out images.
    private func checkNetworks(_ place: CommandPlace) throws {
        let connection = try place.database.connect(), store = ArtifactStore(connection)
        let run = try #require(try JobQueue(connection).runs().first).id
        func made(_ role: ArtifactRole, _ stage: String) throws -> Artifact {
            try #require(
                try store.list(run: run, kind: role.rawValue).first {
                    $0.producer?.stage == stage
                })
        }
        func metadata<Value: Decodable>(_ type: Value.Type, _ role: ArtifactRole, _ stage: String)
            throws -> Value
        {
            try JSONText.decode(type, from: try made(role, stage).metadataJSON, what: stage)
        }
        for device in devices {
            for seed in [5, 6] {
                let choice = try metadata(Choice.self, .choice, "search-\(device)-\(seed)")
                let definition = try metadata(
                    SupernetMetadata.self, .supernet, "expand-\(seed)"
                ).definition
                let arch = try #require(definition).canonical(choice.result.arch)
                let cut = try metadata(ArmEvaluation.self, .evaluation, "cut-\(device)-\(seed)")
                #expect(cut.networks.map(\.name) == [device])
                #expect(cut.networks[0].arch == arch)
                for way in ["same", "until"] {
                    let supernet = try metadata(
                        SupernetMetadata.self, .supernet, "\(way)-\(device)-train-\(seed)")
                    #expect(supernet.architecture == arch && supernet.alone == true)
                    #expect(supernet.trained?.resolutions == [arch.resolution])
                    let own = try metadata(
                        ArmEvaluation.self, .evaluation, "\(way)-\(device)-\(seed)")
                    #expect(own.networks[0].arch == arch)
                    #expect(own.netEpochs == supernet.netEpochs)
                    guard way == "until" else {
                        #expect(supernet.aim == nil)
                        continue
                    }
                    let aim = try #require(supernet.aim)
                    #expect(aim.aim == cut.networks[0].heldOutTop1)
                    #expect(aim.isReached == (aim.best >= aim.aim))
                    if aim.isReached {
                        #expect(aim.step == supernet.steps)
                        // The network that was validated is the one that was evaluated: up to one of 20 images.
                        let heldOut = try #require(own.networks[0].heldOutTop1)
                        #expect(abs(aim.best - heldOut) <= 1 / 20 + 1e-9)
                    }
                }
            }
        }
    }

    /// The terminal, the page and the plot show the comparison; a run without one has no plot.
    private func checkShown(_ place: CommandPlace) throws {
        let shown = try place.ofa("report")
        #expect(shown.output.contains("What one supernet saved"))
        #expect(
            shown.output.contains("the supernet, once") && shown.output.contains("all 5 devices"))
        let connection = try place.database.connect(), store = ArtifactStore(connection)
        let run = try #require(try JobQueue(connection).runs().first).id
        let page = try #require(
            try store.list(run: run, kind: ArtifactRole.report.rawValue).first)
        let html = String(decoding: try BlobStore(connection).get(page.digest), as: UTF8.self)
        #expect(html.contains("<h2>What one supernet saved</h2>"))
        #expect(html.contains("ofa-savings wide") && html.contains("ofa-savings narrow"))
        let drawn = try place.ofa("plot", "savings", "-o", "savings.svg")
        #expect(drawn.status == 0 && drawn.output.contains("5 devices in 3 ways, 2 seeds"))
        let svg = String(decoding: try place.bytes("savings.svg"), as: UTF8.self)
        #expect(svg.hasPrefix("<svg") && svg.contains("alone, same accuracy"))
        let document = try place.document("plot", "savings")
        #expect(document["run"] as? Int == 1 && document["savings"] is [String: Any])
        #expect(document["file"] is NSNull)
        try place.write(
            """
            name: plain
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: plain, folder: DATA, held_out: 20}
            """)
        #expect(try place.ofa("run", place.pipeline).status == 0)
        let none = try place.ofa("plot", "savings", "2", "-o", "none.svg")
        #expect(none.status == 2 && none.errors.contains("measured-savings.yaml"), "\(none.errors)")
        #expect(try place.document("report", "2")["savings"] is NSNull)
    }
}
