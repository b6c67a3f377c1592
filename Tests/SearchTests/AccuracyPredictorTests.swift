// Predictors on real measurements, what they refuse, and their bytes.
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct AccuracyPredictorTests {
    /// Networks of the tiny space with an accuracy that is linear in their genes.
    private func samples(_ resolutions: [Int] = [16, 24]) -> [AccuracySample] {
        tinyNetworks.filter { resolutions.contains($0.resolution) }.map {
            let genes = $0.canonical
            let sum = genes.kernelSizes.reduce(0, +) + genes.expandRatios.reduce(0, +)
            return AccuracySample(config: $0, accuracy: 0.6 + 0.004 * Double(sum))
        }
    }

    @Test(
        "ridge orders measured subnets as published: Spearman .979 from 200 of them, .987 from 400",
        .enabled(if: SharedFolders.published("dynas") != nil, "\(SharedFolders.publishedHint)"))
    func measured() throws {
        let space = try SearchSpace.named("ofa-mbv3-w1.0")
        var generator = RandomStream(seed: 11)
        let all = try measuredSubnets().shuffled(using: &generator)
            .map { AccuracySample(config: $0.config, accuracy: $0.accuracy) }
        for (count, floor) in [(200, 0.979), (400, 0.987)] {
            let predictor = try AccuracyPredictor.fit(Array(all[..<count]), space: space)
            let rest = Array(all[count...])
            let quality = FitQuality(
                predicted: try predictor.predict(rest.map(\.config)),
                measured: rest.map(\.accuracy),
                rows: count)
            #expect(quality.spearman > floor)
            #expect(quality.rmse < 0.003)
            let reported = try #require(predictor.quality)
            #expect(reported.heldOut == count / 5)
            #expect(reported.spearman > 0.95)
        }
    }

    @Test("the multilayer predictor orders what it has not seen")
    func multilayer() throws {
        var options = AdamOptions()
        options.hidden = [32, 32]
        let predictor = try AccuracyPredictor.fit(
            samples(), space: tinySpace, method: .multilayer(options), seed: 2)
        let quality = try #require(predictor.quality)
        #expect(quality.spearman > 0.95)
        #expect(quality.rows == tinyNetworks.count)
    }

    @Test("resolutions and spaces it was not fitted on are refused")
    func domain() throws {
        let predictor = try AccuracyPredictor.fit(samples([24]), space: tinySpace)
        #expect(predictor.fittedResolutions == [24])
        var config = tinySpace.largest
        #expect(try predictor.predict([config]).count == 1)
        config.resolution = 16
        let error = #expect(throws: SearchError.self) { try predictor.predict([config]) }
        #expect(error?.code == .outsideDomain)
        #expect(error?.message == "the predictor was not fitted on resolution 16, only on 24")
        try predictor.checkDomain(space: tinySpace, resolutions: [24])
        #expect(throws: SearchError.self) {
            try predictor.checkDomain(space: tinySpace, resolutions: [16, 24])
        }
        #expect(throws: SearchError.self) {
            try predictor.checkDomain(space: .fashion, resolutions: [24])
        }
        var renamed = SearchSpace.fashion
        renamed.name = "tiny"
        #expect(throws: SearchError.self) {
            try predictor.checkDomain(space: renamed, resolutions: [24])
        }
    }

    @Test("too few samples and impossible accuracies are refused")
    func badSamples() throws {
        let few = #expect(throws: SearchError.self) {
            try AccuracyPredictor.fit(Array(samples().prefix(9)), space: tinySpace)
        }
        #expect(few?.code == .tooFewSamples)
        var wrong = samples()
        wrong[3].accuracy = 71.5
        #expect(throws: SearchError.self) { try AccuracyPredictor.fit(wrong, space: tinySpace) }
        wrong[3].accuracy = .nan
        #expect(throws: SearchError.self) { try AccuracyPredictor.fit(wrong, space: tinySpace) }
    }

    @Test("the same samples and seed give the same bytes, and the bytes the same predictor")
    func bytes() throws {
        var options = AdamOptions()
        options.hidden = [8]
        options.steps = 20
        for method in [AccuracyPredictor.Method.ridge, .multilayer(options)] {
            let predictor = try AccuracyPredictor.fit(samples(), space: tinySpace, method: method)
            let bytes = try predictor.encoded()
            let again = try AccuracyPredictor.fit(samples(), space: tinySpace, method: method)
            #expect(try again.encoded() == bytes)
            #expect(try AccuracyPredictor(bytes: bytes, source: "x") == predictor)
        }
    }

    @Test("damaged bytes are refused and never crash")
    func damage() throws {
        let bytes = try AccuracyPredictor.fit(samples(), space: tinySpace).encoded()
        for count in 0..<bytes.count {
            let error = #expect(throws: SearchError.self) {
                try AccuracyPredictor(bytes: Array(bytes[..<count]), source: "p")
            }
            #expect(error?.code == .malformed)
        }
        var infinite = bytes
        infinite.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 128, 127])
        #expect(throws: SearchError.self) { try AccuracyPredictor(bytes: infinite, source: "p") }
        let text = String(decoding: bytes[12...], as: UTF8.self)
        let at = try #require(text.range(of: "\"stageCount\":2"))
        let offset = 12 + text.utf8.distance(from: text.startIndex, to: at.lowerBound)
        var huge = bytes
        huge.replaceSubrange(offset..<offset + 14, with: Array("\"stageCount\":9".utf8))
        #expect(throws: SearchError.self) { try AccuracyPredictor(bytes: huge, source: "p") }
    }
}
