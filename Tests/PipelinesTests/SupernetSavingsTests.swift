// What one supernet saved, by hand: sums over devices, break-even over seeds, and what is unknown or was not reached.
import Accounting
import Artifacts
import Foundation
import Metering
import Testing

@testable import Pipelines

@Suite struct SupernetSavingsTests {
    private typealias Measured = SupernetSavings.Measured
    private typealias Part = SupernetSavings.Part

    private func part(_ joules: Int64?, _ seconds: Int64) -> Part {
        var sum = CostSum()
        sum.attempts = 1
        sum.wallNs = seconds * 1_000_000_000
        sum.cpuNs = 2 * sum.wallNs
        guard let joules else {
            sum.gaps = 1
            return Part(sum)
        }
        sum.energy = Energy(
            microjoules: joules * 1_000_000, low: joules * 800_000, high: joules * 1_500_000)
        sum.methods = ["model"]
        sum.tier = .model
        return Part(sum)
    }

    private func one(
        _ seed: UInt64, _ device: String, _ way: SupernetSavings.Way, _ top1: Double,
        _ joules: Int64?, _ seconds: Int64, reached: Bool? = nil, aim: Double = 0.9
    ) -> Measured {
        Measured(
            seed: seed, device: device, way: way,
            name: way == .cut ? "cut" : way == .alone ? "alone, same" : "alone, until <b>",
            macs: device == "phone" ? 4_000_000 : 2_000_000, top1: top1, heldOutTop1: top1 + 0.01,
            epochs: way == .cut ? nil : way == .alone ? 5 : 4, cost: part(joules, seconds),
            aim: reached.map {
                AccuracyRecord(aim: aim, isReached: $0, best: $0 ? 0.91 : 0.89, step: 9)
            })
    }

