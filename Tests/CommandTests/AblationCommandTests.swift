// pipelines/ablation-fashion-mnist.yaml through the queue at a tiny scale: every arm trains, the report compares them.
import Artifacts
import Foundation
import Interchange
import Jobs
import Networks
import TestSupport
import Testing

@testable import Pipelines

@Suite struct AblationCommandTests {
    private let file = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../pipelines/ablation-fashion-mnist.yaml").standardizedFileURL.path

    @Test("the whole file runs with two seeds, and report shows every arm with mean and spread")
    func whole() throws {
        let place = try CommandPlace(), data = place.folder.appending(path: "data").path
        // Without the key, a phase is trained as the supernet that it starts from.
        let text = try String(contentsOfFile: self.file, encoding: .utf8)
        let cropped = try #require(text.firstRange(of: "  cropped-depth:\n"))
        let key = try #require(
            text[cropped.upperBound...].firstRange(of: "    kernel_transform: false\n"))
        let file = place.folder.appending(path: "ablation.yaml").path
        try text.replacingCharacters(in: key, with: "").write(
            toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(
            atPath: data, withIntermediateDirectories: true)
        for (count, seed, part) in [(150, UInt64(1), "train"), (40, 2, "t10k")] {
            try TinyImages(count: count, size: 28, classes: 10, seed: seed).write(
                to: data, images: "\(part)-images-idx3-ubyte.gz",
                labels: "\(part)-labels-idx1-ubyte.gz")
        }
        let set = [
            "stages.data.folder=\(data)", "stages.data.held_out=20", "seeds=[5, 6]",
            "epoch_scale=0.05", "space={base: fashion-mbv3, width: 0.5}",
        ].flatMap { ["--set", $0] }
        let plan = try place.document(["run", file, "--dry-run"] + set)
        // Of 137 net-epochs a seed.
        let total = try #require(plan["net_epochs"] as? Double)
        #expect(abs(total - 2 * 137 * 0.05) < 1e-9)
        #expect(try JobQueue(try place.database.connect()).runs().isEmpty)

        let run = try place.ofa(["run", file, "--workers", "2", "--json"] + set)
        try #require(run.status == 0, "\(run.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let comparison = try #require(report["comparison"] as? [String: Any])
        let arms = try #require(comparison["arms"] as? [[String: Any]])
        #expect(
            Set(arms.compactMap { $0["name"] as? String }) == [
                "progressive shrinking", "shrinking, kernel transform off",
                "sandwich, in-place distillation", "sandwich, alpha divergence",
                "uniform sampling", "largest only, cut without training", "each network alone",
            ])
        let networks = try #require(comparison["networks"] as? [[String: Any]])
        #expect(
            networks.compactMap { $0["name"] as? String } == [
                "k7-e6-d3", "k5-e6-d3", "k5-e4-d3", "k3-e4-d2", "k3-e3-d2",
            ])
        for arm in arms {
            #expect(arm["seeds"] as? [Int] == [5, 6])
            let cells = try #require(arm["cells"] as? [[String: Any]])
            #expect(cells.count == 5)
            for cell in cells {
                let heldOut = try #require(cell["held_out"] as? [String: Any])
                for spread in [cell, heldOut] {
                    let values = try #require(spread["values"] as? [Double])
                    #expect(values.count == 2 && values.allSatisfy { (0...1).contains($0) })
                    #expect(spread["deviation"] is Double)
                }
            }
            #expect((arm["steps"] as? Int ?? 0) > 0 && (arm["cpu_seconds"] as? Double ?? 0) > 0)
        }
        try check(place)
        try checkAlone(place)
        let shown = try place.ofa("report")
        #expect(shown.output.contains("each network alone") && shown.output.contains(" ± "))
        #expect(shown.output.contains("Held-out images") && shown.output.contains("Differences"))
    }

    /// The supernets record what they were trained with, and the page holds the table and the plot.
    private func check(_ place: CommandPlace) throws {
        let connection = try place.database.connect(), store = ArtifactStore(connection)
        let run = try #require(try JobQueue(connection).runs().first).id
        let supernets = try store.list(run: run, kind: ArtifactRole.supernet.rawValue)
        #expect(supernets.count == 2 * 18)
        for supernet in supernets {
            let metadata = try JSONText.decode(
                SupernetMetadata.self, from: supernet.metadataJSON, what: supernet.name)
            let stage = try #require(supernet.producer?.stage)
            #expect(metadata.skippedSteps == 0 && metadata.netEpochs ?? 0 > 0, "\(stage)")
            #expect((metadata.kernelTransform == false) == stage.hasPrefix("cropped"), "\(stage)")
        }
        let page = try #require(
            try store.list(run: run, kind: ArtifactRole.report.rawValue).first)
        let html = String(decoding: try BlobStore(connection).get(page.digest), as: UTF8.self)
        #expect(html.contains("<h2>Ways of training</h2>"))
        // The plot for wide pages, and that for narrow ones.
        let plots = html.components(separatedBy: "<title>Test accuracy of networks trained in ")
        #expect(plots.count == 3)
        #expect(html.contains("shrinking, kernel transform off"))
    }

    /// A network that was trained alone lies in a supernet whose other values are initial ones, and the evaluations have
    /// the held-out images and the steps of all phases.
    private func checkAlone(_ place: CommandPlace) throws {
        let connection = try place.database.connect(), store = ArtifactStore(connection)
        let run = try #require(try JobQueue(connection).runs().first).id
        let supernet = try #require(
            try store.list(run: run, kind: ArtifactRole.supernet.rawValue).first {
                $0.producer?.stage == "alone-4-train-5"
            })
        let metadata = try JSONText.decode(
            SupernetMetadata.self, from: supernet.metadataJSON, what: supernet.name)
        let trained = try #require(metadata.trained), space = try #require(metadata.definition)
        #expect(metadata.alone == true && trained.kernelSizes == [3] && trained.depths == [2])
        #expect(trained.resolutions == [28])
        let tensors = try Safetensors.decode(bytes: try BlobStore(connection).get(supernet.digest))
            .tensors
        let fresh = try Weights(supernetOf: space, seed: 5)
        var centres = 0
        for (parameter, before) in fresh.named {
            let after = try #require(tensors[parameter.name]).values
            if parameter.role == .transform { #expect(after == before, "\(parameter.name)") }
            guard parameter.shape.dropFirst() == [1, 7, 7] else { continue }
            let places = before.indices.filter { after[$0] != before[$0] }
            let inside = places.allSatisfy {
                (2...4).contains($0 % 7) && (2...4).contains($0 % 49 / 7)
            }
            #expect(inside, "\(parameter.name)")
            centres += places.count
        }
        #expect(centres > 0)
        for artifact in try store.list(run: run, kind: ArtifactRole.evaluation.rawValue) {
            let evaluation = try JSONText.decode(
                ArmEvaluation.self, from: artifact.metadataJSON, what: artifact.name)
            #expect(evaluation.heldOutImages == 20 && evaluation.testImages == 40)
            #expect(evaluation.networks.allSatisfy { $0.heldOutTop1 != nil })
            // 130 training images are two steps an epoch; phases of shrinking have at least one step.
            #expect(evaluation.steps ?? 0 >= (evaluation.arm.contains("shrinking") ? 5 : 1))
        }
    }

    @Test("--dry-run lists every stage with its net-epochs and runs nothing")
    func dryRun() throws {
        let place = try CommandPlace()
        let run = try place.ofa("run", file, "--dry-run", "--set", "seeds=[20]")
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("WITH EARLIER PHASES"))
        #expect(run.output.contains("31 stages, 137.00 net-epochs"), "\(run.output)")
        let plan = try place.document("run", file, "--dry-run")
        let stages = try #require(plan["stages"] as? [[String: Any]])
        let last = try #require(stages.first { $0["stage"] as? String == "shrinking-expand-2-21" })
        #expect(last["net_epochs"] as? Double == 8 && last["total_net_epochs"] as? Double == 20)
        #expect(stages[0]["net_epochs"] is NSNull && last["seed"] as? Int == 21)
    }
}
