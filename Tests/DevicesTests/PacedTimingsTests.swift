// Timings of a machine whose speed changes.
import Tensors
import Testing

@testable import Devices

@Suite struct PacedTimingsTests {
    /// Visits of a network of three parts on a machine that is slower by half four times out of five, and sometimes
    /// changes in the middle of a visit.
    private func visits(seed: UInt64, count: Int) -> [TimedVisit] {
        var stream = RandomStream(seed: seed)
        func noise() -> Double { 1 + 0.01 * Double(stream.normal()) }
        func speed() -> Double { stream.uniform() < 0.8 ? 1.5 : 1 }
        var before = speed()
        return (0..<count).map { _ in
            let after = stream.uniform() < 0.3 ? speed() : before
            let passes = (0..<3).map { _ in
                let speed = stream.uniform() < 0.5 ? before : after
                return [1, 2, 4].map { $0 * speed * noise() }
            }
            defer { before = after }
            return TimedVisit(
                network: 0, passes: passes, before: 5 * before * noise(), after: 5 * after * noise()
            )
        }
    }

    @Test(
        "parts are those of the machine left alone, however seldom it is", arguments: [1, 2, 3, 4])
    func paced(seed: UInt64) {
        let visits = visits(seed: seed, count: 60)
        let pace = PacedTimings.pace(of: visits)
        #expect(abs(pace / 5 - 1) < 0.03, "seed \(seed)")
        let timings = PacedTimings(visits, pace: pace)
        for (place, truth) in [1.0, 2, 4].enumerated() {
            let mean =
                timings.counted.reduce(0) { $0 + $1[place] } / Double(timings.counted.count)
            // The pace's own error, and noise of a hundredth in some eighty passes.
            #expect(abs(mean / truth - 1) < 0.03, "part \(place), seed \(seed)")
        }
        #expect(timings.all.count == 180)
        #expect(timings.disturbed == 3 * visits.filter { !$0.isCalm }.count)
    }

    @Test(
        "a visit counts while the reference changes by a tenth at most, and all do where none is calm"
    )
    func calm() {
        func visit(_ after: Double, _ milliseconds: Double) -> TimedVisit {
            TimedVisit(network: 0, passes: [[milliseconds]], before: 10, after: after)
        }
        #expect(visit(11, 1).isCalm && !visit(11.5, 1).isCalm && !visit(8.5, 1).isCalm)
        let mixed = PacedTimings([visit(10, 1), visit(20, 9)], pace: 10)
        #expect(mixed.counted == [[1]] && mixed.disturbed == 1)
        // At the pace of the machine left alone, what took 9 beside a reference of 15 takes 6.
        #expect(mixed.all == [[1], [6]])
        let none = PacedTimings([visit(20, 9), visit(30, 8)], pace: 10)
        #expect(none.counted == [[4], [6]] && none.disturbed == 2)
        #expect(PacedTimings([], pace: 10).counted.isEmpty)
    }

    @Test("of the passes that may count it is the middle half")
    func middle() {
        let passes = [7, 1, 2, 30, 4, 3, 5, 6].map { [Double($0)] }
        let timings = PacedTimings(
            [TimedVisit(network: 0, passes: passes, before: 2, after: 2)], pace: 2)
        #expect(timings.counted == [[3], [4], [5], [6]])
        #expect(timings.all == passes && timings.disturbed == 0)
    }
}
