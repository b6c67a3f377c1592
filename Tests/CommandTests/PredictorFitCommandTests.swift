// `ofa predictor fit`: a table of measured networks becomes a predictor, or nothing is stored.
import Artifacts
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct PredictorFitCommandTests {
    /// A table of `count` networks with kernels of 3 and 5, in percent or as shares, more accurate the deeper they are.
    private static func table(_ count: Int, percent: Bool) throws -> String {
        var domain = TrainedDomain(.fashion)
        (domain.kernelSizes, domain.resolutions) = ([3, 5], [20, 28])
        let space = try SearchSpace.fashion.restricted(to: domain)
        var stream = RandomStream(seed: 7), lines = ["Sub-network,Image size,Top-1 Acc"]
        for _ in 0..<count {
            let config = space.canonical(space.sample(using: &stream))
            let share =
                0.5 + 0.02 * Double(config.depths.reduce(0, +)) + 0.001 * Double(config.resolution)
            let genes =
                "{'ks': \(config.kernelSizes), 'e': \(config.expandRatios.map { Int($0) }), 'd': \(config.depths)}"
            lines.append("\"\(genes)\",\(config.resolution),\(percent ? 100 * share : share)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test("a table is fitted as an artifact that records its file and its domain, or into a file")
    func fitted() throws {
        let place = try CommandPlace()
        let file = place.folder.appending(path: "measured.v2.csv")
        let table = try Self.table(60, percent: true)
        try table.write(to: file, atomically: true, encoding: .utf8)
        let run = try place.ofa(
            "predictor", "fit", "measured.v2.csv", "--space", "fashion-mbv3", "--json")
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.contains("60 measurements of") && run.errors.contains("in percent"))
        #expect(
            run.errors.contains("kernel sizes 3, 5") && run.errors.contains("no other is predicted")
        )
        let answer = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let id = try #require(answer["artifact"] as? Int)
        #expect(answer["resolutions"] as? [Int] == [20, 28])
        let shown = try place.document("artifacts", "show", "\(id)")
        #expect(
            shown["name"] as? String == "measured.v2" && shown["kind"] as? String == "predictor")
        let metadata = try #require(shown["metadata"] as? [String: Any])
        let source = try #require(metadata["source"] as? [String: Any])
        #expect(source["sha256"] as? String == Digest.of(Array(table.utf8)).hex)
        let lineage = try place.ofa("lineage", "up", "\(id)")
        #expect(lineage.output.contains("from measured.v2.csv, SHA-256"), "\(lineage.output)")
        // It predicts within its domain, and refuses what the table has none of.
        let arch = #"{"ks":[3,3,3,3,3,3,3,3,3],"e":[3,3,3,3,3,3,3,3,3],"d":[2,2,2],"r":28}"#
        func cost(_ arch: String, _ predictor: String) throws -> CommandRun {
            try place.ofa(
                "arch", "cost", "--space", "fashion-mbv3", "--predictor", predictor, "--arch", arch,
                "--json")
        }
        let known = try cost(arch, "\(id)")
        let accuracy = try #require(
            (JSONSerialization.jsonObject(with: Data(known.output.utf8)) as? [String: Any])?[
                "predicted_accuracy"] as? Double)
        #expect(abs(accuracy - 0.648) < 0.02)
        let unknown = try cost(
            arch.replacing("[3,3,3,3,3,3,3,3,3],\"e", with: "[7,3,3,3,3,3,3,3,3],\"e"), "\(id)")
        #expect(
            unknown.status != 0 && unknown.errors.contains("ks[0] is 7; trained values are 3, 5"))
        // The same as a file, of another model, with shares.
        try Self.table(60, percent: false).write(to: file, atomically: true, encoding: .utf8)
        let written = try place.ofa(
            "predictor", "fit", "measured.v2.csv", "--space", "fashion-mbv3", "--method",
            "ensemble",
            "-o", "p.bin")
        #expect(written.status == 0 && written.errors.contains("as shares"), "\(written.errors)")
        #expect(try cost(arch, "p.bin").status == 0)
        #expect(try place.list("artifacts", "list").count == 1)
    }

    @Test("a fault in the table, its scale or its name stores nothing")
    func refused() throws {
        let place = try CommandPlace()
        func fit(_ text: String, _ arguments: String..., file: String = "m.csv") throws
            -> CommandRun
        {
            try text.write(
                to: place.folder.appending(path: file), atomically: true, encoding: .utf8)
            return try place.ofa(
                ["predictor", "fit", file, "--space", "fashion-mbv3"] + arguments)
        }
        let good = try Self.table(20, percent: false)
        for (run, status, told) in [
            (try fit(good.replacing("'d'", with: "'x'")), 1, "m.csv, line 2:"),
            (try fit(try Self.table(5, percent: false)), 1, "network"),
            (try fit(good.replacing("Top-1 Acc", with: "error")), 1, "no column of accuracy"),
            (try fit(good, file: "2026.csv"), 64, "is read as the number of an artifact"),
            (try fit(good, "--name", ""), 64, "--name"),
            (try fit(good, "--method", "forest"), 64, "--method"),
        ] as [(CommandRun, Int32, String)] {
            #expect(run.status == status && run.errors.contains(told), "\(run.errors)")
        }
        // Shares that are said to be percent are a hundredth.
        let percent = try fit(good, "--percent", "-o", "p.bin")
        #expect(percent.status == 0 && percent.errors.contains("in percent"), "\(percent.errors)")
        #expect(try place.ofa("artifacts", "list", "--json").output.hasPrefix("[]"))
    }
}
