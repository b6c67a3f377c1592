// Predictors on real measurements: how good with how many, and how sure.
import Charts
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

private let isMeasured = SharedFolders.published("dynas") != nil

@Suite(.enabled(if: isMeasured, "\(SharedFolders.publishedHint)"))
struct LearningCurveTests {
    private let samples: [AccuracySample]
    private let space: SearchSpace

    init() throws {
        space = try SearchSpace.named("ofa-mbv3-w1.0")
        samples = try measuredSubnets().map {
            AccuracySample(config: $0.config, accuracy: $0.accuracy)
        }
    }

    @Test("on 500 held-out subnets, mean of 20 draws, ridge is better than a one-hot ridge")
    func curve() throws {
        #expect(samples.count == 1357)
        let curve = try AccuracyPredictor.learningCurve(
            samples, space: space, sizes: [100, 200, 400], heldOut: 500, draws: 20)
        let goals = [(0.310, 0.970), (0.222, 0.985), (0.185, 0.990)]
        for (point, (rmse, spearman)) in zip(curve, goals) {
            #expect(100 * point.rmse <= rmse, "\(point)")
            #expect(point.spearman >= spearman, "\(point)")
            #expect(point.draws == 20 && point.heldOut == 500)
        }
        #expect(curve.map(\.samples) == [100, 200, 400])
        #expect(throws: SearchError.self) {
            try AccuracyPredictor.learningCurve(
                samples, space: space, sizes: [2000], heldOut: 500, draws: 1)
        }
    }

    @Test("an ensemble predicts as the ridge does, and its deviations fit its errors")
    func ensemble() throws {
        let (predictor, rows) = try AccuracyPredictor.evaluated(
            Array(samples.prefix(500)), space: space, method: .ensemble(8), heldOutShare: 0.5,
            seed: 3)
        #expect(rows.count == 250)
        let squares = try rows.map { row in
            let z = (row.predicted - row.measured) / (try #require(row.uncertainty))
            return z * z
        }
        // The mean square of 250 normal errors in units of their deviation lies in 1 ± 4·√(2/250) = 1 ± 0.36; the
        // deviations are themselves estimated from 250 rows, which doubles the variance.
        let mean = squares.reduce(0, +) / 250
        #expect(mean > 0.5 && mean < 1.5, "\(mean)")
        #expect(try AccuracyPredictor(bytes: try predictor.encoded(), source: "p") == predictor)
        let plot = ScatterChart.calibration(rows, title: "a < b").svg()
        #expect(plot.hasPrefix("<svg") && plot.contains("a &lt; b"))
        #expect(plot.components(separatedBy: "<circle").count == 251)
    }

    @Test("networks chosen by the predictor are new, repeatable, and better than random ones")
    func active() throws {
        var space = space
        space.resolutions = [224]
        let measured = Array(samples.prefix(60))
        let predictor = try AccuracyPredictor.fit(measured, space: space, method: .ensemble(6))
        func next(_ seed: UInt64) throws -> [SubnetConfig] {
            try SubnetSampling.next(
                20, after: measured, predictor: predictor, space: space, seed: seed)
        }
        let chosen = try next(1)
        #expect(chosen.count == 20 && Set(chosen).count == 20)
        #expect(Set(chosen).isDisjoint(with: measured.map(\.config)))
        #expect(try next(1) == chosen)
        #expect(try next(2) != chosen)
        for config in chosen { try space.validate(config) }
        func worth(_ configs: [SubnetConfig]) throws -> Double {
            let macs = try configs.map { Double(try NetworkCost(space, $0).macs) }
            let predicted = try predictor.predict(configs)
            return zip(predicted, macs).map { $0 - 0.02 * log2($1 / 3e8) }.reduce(0, +)
        }
        let random = try SubnetSampling.stratified(space, count: 22, seed: 5).suffix(20)
        #expect(try worth(chosen) > worth(Array(random)))
    }

    /// How much is lost by trusting a predictor: for each of 20 limits on multiply-accumulates, the best accuracy among
    /// all measured subnets minus that of the subnet the predictor thinks best, or of a better one it was fitted on.
    private func regret(_ known: [AccuracySample]) throws -> Double {
        let predictor = try AccuracyPredictor.plain(known, space, .ridge, 0)
        let predicted = try predictor.predict(samples.map(\.config))
        let macs = try samples.map { try NetworkCost(space, $0.config).macs }
        let fitted = Set(known.map(\.config))
        let low = Double(macs.min() ?? 0), high = Double(macs.max() ?? 0)
        return try (1...20).reduce(0) { sum, step in
            let limit = low + (high - low) * Double(step) / 20
            let inside = samples.indices.filter { Double(macs[$0]) <= limit }
            let best = try #require(inside.map { samples[$0].accuracy }.max())
            let trusted = try #require(inside.max { predicted[$0] < predicted[$1] })
            let seen =
                inside.filter { fitted.contains(samples[$0].config) }
                .map { samples[$0].accuracy }.max() ?? 0
            return sum + (best - max(seen, samples[trusted].accuracy)) / 20
        }
    }

    @Test("110 measurements where it matters choose better networks than 160 at random")
    func fewer() throws {
        let byConfig = Dictionary(uniqueKeysWithValues: samples.map { ($0.config, $0) })
        var active = 0.0, random = 0.0, asMany = 0.0
        for draw in 0..<10 {
            var stream = RandomStream(seed: 7, draw, 0, 0)
            let order = samples.shuffled(using: &stream)
            var known = Array(order[..<30])
            while known.count < 110 {
                let predictor = try AccuracyPredictor.plain(known, space, .ensemble(6), 0)
                let seen = Set(known.map(\.config))
                let chosen = try SubnetSampling.choose(
                    20, from: samples.map(\.config).filter { !seen.contains($0) }, after: known,
                    predictor: predictor, space: space)
                known += chosen.compactMap { byConfig[$0] }
            }
            active += try regret(known) / 10
            random += try regret(Array(order[..<160])) / 10
            asMany += try regret(Array(order[..<110])) / 10
        }
        // Seen: 0.037 points against 0.042 of 160 and 0.066 of as many.
        #expect(active < random && active < 0.7 * asMany, "\(active), \(random), \(asMany)")
    }
}
