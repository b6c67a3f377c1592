// pipelines/ablation-fashion-mnist.yaml through the queue at a tiny scale: every arm trains, the report compares them.
import Artifacts
import Foundation
import Jobs
import TestSupport
import Testing

@testable import Pipelines

@Suite struct AblationCommandTests {
    private let file = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../pipelines/ablation-fashion-mnist.yaml").standardizedFileURL.path

    @Test("the whole file runs with two seeds, and report shows every arm with mean and spread")
    func whole() throws {
        let place = try CommandPlace(), data = place.folder.appending(path: "data").path
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
                let values = try #require(cell["values"] as? [Double])
                #expect(values.count == 2 && values.allSatisfy { (0...1).contains($0) })
                #expect(cell["deviation"] is Double)
            }
        }
        try check(place)
        let shown = try place.ofa("report")
        #expect(shown.output.contains("each network alone") && shown.output.contains(" ± "))
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
        #expect(html.contains("<h2>Ways of training</h2>") && html.contains("ofa-arms wide"))
        #expect(html.contains("shrinking, kernel transform off"))
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
