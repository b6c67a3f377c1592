// Tables of measured networks, as people have them.
import Foundation
import Networks
import TestSupport
import Testing

@testable import Search

@Suite struct MeasuredNetworksTests {
    private let space = SearchSpace.fashion
    private let genes =
        #""{'ks': [3, 3, 3, 3, 3, 3, 3, 3, 3], 'e': [3, 3, 3, 3, 3, 3, 3, 3, 3], 'd': [2, 2, 2]}""#
    private var deeper: String { genes.replacing("[2, 2, 2]", with: "[3, 2, 2]") }

    private func read(_ lines: String..., percent: Bool? = nil) throws -> MeasuredNetworks {
        try MeasuredNetworks(
            csv: lines.joined(separator: "\n"), space: space, percent: percent, source: "m.csv")
    }

    @Test(
        "columns are found by name; repeated measurements are averaged; other columns are ignored")
    func columns() throws {
        let found = try read(
            "Sub-network,Date,Image size,Top-1 Acc (%)", "\(genes),today,28,80.0",
            "\(genes),today,28,90.0", "\(deeper),today,24,91.5")
        #expect(found.isPercent && found.rows == 3 && found.samples.count == 2)
        #expect(abs(found.samples[0].accuracy - 0.85) < 1e-12)
        #expect(found.samples[0].config.resolution == 28 && found.samples[1].config.depths[0] == 3)
        // A percent sign decides for a network that is nearly always wrong.
        let broken = try read(
            "arch,r,Top-1 Acc (%)", "\(genes),28,0.5", "\(deeper),28,75.5")
        #expect(broken.isPercent && broken.samples.map(\.accuracy) == [0.005, 0.755])
        // A column `size` is usually that of the model.
        let sized = try read("arch,size,r,acc", "\(genes),24,28,0.5")
        #expect(sized.samples[0].config.resolution == 28)
        let shares = try read("arch,resolution,accuracy", "\(genes),28,0.5", "\(deeper),28,1")
        #expect(!shares.isPercent && shares.samples.map(\.accuracy) == [0.5, 1])
        #expect(
            try read("arch,r,acc", "\(genes),28,0.5", percent: true).samples[0].accuracy == 0.005)
    }

    @Test("every fault names its line")
    func faults() throws {
        let head = "arch,resolution,accuracy", good = "\(genes),28,0.5"
        for (lines, told) in [
            ([head], "m.csv has no measurements"),
            (
                ["arch,resolution", "\(genes),28"],
                "line 1: no column of accuracy: it has arch, resolution"
            ),
            (["arch,acc,top1", good], "line 1: several columns of accuracy: acc, top1"),
            (
                [head, good, "\(genes),28"],
                "line 3: has 2 cells for 3 columns: quote an architecture"
            ),
            ([head, good, "\(genes),28,good"], "line 3: the accuracy is 'good'"),
            ([head, good, "\(genes),28,101"], "line 3: the accuracy is 101"),
            ([head, good, "\(genes),x,0.5"], "line 3: the resolution is 'x'"),
            ([head, good, "\(genes),21,0.5"], "line 3: r is 21; space fashion-mbv3 allows"),
            ([head, good, "\(genes),,0.5"], "line 3: field r is missing"),
            (
                [head, good, "\(genes.replacing("[3, 3, 3, 3,", with: "[4, 3, 3, 3,")),28,0.5"],
                "line 3: ks[0] is 4"
            ),
            ([head, good, "nothing,28,0.5"], "line 3: 'nothing' is no architecture"),
            (
                [head, good, "\(genes),28,50"],
                "accuracy 0.5 in line 2, and 50 in line 3: a share or percent?"
            ),
            (["arch,r,top1 (%)", good], "column top1 (%) has no value above 1"),
            ([head, "\"\(genes)", good], "m.csv, line 2:"),
        ] {
            let error = #expect(throws: SearchError.self) {
                try MeasuredNetworks(
                    csv: lines.joined(separator: "\n"), space: space, source: "m.csv")
            }
            #expect(error?.message.contains(told) == true, "\(error?.message ?? ""), not \(told)")
        }
    }

    @Test(
        "the published measurements are read whole, and predict networks that were held out",
        .enabled(if: SharedFolders.published("dynas") != nil, "\(SharedFolders.publishedHint)"))
    func published() throws {
        let file = try #require(SharedFolders.published("dynas")).appending(
            path: "mbnv3w10_linasnsga2_acc_macs.csv")
        let text = try String(contentsOf: file, encoding: .utf8)
        let w10 = try SearchSpace.named("ofa-mbv3-w1.0")
        let found = try MeasuredNetworks(csv: text, space: w10, source: "dynas")
        #expect(found.rows == text.split(whereSeparator: \.isNewline).count - 1)
        #expect(found.isPercent)
        let predictor = try AccuracyPredictor.fit(found.samples, space: w10)
        #expect(predictor.fittedResolutions == [224])
        #expect(try #require(predictor.quality).spearman > 0.8)
    }

    @Test("mutated tables give networks or a typed error")
    func mutated() throws {
        let table = "arch,resolution,accuracy\n\(genes),28,0.5\n\(deeper),24,0.75\n"
        try Mutations("measured", of: [table], words: ["\"", "%", ",", "arch", "'ks'"]).run(
            Mutations.cases(share: 0.05), throwing: SearchError.self
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for sample in try MeasuredNetworks(csv: text, space: space, source: "m").samples {
                #expect((0...1).contains(sample.accuracy))
                try space.validate(sample.config)
            }
        }
    }
}
