// The published figures, to the digits of their papers, and what may be compared with what.

import Metering
import Testing

@testable import Accounting

@Suite struct CostComparisonTests {
    private let rows = CostComparison(targets: 40).rows

    private func row(_ counted: String) throws -> CostComparison.Row {
        try #require(rows.first { $0.counted.contains(counted) }, "\(counted)")
    }

    @Test("274,120 h at 1,515.43 W are 415,409.67 kWh, with PUE 1.58 656,347.28 kWh, 626,155.31 lb")
    func strubell() throws {
        let row = try row("one architecture search")
        #expect(abs(try #require(row.itKWh?.value) - 415_409.67) < 0.005)
        #expect(abs(try #require(row.facilityKWh?.value) - 656_347.28) < 0.005)
        #expect(abs(try #require(row.pounds?.value) - 626_155.31) < 0.005)
        #expect(row.dollars == nil && row.factor == nil && row.tier == .declared)
    }

    @Test("the corrections divide that figure by 18.7 and 88, and state no energy")
    func corrected() throws {
        for (words, quotient) in [("average organisation", 18.7), ("that it was about", 88)] {
            let row = try row(words)
            #expect(abs(try #require(row.pounds?.value) - 626_155.31 / quotient) < 0.005)
            #expect(abs(try #require(row.factor) * quotient - 1) < 1e-12)
            #expect(row.facilityKWh == nil && row.hours == nil)
            #expect(row.factorOf == "Strubell et al., 2019")
        }
    }

    @Test("1,200 V100-h are 356.73 kWh, 340.32 lb, 154.37 kg and $3,672")
    func onceForAll() throws {
        let row = try row("supernet alone")
        #expect(abs(try #require(row.facilityKWh?.value) - 356.73) < 0.005)
        #expect(abs(try #require(row.pounds?.value) - 340.32) < 0.005)
        #expect(abs(try #require(row.kilograms?.value) - 154.37) < 0.005)
        #expect(abs(try #require(row.dollars) - 3672) < 1e-9)
    }

    @Test("1,240 h over 40 devices are 31 h, 9.216 kWh, 8.792 lb and $94.86 each")
    func each() throws {
        let row = try row("part of each device")
        #expect(row.hours == 31)
        #expect(abs(try #require(row.facilityKWh?.value) - 9.216) < 0.0005)
        #expect(abs(try #require(row.pounds?.value) - 8.792) < 0.0005)
        #expect(abs(try #require(row.dollars) - 94.86) < 1e-9)
    }

    @Test("MnasNet takes 1,600,000 h for 40 devices, 1,290 times as many; baselines are not mixed")
    func factors() throws {
        let row = try row("MnasNet")
        #expect(row.hours == 1_600_000)
        #expect(abs(try #require(row.factor) - 1_600_000.0 / 1240) < 1e-9)
        let bases = Dictionary(grouping: rows.filter { $0.factor != nil }, by: \.baseline)
            .mapValues { Set($0.map(\.factorOf)) }
        #expect(
            bases == [
                .search: ["Strubell et al., 2019"], .devices: ["once-for-all, 40 devices"],
            ])
    }

    @Test("it is said below how many devices once-for-all does not pay")
    func limits() {
        let once = PublishedMethod.onceForAll
        let evens = PublishedMethod.others.map { once.breakEven(against: $0) }
        #expect(evens == [9, 7, 3, 3, 1])
        let byHand = PublishedMethod.others[0]
        #expect(PublishedMethod.tuned.map { $0.breakEven(against: byHand) } == [10, 17])
        let notes = CostComparison(targets: 8).notes.joined(separator: " ")
        #expect(notes.contains("does not pay below 9 devices against MobileNetV2"))
        #expect(notes.contains("different baselines"))
    }

    @Test("a measured run has rows of its own baseline with ranges, and a factor only to its own")
    func measured() throws {
        func stage(_ name: String, _ joules: Int64, kind: String = "train", device: String? = nil)
            -> StageCost
        {
            var stage = StageCost(
                place: StageOfRun(run: 1, stage: name), kind: kind, device: device)
            stage.cost = amount(joules * 1_000_000, seconds: joules)
            return stage
        }
        let network = DeviceNetwork(
            artifact: 1, name: "n", device: "phone", run: 1,
            stages: [StageOfRun(run: 1, stage: "full")])
        let savings = try MeasuredSavings(
            [
                stage("full", 7200), stage("search", 3600, kind: "search", device: "phone"),
                stage("alone-1", 21_600), stage("alone-2", 21_600),
            ], run: 1, networks: [network], alone: .init(run: 1, prefixes: ["alone-"]))
        #expect(savings.aloneNetworks == 2 && savings.fixed.hours == 2)
        let comparison = CostComparison(
            targets: 40, savings: savings, pue: Interval(value: 1.5, low: 1.2, high: 1.8))
        let rows = comparison.rows.filter { $0.baseline == .measured }
        #expect(rows.map(\.hours) == [3, 2, 1, 3, 6])
        #expect(rows.map { $0.itKWh?.value ?? 0 } == [0.003, 0.002, 0.001, 0.003, 0.006])
        #expect(abs(try #require(rows[0].facilityKWh?.value) - 0.0045) < 1e-12)
        #expect(rows.map { $0.factor ?? 0 } == [0, 0, 0, 0, 2])
        #expect(rows[4].factorOf == rows[3].counted && rows[0].tier == .model)
        // 2 / (6 - 1) hours.
        #expect(savings.breakEven(.time)?.targets == 1)
        let document = rows[0].document
        #expect(document.it_kwh_low == 0.0015 && document.usd == nil)
        #expect(comparison.rows[0].document.kwh_low == nil)
    }
}
