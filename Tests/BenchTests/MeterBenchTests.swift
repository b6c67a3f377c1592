// Tests of what `ofa-bench meter` computes from processor times.
import Testing

@testable import ofa_bench

@Suite struct MeterBenchTests {
    @Test("a line of /proc/PID/stat is read past a name with brackets and spaces")
    func stat() throws {
        let line =
            "42 (postgres: a) b) S 7 42 42 0 -1 4194560 100 200 0 0 13 5 400 60 20 0 1 0 9999 1000 2000"
        let stat = try #require(ServerProcessorTime.parse(line))
        #expect(stat.parent == 7 && stat.ticks == 18 && stat.endedTicks == 460)
        #expect(ServerProcessorTime.parse("42 (short) S 7") == nil)
        #expect(ServerProcessorTime.parse("") == nil)
    }

    @Test("metering is the difference of the medians, in the process and in the database")
    func difference() {
        func loads(_ values: [(Double, Double)]) -> [MeterLoad] {
            values.map { MeterLoad(processPercent: $0.0, databasePercent: $0.1) }
        }
        let report = MeterReport(
            slots: 2, seconds: 60, without: loads([(0.5, 0.25), (0.75, 0.25), (9, 0.5)]),
            with: loads([(1, 0.5), (0.875, 0.5), (0.5, 0.75)]))
        #expect(report.processPercentOfCore == 0.125)
        #expect(report.databasePercentOfCore == 0.25)
        #expect(report.percentOfCore == 0.375)
        #expect(report.lines.last?.hasPrefix("metering: 0.375 % of a core") == true)
    }
}
