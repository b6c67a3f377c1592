// Predictors on real measurements, what they refuse, and their bytes.
import Devices
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
            let sum = Double($0.kernelSizes.reduce(0, +)) + $0.expandRatios.reduce(0, +)
            return AccuracySample(config: $0, accuracy: 0.6 + 0.004 * sum)
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

    @Test("no prediction leaves 0…1, in a search and on a front neither, where the model does")
    func limits() throws {
        let steep = samples().map {
            AccuracySample(
                config: $0.config, accuracy: min(1, max(0, 12 * ($0.accuracy - 0.6) - 0.1)))
        }
        let predictor = try AccuracyPredictor.fit(steep, space: tinySpace)
        let model = try predictor.unlimited(tinyNetworks)
        #expect(try #require(model.max()) > 1)
        #expect(try predictor.predict(tinyNetworks) == model.map { min(1, max(0, $0)) })
        let search = try EvolutionarySearch(
            space: tinySpace,
            device: DeviceTarget(name: "macs", kind: .computer, limits: Constraints()))
        #expect(try search.run(predictor: predictor).predictedAccuracy == 1)
        let front = try search.front(predictor: predictor, over: .macs).networks
        #expect(front.allSatisfy { (0...1).contains($0.predictedAccuracy) })
        #expect(front.last?.predictedAccuracy == 1)
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

    @Test("another space of the same name is refused, and the error says what differs")
    func otherDefinition() throws {
        let predictor = try AccuracyPredictor.fit(samples(), space: tinySpace)
        func message(_ change: (inout LayerDefinition.InvertedResiduals) -> Void) throws -> String {
            var space = tinySpace
            guard case .invertedResiduals(var stage) = space.layers[2] else { return "" }
            change(&stage)
            space.layers[2] = .invertedResiduals(stage)
            let error = #expect(throws: SearchError.self) {
                try predictor.checkDomain(space: space, resolutions: [24])
            }
            #expect(error?.code == .outsideDomain)
            return error?.message ?? ""
        }
        let width = try message { $0.width = .constant(24) }
        #expect(width.contains("another space named tiny: layers[2]"), "\(width)")
        #expect(width.contains("24, not 16"), "\(width)")
        #expect(try message { $0.kernelSizes = [3, 5, 7] }.contains("[3, 5, 7], not [3, 5]"))
        #expect(try message { $0.squeezeExcite = true }.contains("true, not false"))
        // A part of the space is not another.
        var part = tinySpace
        if case .invertedResiduals(var stage) = part.layers[2] {
            (stage.kernelSizes, stage.depths) = ([5], [1])
            part.layers[2] = .invertedResiduals(stage)
        }
        try predictor.checkDomain(space: part, resolutions: [24])
    }

    @Test("genes that no network of the predictor had are refused, alone and in searches")
    func trained() throws {
        var predictor = try AccuracyPredictor.fit(samples(), space: tinySpace)
        let known = TrainedDomain(
            kernelSizes: [3], expandRatios: [3, 6], depths: [1, 2], resolutions: [16, 24])
        predictor.trained = known
        var config = tinySpace.smallest
        #expect(try predictor.predict([config]).count == 1)
        // A skipped layer is none that was not trained for.
        config.kernelSizes[1] = 5
        #expect(try predictor.predict([config]).count == 1)
        config.kernelSizes[0] = 5
        let gene = #expect(throws: SearchError.self) { try predictor.predict([config]) }
        #expect(gene?.code == .outsideDomain)
        #expect(gene?.message.hasPrefix("ks[0] is 5; trained values are 3") == true)
        let device = DeviceTarget(name: "", kind: .computer, limits: Constraints())
        let whole = try EvolutionarySearch(space: tinySpace, device: device)
        for search in [
            { _ = try whole.run(predictor: predictor) },
            { _ = try whole.front(predictor: predictor) },
        ] {
            let error = #expect(throws: SearchError.self) { try search() }
            #expect(error?.code == .outsideDomain)
            #expect(error?.message.contains("fitted for kernel sizes 3,") == true)
        }
        let part = try EvolutionarySearch(
            space: predictor.trainedPart(of: tinySpace), device: device)
        #expect(try part.run(predictor: predictor).arch.kernelSizes.contains(5) == false)
        // It is part of the bytes; those of older versions say nothing.
        let again = try AccuracyPredictor(bytes: predictor.encoded(), source: "p")
        #expect(again == predictor && again.trained == known)
        predictor.trained = nil
        #expect(try AccuracyPredictor(bytes: predictor.encoded(), source: "p").trained == nil)
        #expect(try predictor.predict([config]).count == 1)
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
        for method in [AccuracyPredictor.Method.ridge, .ensemble(3), .multilayer(options)] {
            let predictor = try AccuracyPredictor.fit(samples(), space: tinySpace, method: method)
            let bytes = try predictor.encoded()
            let again = try AccuracyPredictor.fit(samples(), space: tinySpace, method: method)
            #expect(try again.encoded() == bytes)
            #expect(try AccuracyPredictor(bytes: bytes, source: "x") == predictor)
        }
    }

    @Test("a fit says how far it is, and ends at once when it is asked to")
    func interrupted() throws {
        struct Enough: Error {}
        var options = AdamOptions()
        options.hidden = [8]
        options.steps = 90
        for method in [AccuracyPredictor.Method.ridge, .ensemble(3), .multilayer(options)] {
            let samples = samples()
            var rows = 0.0
            _ = try AccuracyPredictor.evaluated(samples, space: tinySpace, method: method) {
                rows += $0
            }
            // All of them, and those that were not held out.
            let heldOut = max(2, Int(Double(samples.count) * 0.2))
            #expect(abs(rows - Double(2 * samples.count - heldOut)) < 1e-6)
            var calls = 0
            #expect(throws: Enough.self) {
                try AccuracyPredictor.evaluated(samples, space: tinySpace, method: method) { _ in
                    calls += 1
                    throw Enough()
                }
            }
            #expect(calls == 1)
        }
    }

    @Test(
        "layers fitted elsewhere are taken as they are, transposed, and refused where they do not fit"
    )
    func stateDict() throws {
        let encoder = ArchitectureEncoder(tinySpace, resolutions: [112, 128])
        let width = encoder.featureCount
        var stream = RandomStream(seed: 12)
        func random(_ count: Int) -> [Float] {
            (0..<count).map { _ in Float.random(in: -1...1, using: &stream) }
        }
        var tensors: [String: (shape: [Int], values: [Float])] = [
            "0.weight": ([5, width], random(5 * width)), "0.bias": ([5], random(5)),
            "10.weight": ([1, 3], random(3)), "10.bias": ([1], random(1)),
            "2.weight": ([3, 5], random(15)), "2.bias": ([3], random(3)),
        ]
        func predictor() throws -> AccuracyPredictor {
            try AccuracyPredictor(
                stateDict: tensors, space: tinySpace, resolutions: [112, 128], source: "p")
        }
        var config = tinySpace.largest
        config.resolution = 128
        func value(_ name: String, _ row: Int, _ column: Int) -> Float {
            guard let tensor = tensors[name] else { return .nan }
            return tensor.values[row * (tensor.shape.count > 1 ? tensor.shape[1] : 1) + column]
        }
        let ones = try encoder.ones(config)
        let first = (0..<5).map { unit in
            max(0, ones.reduce(value("0.bias", unit, 0)) { $0 + value("0.weight", unit, $1) })
        }
        let second = (0..<3).map { unit in
            max(
                0,
                (0..<5).reduce(value("2.bias", unit, 0)) {
                    $0 + value("2.weight", unit, $1) * first[$1]
                })
        }
        let expected = (0..<3).reduce(value("10.bias", 0, 0)) {
            $0 + value("10.weight", 0, $1) * second[$1]
        }
        for count in [1, 17] {
            let predicted = try predictor().unlimited(Array(repeating: config, count: count))
            // Sums of at most ten numbers below 10 in another order.
            #expect(predicted.allSatisfy { abs($0 - Double(expected)) < 1e-5 })
        }
        tensors["2.weight"] = ([3, 4], random(12))
        #expect(throws: SearchError.self) { try predictor() }
        tensors["2.weight"] = ([3, 5], random(14) + [.nan])
        #expect(throws: SearchError.self) { try predictor() }
        tensors = [:]
        #expect(throws: SearchError.self) { try predictor() }
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
        infinite.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xF0, 0x7F])
        #expect(throws: SearchError.self) { try AccuracyPredictor(bytes: infinite, source: "p") }
        let text = String(decoding: bytes[12...], as: UTF8.self)
        // A space of fewer choices, as long as before.
        let whole = "\"kernelSizes\":[3,5]", part = "\"kernelSizes\":[5]  "
        let at = try #require(text.range(of: whole))
        let offset = 12 + text.utf8.distance(from: text.startIndex, to: at.lowerBound)
        var other = bytes
        other.replaceSubrange(offset..<offset + whole.utf8.count, with: Array(part.utf8))
        #expect(throws: SearchError.self) { try AccuracyPredictor(bytes: other, source: "p") }
    }
}
