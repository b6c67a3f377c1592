// Medians, ratios, breakdowns, tables and memory, on numbers worked out by hand.
import Testing

@testable import ofa_bench

@Suite struct StatisticsTests {
    @Test("the median is the middle one, or the mean of the two in the middle")
    func medians() {
        #expect(Statistics([3, 1, 2]).median == 2)
        #expect(Statistics([4, 1, 2, 10]).median == 3)
        let one = Statistics([5])
        #expect(one.median == 5 && one.min == 5 && one.max == 5 && one.count == 1)
    }

    @Test("a ratio is that of the medians; its spread that of the rounds")
    func ratios() {
        let ratio = Ratio(
            peer: [200, 300, 240], ours: [100, 100, 160], fastestPeer: 180, fastestOurs: 90)
        #expect(ratio.ratio == 2.4 && ratio.min == 1.5 && ratio.max == 3 && ratio.fastest == 2)
        #expect(Statistics([2, 3, 4]).spread == 2)
        #expect(abs(Statistics.geometricMean([1, 4]) - 2) < 1e-12)
        #expect(abs(Statistics.geometricMean([2, 2, 2]) - 2) < 1e-12)
    }

    @Test("a profile adds up by operator and by place, and says what no operator accounts for")
    func profile() {
        typealias Line = PassProfile.Line
        let profile = PassProfile(
            [
                Line(place: "a", name: "x", calls: 2, seconds: 0.002, flops: 4_000_000, bytes: 100),
                Line(place: "b", name: "y", calls: 4, seconds: 0.006, flops: 0, bytes: 6_000_000),
                Line(place: "b", name: "x", calls: 2, seconds: 0.008, flops: 0, bytes: 0),
            ], passes: 2, seconds: 0.02)
        #expect(profile.passMs == 10 && abs(profile.betweenOperatorsMs - 2) < 1e-9)
        #expect(profile.operators.map(\.name) == ["x", "y"])
        #expect(profile.places.map(\.name) == ["a", "b"])
        let x = profile.operators[0], y = profile.operators[1]
        #expect(abs(x.ms - 5) < 1e-9 && abs(x.share - 0.5) < 1e-9 && x.calls == 2)
        #expect(abs(x.gflop - 0.002) < 1e-12 && abs(x.gflopPerS - 0.4) < 1e-9)
        #expect(abs(y.mb - 3) < 1e-9 && abs(y.gbPerS - 1) < 1e-9)
        #expect(abs(profile.places[1].ms - 7) < 1e-9)
        #expect(profile.parts.map(\.name) == ["a x", "b y", "b x"])
    }

    @Test("tables stand text left and numbers right, without spaces at the end")
    func tables() {
        var table = Table(text: ["name"], numbers: ["ms", "ratio"])
        table.rows = [["a", "1.5"], ["longer", "22.5", "2"]]
        #expect(table.lines == ["name      ms  ratio", "a        1.5", "longer  22.5      2"])
    }

    @Test("the peak is read from a status text, and nothing from one without it")
    func memory() {
        #expect(Memory.peak(status: "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS: 1 kB\n") == 2 << 20)
        #expect(Memory.peak(status: "Name:\tx\n") == nil)
        #expect(Memory.peak(status: "VmHWM: many kB") == nil)
    }
}
