// The learning rate: a linear warm-up, then a cosine whose horizon leaves the warm-up out.
import Training
import Testing

@Suite struct LearningRateScheduleTests {
    @Test("the rate rises in equal steps to the peak, then falls along half a cosine")
    func shape() {
        let schedule = LearningRateSchedule(peak: 0.8, warmupSteps: 4, steps: 104)
        let warm = (0..<4).map { schedule.rate(at: $0) }
        #expect(zip(warm, [0.2, 0.4, 0.6, 0.8]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(schedule.rate(at: 4) == 0.8)
        #expect(abs(schedule.rate(at: 54) - 0.4) < 1e-12)
        #expect(abs(schedule.rate(at: 29) - 0.4 * (1 + 0.5.squareRoot())) < 1e-12)
        let falling = (4..<104).map { schedule.rate(at: $0) }
        #expect(zip(falling, falling.dropFirst()).allSatisfy { $0 > $1 })
        #expect(falling.allSatisfy { $0 > 0 })
        #expect(schedule.rate(at: 104) < 1e-12 && schedule.rate(at: 1000) < 1e-12)
    }

    @Test("without a warm-up the first step has the peak; a warm-up is at most the whole phase")
    func ends() {
        #expect(LearningRateSchedule(peak: 1, warmupSteps: 0, steps: 10).rate(at: 0) == 1)
        let short = LearningRateSchedule(peak: 1, warmupSteps: 20, steps: 4)
        #expect((0..<4).map { short.rate(at: $0) } == [0.25, 0.5, 0.75, 1])
        #expect(LearningRateSchedule(peak: 1, warmupSteps: 0, steps: 1).rate(at: 0) == 1)
    }
}
