// What one supernet saved, by hand: sums over devices, break-even over seeds, and what is unknown or was not reached.
import Accounting
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
        _ joules: Int64?, _ seconds: Int64, reached: Bool? = nil
    ) -> Measured {
        Measured(
            seed: seed, device: device, way: way,
            name: way == .cut ? "cut" : way == .alone ? "alone, same" : "alone, until <b>",
            macs: device == "phone" ? 4_000_000 : 2_000_000, top1: top1, heldOutTop1: top1 + 0.01,
            epochs: way == .cut ? nil : way == .alone ? 5 : 4, cost: part(joules, seconds),
            aim: reached.map {
                AccuracyRecord(aim: 0.9, isReached: $0, best: $0 ? 0.91 : 0.89, step: 9)
            })
    }

    /// Two devices and two seeds. A supernet costs 1,000 and 1,100 J, a further device 10 J.
    private func savings(cut: Int64? = 10) throws -> SupernetSavings {
        try #require(
            SupernetSavings(
                [
                    one(1, "phone", .cut, 0.90, cut, 1), one(1, "watch", .cut, 0.88, cut, 1),
                    one(2, "phone", .cut, 0.92, cut, 1), one(2, "watch", .cut, 0.88, cut, 1),
                    one(1, "phone", .alone, 0.91, 210, 20), one(1, "watch", .alone, 0.89, 210, 20),
                    one(2, "phone", .alone, 0.91, 230, 20), one(2, "watch", .alone, 0.89, 230, 20),
                    one(1, "phone", .aimed, 0.90, 110, 11, reached: true),
                    one(1, "watch", .aimed, 0.88, 110, 11, reached: true),
                    one(2, "phone", .aimed, 0.91, 110, 11, reached: true),
                    one(2, "watch", .aimed, 0.87, 90, 9, reached: false),
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
        #expect(rows.first?[5] == "never" && rows.first?[7] == "never, never")
    }

    @Test("the tables have every way by device, the supernet, and the sums, with their spreads")
    func tables() throws {
        let tables = try savings().tables
        #expect(tables.map(\.title) == ["Accuracy", "Energy, J", "Time, s", "Break-even"])
        let names = ["cut", "alone, same", "alone, until <b>"]
        #expect(tables[0].head == ["Device", "MACs"] + names + ["Reached"])
        #expect(
            tables[0].rows == [
                ["phone", "4,000,000", "91.00 ± 1.41", "91.00 ± 0.00", "90.50 ± 0.71", "2 of 2"],
                ["watch", "2,000,000", "88.00 ± 0.00", "89.00 ± 0.00", "87.50 ± 0.71", "1 of 2"],
            ])
        #expect(
            tables[1].rows == [
                ["phone", "10.0 ± 0.0", "220.0 ± 14.1", "110.0 ± 0.0"],
                ["watch", "10.0 ± 0.0", "220.0 ± 14.1", "100.0 ± 14.1"],
                ["the supernet, once", "1,050 ± 71", "", ""],
                ["all 2 devices", "1,070 ± 71", "440.0 ± 28.3", "210.0 ± 14.1"],
            ])
        #expect(
            tables[2].rows.map { Array($0.suffix(2)) } == [
                ["5.00 ± 0.00", "4.00 ± 0.00"], ["5.00 ± 0.00", "4.00 ± 0.00"], ["", ""], ["", ""],
            ])
        #expect(
            tables[3].rows[0] == [
                "alone, same", "energy, J", "1,050", "10.0", "220.0", "5", "5", "5, 5",
                "0.41 ± 0.00",
            ])
        #expect(tables[3].rows.map { $0[5] } == ["5", "6", "12", "11"])
        #expect(tables[3].note.contains("1 of 4 trainings did not reach their accuracy"))
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
        let rows = savings.tables[1].rows
        #expect(rows[0][1] == "unknown" && rows[2][1] == "1,050 ± 71" && rows[3][1] == "unknown")
        #expect(savings.tables[3].rows[0][5] == "unknown")
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
        let crossings = try #require(object["break_even"] as? [[String: Any]])
        #expect(crossings.count == 6)
        #expect(crossings[3]["measure"] as? String == "energy")
        let mean = try #require(crossings[3]["mean"] as? [String: Any])
        #expect(mean["targets"] as? Int == 12 && mean["unit"] as? String == "kWh")
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
            #expect(svg.contains("alone, until &lt;b&gt;") && !svg.contains("<b>"))
            let again = SavingsPlot(try savings(), size)?.svg
            #expect(again == svg)
        }
    }
}
