// The figures of a fit against hand-computed ones.
import Testing

@testable import Search

@Suite struct FitQualityTests {
    @Test("errors are rooted, averaged and signed")
    func errors() {
        let quality = FitQuality(predicted: [0.5, 0.9, 0.7], measured: [0.6, 0.7, 0.7], rows: 9)
        #expect(abs(quality.rmse - (0.05 / 3).squareRoot()) < 1e-12)
        #expect(abs(quality.mae - 0.1) < 1e-12)
        #expect(abs(quality.offset - 0.1 / 3) < 1e-12)
        #expect(quality.rows == 9)
        #expect(quality.heldOut == 3)
    }

    @Test("rank correlations are 1 for the same order, -1 for the reverse, 0 without variation")
    func order() {
        let same = FitQuality(predicted: [1, 2, 3, 4], measured: [10, 20, 30, 45], rows: 4)
        #expect(same.spearman == 1)
        #expect(same.kendall == 1)
        let reverse = FitQuality(predicted: [4, 3, 2, 1], measured: [10, 20, 30, 45], rows: 4)
        #expect(reverse.spearman == -1)
        #expect(reverse.kendall == -1)
        let flat = FitQuality(predicted: [1, 1, 1], measured: [1, 2, 3], rows: 3)
        #expect(flat.spearman == 0)
        #expect(flat.kendall == 0)
    }

    @Test("ties share their rank")
    func ties() {
        // Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: rho = 4.5 / √(4.5 · 5); pairs: 5 agree, 1 tie;
        // tau-b = 5 / √(5 · 6).
        let quality = FitQuality(predicted: [1, 2, 2, 3], measured: [1, 3, 2, 4], rows: 4)
        #expect(abs(quality.spearman - 4.5 / (4.5 * 5).squareRoot()) < 1e-12)
        #expect(abs(quality.kendall - 5 / 30.0.squareRoot()) < 1e-12)
    }
}
