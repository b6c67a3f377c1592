// Predictors of other programs: which layer follows which, which number is which feature, and what is refused.
// Values are derived by hand: weights are the numbers of their features.

import Devices
import Networks
import Tensors
import TestSupport
import Testing

@testable import Search

@Suite struct PredictorStateDictTests {
    private typealias Tensors = [String: (shape: [Int], values: [Float])]

    /// Features of the tiny space without sizes: 4 layers × (2 kernels + 2 ratios).
    private let genes = 16

    /// A layer that hands its first input on: weight 1 there, 0 elsewhere.
    private func first(_ outputs: Int, _ inputs: Int) -> (shape: [Int], values: [Float]) {
        var values = [Float](repeating: 0, count: outputs * inputs)
        values[0] = 1
        return ([outputs, inputs], values)
    }

    private func bias(_ values: [Float]) -> (shape: [Int], values: [Float]) {
        ([values.count], values)
    }

    /// One layer whose weights are the numbers of their inputs.
    private func numbered(_ sizes: Int) -> (shape: [Int], values: [Float]) {
        ([1, genes + sizes], (0..<genes + sizes).map(Float.init))
    }

    private func message(_ tensors: Tensors, _ resolutions: [Int]? = nil) -> String {
        #expect(throws: SearchError.self) {
            try AccuracyPredictor(
                stateDict: tensors, space: tinySpace, resolutions: resolutions, source: "p")
        }?.message ?? ""
    }

    /// Kernel 5 in layer 0, 3 in layer 2; ratio 6 in layer 0, 3 in layer 2; one layer a stage; size 24.
    private let config = SubnetConfig(
        kernelSizes: [5, 3, 3, 3], expandRatios: [6, 3, 3, 3], depths: [1, 1], resolution: 24)

    @Test("the current library's form: sizes first, then kernels, then ratios; base_acc is added")
    func library() throws {
        let tensors: Tensors = [
            "layers.0.weight": numbered(2), "base_acc": bias([0.5]),
        ]
        let predictor = try AccuracyPredictor(
            stateDict: tensors, space: tinySpace, resolutions: [16, 24], source: "p")
        // Size 24 is feature 1; kernel features begin at 2 with two a layer, ratios at 10.
        let expected = 1 + (2 + 1) + (2 + 4) + (10 + 1) + (10 + 4) + 0.5
        #expect(try predictor.unlimited([config]) == [expected])
        #expect(try AccuracyPredictor(bytes: predictor.encoded(), source: "p") == predictor)
    }

    @Test("the current library's form in three layers, under module., without a last bias")
    func libraryLayers() throws {
        var weight = numbered(2)
        weight.shape[0] = 2
        weight.values += [Float](repeating: 0, count: genes + 2)
        let tensors: Tensors = [
            "module.layers.0.0.weight": weight, "module.layers.0.0.bias": bias([0.25, 3]),
            "module.layers.1.0.weight": first(2, 2), "module.layers.1.0.bias": bias([0, 1]),
            "module.layers.2.weight": first(1, 2), "module.base_acc": bias([0.5]),
        ]
        let predictor = try AccuracyPredictor(
            stateDict: tensors, space: tinySpace, resolutions: [16, 24], source: "p")
        #expect(try predictor.unlimited([config]) == [35.25 + 0.5])
    }

    @Test("the published form: kernels, then ratios, then sizes")
    func published() throws {
        let tensors: Tensors = ["0.weight": numbered(2), "0.bias": bias([0.5])]
        let predictor = try AccuracyPredictor(
            stateDict: tensors, space: tinySpace, resolutions: [16, 24], source: "p")
        let expected = (0 + 1) + (0 + 4) + (8 + 1) + (8 + 4) + 17 + 0.5
        #expect(try predictor.unlimited([config]) == [expected])
    }

    @Test("as many sizes as the file has inputs for them, in the order given")
    func sizes() throws {
        let four: Tensors = ["0.weight": numbered(4), "0.bias": bias([0])]
        func predictor(_ tensors: Tensors, _ sizes: [Int]?) throws -> AccuracyPredictor {
            try AccuracyPredictor(
                stateDict: tensors, space: tinySpace, resolutions: sizes, source: "p")
        }
        var config = config
        config.resolution = 192
        #expect(try predictor(four, [128, 160, 192, 224]).unlimited([config]) == [26 + 18])
        #expect(try predictor(four, [224, 192, 160, 128]).unlimited([config]) == [26 + 17])
        #expect(
            try predictor(four, [128, 160, 192, 224]).fittedResolutions == [128, 160, 192, 224])
        config.resolution = 176
        #expect(throws: SearchError.self) {
            try predictor(four, [128, 160, 192, 224]).unlimited([config])
        }
        #expect(
            message(four, [160, 192])
                == "p has inputs for 4 image sizes, and 2 were given (160, 192): give those it was"
                + " fitted on, in the order of its inputs")
        #expect(message(four, [160, 160, 176, 192]).contains("160 twice"))
        #expect(message(four).contains("has inputs for 4 image sizes and does not say which"))

        // As many as the space has are the space's.
        let two: Tensors = ["0.weight": numbered(2), "0.bias": bias([0])]
        config.resolution = 24
        #expect(try predictor(two, nil).unlimited([config]) == [26 + 17])

        let one: Tensors = ["0.weight": numbered(1), "0.bias": bias([0])]
        #expect(try predictor(one, [24]).unlimited([config]) == [26 + 16])
        #expect(message(one, [24, 16]).contains("has inputs for 1 image size, and 2 were given"))
    }

    @Test("a file without inputs for sizes answers at the one size given, or the same at all")
    func noSizes() throws {
        let none: Tensors = ["0.weight": numbered(0), "0.bias": bias([0])]
        let fixed = try AccuracyPredictor(
            stateDict: none, space: tinySpace, resolutions: [24], source: "p")
        #expect(try fixed.unlimited([config]) == [26])
        var other = config
        other.resolution = 16
        #expect(throws: SearchError.self) { try fixed.unlimited([other]) }
        #expect(message(none, [16, 24]).contains("has inputs for no image size, and 2 were given"))
        let blind = try AccuracyPredictor(stateDict: none, space: tinySpace, source: "p")
        #expect(try blind.unlimited([config, other]) == [26, 26])
        #expect(blind.fittedResolutions == tinySpace.resolutions)
        // It cannot say which of two sizes is better.
        #expect(throws: SearchError.self) {
            try blind.checkDomain(space: tinySpace, resolutions: [16, 24])
        }
        try blind.checkDomain(space: tinySpace, resolutions: [16])
        for predictor in [fixed, blind] {
            #expect(try AccuracyPredictor(bytes: predictor.encoded(), source: "p") == predictor)
        }
        let search = try EvolutionarySearch(
            space: tinySpace, resolutions: [24],
            device: DeviceTarget(name: "d", kind: .phone, limits: Constraints()),
            latencyTable: nil)
        #expect(try search.run(predictor: fixed).arch.resolution == 24)
    }

    @Test("layers called fc1…fc10 are applied in that order, whatever a dictionary's order is")
    func order() throws {
        let names = ["fc1", "fc2", "fc9", "fc10"]
        var layers = [(first(2, genes + 2), [0.5, 0] as [Float])]
        layers += [(first(2, 2), [2, 0]), (first(2, 2), [-1, 0]), (first(1, 2), [0])]
        // Input 0 is kernel 3 of layer 0, which the network does not have: relu(0.5 + 2 - 1) = 1.5.
        let tensors = zip(names, layers).flatMap {
            [("\($0).weight", $1.0), ("\($0).bias", bias($1.1))]
        }
        var stream = RandomStream(seed: 6)
        for round in 0..<100 {
            var dictionary = Tensors(minimumCapacity: 8 << (round % 8))
            for (name, tensor) in tensors.shuffled(using: &stream) { dictionary[name] = tensor }
            let predictor = try AccuracyPredictor(
                stateDict: dictionary, space: tinySpace, resolutions: [16, 24], source: "p")
            #expect(try predictor.unlimited([config]) == [1.5])
        }
    }

    @Test(
        "layers that do not chain and two networks in one file are refused, always by the same words"
    )
    func refusedOrder() {
        let network: Tensors = [
            "0.weight": first(2, genes + 2), "0.bias": bias([0, 0]),
            "2.weight": first(1, 2), "2.bias": bias([0]),
        ]
        var two = Tensors(), words = Tensors()
        for (name, tensor) in network {
            two["student.\(name)"] = tensor
            two["teacher.\(name)"] = tensor
            words[name.replacing("0.", with: "input.").replacing("2.", with: "decide.")] = tensor
        }
        #expect(
            message(two, [16, 24])
                == "p holds two networks: student.2 ends one and teacher.0 begins another: save one"
        )
        #expect(
            message(words, [16, 24])
                == "p: layer input takes 18 inputs, and decide before it gives 1: number the layers in"
                + " the order they are applied, as in fc1.weight")
        var batchNorm = network
        batchNorm["1.weight"] = bias([1, 1])
        #expect(message(batchNorm, [16, 24]).contains("holds 1.weight, which is no part of dense"))
        var middle = network
        middle["0.bias"] = nil
        #expect(message(middle, [16, 24]).contains("0.weight, but no bias"))
    }

    @Test("accuracies in percent are noticed on a hundred networks, and divided where that is said")
    func percent() throws {
        let tensors: Tensors = ["layers.0.weight": numbered(2), "base_acc": bias([20])]
        let raw = try AccuracyPredictor(
            stateDict: tensors, space: tinySpace, resolutions: [16, 24], source: "p")
        let refused = #expect(throws: SearchError.self) { try raw.checkScale(tinySpace, "p") }
        #expect(refused?.message.contains("in percent: say --percent") == true)
        let scaled = try raw.inPercent(tinySpace, "p")
        try scaled.checkScale(tinySpace, "p")
        #expect(abs(try scaled.unlimited([config])[0] - 0.55) < 1e-6)
        #expect(throws: SearchError.self) { try scaled.inPercent(tinySpace, "p") }
        // Neither shares nor percent: refused, whatever is said.
        for base: Float in [7500, -200] {
            let neither = try AccuracyPredictor(
                stateDict: ["layers.0.weight": numbered(2), "base_acc": bias([base])],
                space: tinySpace, resolutions: [16, 24], source: "p")
            #expect(throws: SearchError.self) { try neither.checkScale(tinySpace, "p") }
            #expect(throws: SearchError.self) { try neither.inPercent(tinySpace, "p") }
        }
        let fitted = try AccuracyPredictor.fit(
            tinyNetworks.prefix(40).map { AccuracySample(config: $0, accuracy: 0.5) },
            space: tinySpace)
        try fitted.checkScale(tinySpace, "p")
        #expect(throws: SearchError.self) { try fitted.inPercent(tinySpace, "p") }
    }
}
