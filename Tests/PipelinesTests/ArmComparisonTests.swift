// The comparison of ways of training: means and spreads by hand, and a plot that shows every arm.
import Charts
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct ArmComparisonTests {
    private func evaluation(
        _ arm: String, seed: UInt64, netEpochs: Double? = 20, steps: Int? = nil,
        supernet: Int64? = nil, joules: Double? = nil, heldOut: Double? = nil,
        _ accuracies: [String: Double]
    ) -> ArmComparison.Measured {
        ArmComparison.Measured(
            evaluation: ArmEvaluation(
                arm: arm, seed: seed, netEpochs: netEpochs, testImages: 10_000,
                networks: accuracies.sorted { $0.key < $1.key }.map {
                    .init(
                        name: $0.key, arch: SearchSpace.fashion.smallest, top1: $0.value, loss: 1,
                        macs: $0.key == "large" ? 9_000_000 : 2_000_000, params: 1,
                        heldOutTop1: heldOut)
                }, heldOutImages: heldOut == nil ? nil : 5000, steps: steps),
            supernet: supernet,
            cost: joules.map { ArmComparison.Cost(cpuSeconds: 3600, joules: $0) })
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
        #expect(a.cells[0]?.test.values == [0.90, 0.92, 0.94])
        #expect(abs((a.cells[0]?.test.mean ?? 0) - 0.92) < 1e-12)
        #expect(abs((a.cells[0]?.test.deviation ?? 0) - 0.02) < 1e-12)
        #expect(alone.cells[1]?.test.deviation == nil && alone.cells[1]?.test.mean == 0.89)
        #expect(
            comparison.tables[0].rows == [
                ["a <b>", "20.00", "", "", "", "3", "92.00 ± 2.00", "91.00 ± 1.00"],
                ["alone", "20.00", "", "", "", "1 of 3", "93.00 (1)", "89.00 (1)"],
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

    @Test("a repetition that failed leaves a hole at its seed, and no budget of a part of an arm")
    func hole() throws {
        let comparison = try #require(
            ArmComparison([
                evaluation("a", seed: 1, ["large": 0.90, "small": 0.80]),
                evaluation("a", seed: 2, ["large": 0.92, "small": 0.84]),
                evaluation("a", seed: 3, ["large": 0.91, "small": 0.82]),
                evaluation("b", seed: 1, netEpochs: 4, ["large": 0.91]),
                evaluation("b", seed: 2, netEpochs: 4, ["large": 0.94]),
                evaluation("b", seed: 3, netEpochs: 4, ["large": 0.90]),
                evaluation("b", seed: 1, netEpochs: 4, ["small": 0.81]),
                evaluation("b", seed: 3, netEpochs: 4, ["small": 0.85]),
            ]))
        let b = comparison.arms[1]
        #expect(b.seeds == [1, 2, 3] && b.wholeSeeds == 2 && b.netEpochs == 8)
        #expect(b.cells[1]?.test.values == [0.81, nil, 0.85])
        let first = comparison.tables[0]
        #expect(first.rows[1].suffix(3) == ["2 of 3", "91.67 ± 2.08", "83.00 ± 2.83 (2)"])
        #expect(first.note.contains("in brackets") && first.note.contains("about 50 % of it"))
        // Paired by seed: +1, +2, -1 points, and +1, +3 where both have a value.
        let paired = try #require(comparison.tables.last)
        #expect(paired.title == "Differences" && paired.note.contains("“a”"))
        #expect(paired.rows == [["b", "+0.67 ± 1.53", "+2.00 ± 1.41 (2)"]])
        #expect(comparison.arms[0].cells.allSatisfy { $0?.difference == nil })
        #expect(try JSONText.encode(comparison).contains("[0.81,null,0.85]"))
    }

    @Test("steps and cost are those of a seed's training; a supernet measured twice counts once")
    func costs() throws {
        let comparison = try #require(
            ArmComparison([
                evaluation("a", seed: 1, steps: 100, supernet: 5, joules: 2000, ["large": 0.9]),
                evaluation("a", seed: 1, steps: 100, supernet: 5, joules: 2000, ["small": 0.9]),
                evaluation("b", seed: 1, steps: 100, supernet: 6, joules: 2000, ["large": 0.9]),
                evaluation("b", seed: 1, steps: 50, supernet: 7, joules: 1000, ["small": 0.9]),
                evaluation("c", seed: 1, steps: nil, supernet: 8, ["large": 0.9, "small": 0.8]),
            ]))
        #expect(comparison.arms.map(\.steps) == [100, 150, nil])
        #expect(comparison.arms.map { $0.cost?.joules } == [2000, 3000, nil])
        #expect(
            comparison.tables[0].rows.map { $0[2...4].joined(separator: "|") } == [
                "100|1.00|2.0", "150|2.00|3.0", "||",
            ])
        let json = try JSONText.encode(comparison)
        #expect(json.contains(#""energy_j":3000"#) && json.contains(#""steps":150"#))
        #expect(json.contains(#""cpu_seconds":null"#))
    }

    @Test("accuracies on held-out images have a table and fields of their own")
    func heldOut() throws {
        let comparison = try #require(
            ArmComparison([
                evaluation("a", seed: 1, heldOut: 0.95, ["large": 0.90]),
                evaluation("a", seed: 2, heldOut: 0.97, ["large": 0.91]),
            ]))
        #expect(comparison.tables.map(\.title) == ["Test images", "Held-out images"])
        #expect(comparison.tables[1].rows == [["a", "96.00 ± 1.41"]])
        #expect(comparison.tables[1].note.contains("5,000 held-out images"))
        #expect(try JSONText.encode(comparison).contains(#""held_out_images":5000"#))
        #expect(try self.comparison().heldOutImages == nil)
    }

    @Test("JSON has every field, null where nothing was measured")
    func json() throws {
        let text = try JSONText.encode(try comparison())
        #expect(text.contains(#""deviation":null"#) && text.contains(#""net_epochs":20"#))
        #expect(text.contains(#""test_images":10000"#) && text.contains(#""seeds":[1,2,3]"#))
    }

    @Test("the plot has a mark for every mean and a bar for every spread, inside the picture")
    func plot() throws {
        for size in ChartSize.allCases {
            let svg = ArmsPlot(try comparison()).chart.svg(.embedded, size)
            // Marks of the legend have no tips.
            let circles = svg.matches(
                of: /class="mark s[0-7]" cx="([0-9.-]+)" cy="([0-9.-]+)" r="[0-9.]+"><title>/)
            let paths = svg.matches(
                of: /class="mark s[0-7]" d="M([0-9.-]+) ([0-9.-]+)[^"]+"><title>/)
            let marks = (circles + paths).map { ($0.1, $0.2) }
            #expect(marks.count == 4)
            for mark in marks {
                let x = try #require(Double(mark.0)), y = try #require(Double(mark.1))
                #expect((0...680).contains(x) && (0...400).contains(y))
            }
            #expect(svg.matches(of: /class="bar s/).count == 2)
            #expect(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"))
            #expect(ArmsPlot(try comparison()).chart.svg(.embedded, size) == svg)
        }
    }
}
