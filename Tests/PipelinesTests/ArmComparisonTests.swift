// The comparison of ways of training: means and spreads by hand, and a plot that shows every arm.
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct ArmComparisonTests {
    private func evaluation(
        _ arm: String, seed: UInt64, netEpochs: Double? = 20, _ accuracies: [String: Double]
    ) -> ArmEvaluation {
        ArmEvaluation(
            arm: arm, seed: seed, netEpochs: netEpochs, testImages: 10_000,
            networks: accuracies.sorted { $0.key < $1.key }.map {
                .init(
                    name: $0.key, arch: SearchSpace.fashion.smallest, top1: $0.value, loss: 1,
                    macs: $0.key == "large" ? 9_000_000 : 2_000_000, params: 1)
            })
    }

    private func comparison() throws -> ArmComparison {
        try #require(
            ArmComparison([
                evaluation("a <b>", seed: 2, ["large": 0.92, "small": 0.90]),
                evaluation("a <b>", seed: 1, ["large": 0.90, "small": 0.91]),
                evaluation("a <b>", seed: 3, ["large": 0.94, "small": 0.92]),
                evaluation("alone", seed: 1, netEpochs: 10, ["large": 0.93]),
                evaluation("alone", seed: 1, netEpochs: 10, ["small": 0.89]),
            ]))
    }

    @Test("means and sample deviations over the seeds, budgets over an arm's supernets")
    func statistics() throws {
        let comparison = try comparison()
        #expect(comparison.networks.map(\.name) == ["large", "small"])
        let (a, alone) = (comparison.arms[0], comparison.arms[1])
        #expect(a.seeds == [1, 2, 3] && a.netEpochs == 20 && alone.netEpochs == 20)
        #expect(a.cells[0]?.values == [0.90, 0.92, 0.94])
        #expect(abs((a.cells[0]?.mean ?? 0) - 0.92) < 1e-12)
        #expect(abs((a.cells[0]?.deviation ?? 0) - 0.02) < 1e-12)
        #expect(alone.cells[1]?.deviation == nil && alone.cells[1]?.mean == 0.89)
        #expect(
            comparison.table.rows == [
                ["a <b>", "20.00", "3", "92.00 ± 2.00", "91.00 ± 1.00"],
                ["alone", "20.00", "1", "93.00", "89.00"],
            ])
        #expect(ArmComparison([]) == nil)
        // Different budgets, or unknown ones, are not stated as one number.
        let uneven = ArmComparison([
            evaluation("a", seed: 1, netEpochs: 20, [:]),
            evaluation("a", seed: 2, netEpochs: 21, [:]),
            evaluation("b", seed: 1, netEpochs: nil, [:]),
        ])
        #expect(uneven?.arms.map(\.netEpochs) == [nil, nil])
    }

    @Test("JSON has every field, null where nothing was measured")
    func json() throws {
        let text = try JSONText.encode(try comparison())
        #expect(text.contains(#""deviation":null"#) && text.contains(#""net_epochs":20"#))
        #expect(text.contains(#""test_images":10000"#) && text.contains(#""seeds":[1,2,3]"#))
    }

    @Test("the plot has a mark for every mean and a bar for every spread, inside the picture")
    func plot() throws {
        for size in [FrontPlot.Size.wide, .narrow] {
            let svg = ArmsPlot(try comparison(), size).svg
            let marks = svg.matches(of: /<circle fill="[^"]+" cx="([0-9.-]+)" cy="([0-9.-]+)"/)
            #expect(marks.count == 4)
            for mark in marks {
                let x = try #require(Double(mark.1)), y = try #require(Double(mark.2))
                #expect((0...680).contains(x) && (0...400).contains(y))
            }
            #expect(svg.matches(of: /class="bar"/).count == 2)
            #expect(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"))
            #expect(ArmsPlot(try comparison(), size).svg == svg)
        }
    }
}