    /// Two devices and two seeds. A supernet costs 1,000 and 1,100 J, a further device 10 J. Trainings end at the
    /// accuracies `aims` of the networks; by default at those of the cut networks on held-out images.
    private func savings(cut: Int64? = 10, aims: [Double] = [0.91, 0.89, 0.93, 0.89]) throws
        -> SupernetSavings
    {
        try #require(
            SupernetSavings(
                [
                    one(1, "phone", .cut, 0.90, cut, 1), one(1, "watch", .cut, 0.88, cut, 1),
                    one(2, "phone", .cut, 0.92, cut, 1), one(2, "watch", .cut, 0.88, cut, 1),
                    one(1, "phone", .alone, 0.91, 210, 20), one(1, "watch", .alone, 0.89, 210, 20),
                    one(2, "phone", .alone, 0.91, 230, 20), one(2, "watch", .alone, 0.89, 230, 20),
                    one(1, "phone", .aimed, 0.90, 110, 11, reached: true, aim: aims[0]),
                    one(1, "watch", .aimed, 0.88, 110, 11, reached: true, aim: aims[1]),
                    one(2, "phone", .aimed, 0.91, 110, 11, reached: true, aim: aims[2]),
                    one(2, "watch", .aimed, 0.87, 90, 9, reached: false, aim: aims[3]),
                ], fixed: [1: part(1000, 100), 2: part(1100, 100)], testImages: 10_000,
                heldOutImages: 5000))
    }

    private func crossing(
        _ savings: SupernetSavings, _ way: SupernetSavings.Way, _ measure: MeasuredSavings.Measure
    ) throws -> SupernetSavings.Crossing {
        try #require(savings.crossings.first { $0.way == way && $0.measure == measure })
    }

    @Test("break-even is ⌈F / (m − s)⌉ of the mean costs, and of each seed")
    func breakEven() throws {
        let savings = try savings()
        // 1,050 / (220 − 10) = 5; 1,000 / 200 = 5 and 1,100 / 220 = 5.
        let same = try crossing(savings, .alone, .energy)
        #expect(same.mean?.targets == 5 && same.seeds.map(\.targets) == [5, 5])
        // One model measured all: its error scales them alike.
        #expect(same.mean?.isOneMeter == true)
        #expect(same.mean?.fewest == 5 && same.mean?.most == 5 && same.tier == .model)
        // With independent errors: 840 / (330 − 8) = 2.6, and 1,575 / (176 − 15) = 9.8.
        #expect(same.independent?.fewest == 3 && same.independent?.most == 10)
        // 420 / (1,000 + 20) and 460 / (1,100 + 20).
        let factors = try #require(same.factor?.known)
        #expect(abs(factors[0] - 420.0 / 1020) < 1e-12 && abs(factors[1] - 460.0 / 1120) < 1e-12)
        // 1,050 / (105 − 10) = 11.05; 1,000 / 100 = 10 and 1,100 / 90 = 12.2.
        let until = try crossing(savings, .aimed, .energy)
        #expect(until.mean?.targets == 12 && until.seeds.map(\.targets) == [10, 13])
        // 100 s / (20 − 1).
        let time = try crossing(savings, .alone, .time)
        #expect(time.mean?.targets == 6 && time.seeds.map(\.never) == [false, false])
    }

    @Test("a supernet whose devices cost more than networks alone never pays")
    func never() throws {
        let same = try crossing(try savings(cut: 300), .alone, .energy)
        #expect(same.mean?.targets == nil && same.seeds.map(\.never) == [true, true])
        let rows = try savings(cut: 300).tables.last?.rows ?? []
        #expect(rows.first?[5] == "never" && rows.first?[8] == "never, never")
    }

    @Test("the tables have every way by device, the supernet, and the sums, with their spreads")
    func tables() throws {
        let tables = try savings().tables
        #expect(
            tables.map(\.title) == [
                "Accuracy", "Accuracy on held-out images", "Energy, J", "Time, s",
                "Processor time, s", "Break-even",
            ])
        let names = ["cut", "alone, same", "alone, until <b>"]
        #expect(tables[0].head == ["Device", "MACs"] + names)
        #expect(
            tables[0].rows == [
                ["phone", "4,000,000", "91.00 ± 1.41", "91.00 ± 0.00", "90.50 ± 0.71"],
                ["watch", "2,000,000", "88.00 ± 0.00", "89.00 ± 0.00", "87.50 ± 0.71"],
            ])
        #expect(
            tables[1].head
                == ["Device"] + names + [
                    "As accurate: alone, same", "As accurate: alone, until <b>",
                ]
        )
        #expect(
            tables[1].rows == [
                ["phone", "92.00 ± 1.41", "92.00 ± 0.00", "91.50 ± 0.71", "1 of 2", "2 of 2"],
                ["watch", "89.00 ± 0.00", "90.00 ± 0.00", "88.50 ± 0.71", "2 of 2", "1 of 2"],
            ])
        #expect(
            tables[2].rows == [
                [
                    "phone", "10.0 ± 0.0 [8.0, 15.0]", "220.0 ± 14.1 [176.0, 330.0]",
                    "110.0 ± 0.0 [88.0, 165.0]",
                ],
                [
                    "watch", "10.0 ± 0.0 [8.0, 15.0]", "220.0 ± 14.1 [176.0, 330.0]",
                    "100.0 ± 14.1 [80.0, 150.0]",
                ],
                ["the supernet, once", "1,050 ± 71 [840, 1,575]", "", ""],
                [
                    "all 2 devices", "1,070 ± 71 [856, 1,605]", "440.0 ± 28.3 [352.0, 660.0]",
                    "210.0 ± 14.1 [168.0, 315.0]",
                ],
            ])
        #expect(tables[2].note.contains("modelled, tier M (model)"))
        #expect(
            tables[4].rows.map { $0[1] } == [
                "2.00 ± 0.00", "2.00 ± 0.00", "200.0 ± 0.0", "204.0 ± 0.0",
            ])
        #expect(
            tables[3].rows.map { Array($0.suffix(2)) } == [
                ["5.00 ± 0.00", "4.00 ± 0.00"], ["5.00 ± 0.00", "4.00 ± 0.00"], ["", ""], ["", ""],
            ])
        #expect(
            tables[5].rows[0] == [
                "alone, same", "energy, J", "1,050", "10.0", "220.0", "5", "5", "3 to 10", "5, 5",
                "0.41 ± 0.00",
            ])
        #expect(tables[5].rows.map { $0[5] } == ["5", "6", "12", "11"])
        let note = tables[5].note
        #expect(
            note.contains("errors common to all three costs, which one meter or model measured"))
        #expect(note.contains("energy modelled, tier M"))
        #expect(
            note.contains("1 of 4 trainings “alone, until <b>” did not reach their accuracy")
                && note.contains("what the accuracy would cost is unknown"))
        #expect(
            note.contains("In 3 of 4 cases “alone, same” was as accurate")
                && note.contains("in 0 of them for less"))
    }

    @Test("an accuracy that is not the cut network's is not called so, and is shown")
    func otherAim() throws {
        let savings = try savings(aims: [0.5, 0.5, 0.5, 0.5])
        #expect(savings.aimsAreOfCut == false)
        let table = savings.tables[1]
        #expect(
            table.head[4] == "Aim" && table.rows.map { $0[4] } == ["50.00 ± 0.00", "50.00 ± 0.00"])
        #expect(table.note.contains("which is not that of the cut network"))
        // The networks' accuracies on held-out images decide, not whether they reached another accuracy.
        #expect(table.rows.map { $0[6] } == ["1 of 2", "1 of 2"])
        let text = try JSONText.encode(savings)
        #expect(text.contains(#""aims_are_of_cut":false"#))
    }

    @Test("an attempt without energy makes a cost unknown; time without energy is told")
    func partlyMetered() throws {
        var attempts = part(1000, 100)
        var sum = attempts.sum
        sum.gaps = 1
        let known = Part(sum)
        #expect(known.joules == nil && known.value(.energy) == nil && known.value(.time) != nil)
        attempts.sum.gapNs = 2_500_000_000
        let savings = try #require(
            SupernetSavings(
                [
                    one(1, "phone", .cut, 0.9, 10, 1), one(2, "phone", .cut, 0.9, 10, 1),
                    one(1, "phone", .alone, 0.9, 110, 9), one(2, "phone", .alone, 0.9, 110, 9),
                ], fixed: [1: attempts, 2: known], testImages: 100, heldOutImages: nil))
        #expect(savings.supernet.energy?.values == [1000, nil] && savings.hasGaps)
        let same = try crossing(savings, .alone, .energy)
        #expect(same.wholeSeeds == 1 && same.seeds.map(\.targets) == [10, nil])
        for title in ["Energy, J", "Break-even"] {
            let table = try #require(savings.tables.first { $0.title == title })
            #expect(table.note.contains("missing here (the supernet: 2.50 s)"))
        }
        let plot = try #require(SavingsPlot(savings)).svg
        #expect(plot.contains("1 of 2 seeds") && plot.contains("the energy of 2.5 s is missing"))
    }

    @Test("artifacts that no stage of the run made are named")
    func elsewhere() throws {
        let savings = try #require(
            SupernetSavings(
                [one(1, "phone", .cut, 0.9, 10, 1), one(1, "phone", .alone, 0.9, 110, 9)],
                fixed: [:], testImages: 100, heldOutImages: nil,
                elsewhere: [ArtifactID(rawValue: 5), ArtifactID(rawValue: 12)]))
        #expect(try crossing(savings, .alone, .time).mean == nil)
        let tables = savings.tables
        #expect(tables[1].rows[1][1] == "unknown" && tables[1].rows[2][1] == "unknown")
        #expect(tables.last?.note.contains("No stage of this run made artifact 5, 12") == true)
        #expect(try JSONText.encode(savings).contains(#""made_elsewhere":[5,12]"#))
    }

    @Test("an energy that is unknown is null and said, never 0; times stay")
    func unknown() throws {
        let savings = try savings(cut: nil)
        let energy = try crossing(savings, .alone, .energy)
        #expect(energy.mean == nil && energy.factor == nil && energy.tier == nil)
        #expect(energy.seeds.map(\.never) == [nil, nil])
        #expect(try crossing(savings, .alone, .time).mean?.targets == 6)
        #expect(savings.ways[0].all.energy == nil && savings.ways[0].all.seconds?.mean == 102)
        #expect(savings.ways[1].all.energy?.mean == 440 && savings.hasGaps)
        let rows = savings.tables[2].rows
        #expect(rows[0][1] == "unknown" && rows[3][1] == "unknown")
        // The energies that are known keep their range and tier.
        #expect(rows[2][1] == "1,050 ± 71 [840, 1,575]")
        #expect(savings.tables[2].note.contains("modelled, tier M"))
        #expect(savings.tables[5].rows[0][5] == "unknown")
        let json = try JSONText.encode(savings)
        #expect(json.contains(#""energy_j":null"#) && json.contains(#""mean":null"#))
        // The plot falls back to time.
        let plot = try #require(SavingsPlot(savings))
        #expect(plot.svg.contains("time of all attempts, h"))
    }

    @Test("a device that lacks a network of a seed leaves the seed out of sums and mean")
    func hole() throws {
        let savings = try #require(
            SupernetSavings(
                [
                    one(1, "phone", .cut, 0.9, 10, 1), one(2, "phone", .cut, 0.9, 10, 1),
                    one(1, "phone", .alone, 0.9, 110, 9),
                ], fixed: [1: part(1000, 100), 2: part(1100, 100)], testImages: 100,
                heldOutImages: nil))
        let same = try crossing(savings, .alone, .energy)
        #expect(same.mean?.targets == 10 && same.seeds.map(\.targets) == [10, nil])
        #expect(same.seeds.map(\.never) == [false, nil])
        #expect(savings.tables[0].rows == [["phone", "4,000,000", "90.00 ± 0.00", "90.00 (1)"]])
        #expect(savings.ways[1].all.energy?.values == [110, nil])
        // The costs of the break-even are those of seed 1, and so are the lines of the plot.
        let row = try #require(savings.tables.last?.rows.first)
        #expect(Array(row[2...5]) == ["1,000 (1)", "10.0 (1)", "110.0 (1)", "10"])
        let plot = try #require(SavingsPlot(savings)).svg
        #expect(plot.contains("1 of 2 seeds") && plot.contains("pays from 10"))
    }

    @Test(
        "without networks trained alone, or without any that were cut, there is nothing to compare")
    func nothing() {
        for way in [SupernetSavings.Way.cut, .alone] {
            #expect(
                SupernetSavings(
                    [one(1, "phone", way, 0.9, 10, 1)], fixed: [:], testImages: 1,
                    heldOutImages: nil) == nil)
        }
    }

    @Test("JSON has every way of every device, with its name, and the break-evens by seed")
    func json() throws {
        let text = try JSONText.encode(try savings())
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["seeds"] as? [Int] == [1, 2] && object["has_gaps"] as? Bool == false)
        let devices = try #require(object["devices"] as? [[String: Any]])
        #expect(devices.compactMap { $0["device"] as? String } == ["phone", "watch"])
        let ways = try #require(devices[1]["ways"] as? [[String: Any]])
        #expect(
            ways.compactMap { $0["way"] as? String } == ["cut", "alone", "alone_until_accuracy"])
        #expect(ways[2]["reached"] as? [Bool] == [true, false] && ways[0]["aims"] is NSNull)
        #expect(ways[1]["as_accurate"] as? [Bool] == [true, true])
        #expect((ways[0]["as_accurate"] as? [Any])?.allSatisfy { $0 is NSNull } == true)
        let supernet = try #require(object["supernet"] as? [String: Any])
        #expect(supernet["tier"] as? String == "M" && supernet["methods"] as? [String] == ["model"])
        let ends = ["energy_low_j", "energy_high_j"].compactMap { supernet[$0] as? Double }
        #expect(ends.map { $0.rounded() } == [840, 1575])
        #expect((supernet["cpu_seconds"] as? [String: Any])?["mean"] as? Double == 200)
        #expect(object["tier"] as? String == "M" && object["aims_are_of_cut"] as? Bool == true)
        let crossings = try #require(object["break_even"] as? [[String: Any]])
        #expect(crossings.count == 6)
        #expect(crossings[3]["measure"] as? String == "energy")
        let mean = try #require(crossings[3]["mean"] as? [String: Any])
        #expect(mean["targets"] as? Int == 12 && mean["unit"] as? String == "kWh")
        #expect(crossings[0]["independent_targets_low"] as? Int == 3)
        #expect(crossings[0]["independent_targets_high"] as? Int == 10)
        #expect(crossings[0]["independent_may_never"] as? Bool == false)
        #expect(crossings[0]["seeds_in_mean"] as? Int == 2)
        let seeds = try #require(crossings[3]["by_seed"] as? [[String: Any]])
        #expect(seeds.compactMap { $0["targets"] as? Int } == [10, 13])
    }

    @Test(
        "the plot has a line for each way and seed, a dot for each way, and where the supernet pays"
    )
    func plot() throws {
        for size in [FrontPlot.Size.wide, .narrow] {
            let svg = try #require(SavingsPlot(try savings(), size)).svg
            #expect(svg.matches(of: /class="seed"/).count == 6)
            let marks = svg.matches(of: /<circle fill="[^"]+" cx="([0-9.-]+)" cy="([0-9.-]+)"/)
            #expect(marks.count == 3)
            for mark in marks {
                let x = try #require(Double(mark.1)), y = try #require(Double(mark.2))
                #expect((0...680).contains(x) && (0...400).contains(y))
            }
            #expect(svg.contains("pays from 5") && svg.contains("pays from 12"))
            #expect(svg.contains("energy modelled, tier M, range ×0.80 to ×1.50; 2 seeds"))
            #expect(svg.contains("alone, until &lt;b&gt;") && !svg.contains("<b>"))
            let again = SavingsPlot(try savings(), size)?.svg
            #expect(again == svg)
        }
    }
}
