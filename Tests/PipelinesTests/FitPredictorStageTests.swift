// What a pipeline keeps of a predictor beside its numbers.
import Networks
import Search
import Tensors
import Testing

@testable import Pipelines

@Suite struct FitPredictorStageTests {
    @Test(
        "accuracies and choices of another space of one name are refused with the first difference")
    func otherSpace() throws {
        var change = SpaceChange()
        change.classes = 7
        let own = SearchSpace.fashion.changed(change, name: "own")
        change.width = 2
        let other = SearchSpace.fashion.changed(change, name: "own")
        try own.checkOrigin(of: "accuracies", "own", own)
        try own.checkOrigin(of: "accuracies", "own", nil)
        for (name, definition, word) in [
            ("own", other, "layers["), ("fashion-mbv3", nil, "fashion-mbv3"),
        ] {
            let error = #expect(throws: PipelineError.self) {
                try own.checkOrigin(of: "accuracies", name, definition)
            }
            #expect(error?.code == .invalidArtifact && error?.reason.contains(word) == true)
        }
        let samples = AccuracySamples(space: "own", images: 1, samples: [], definition: own)
        let read = try JSONText.decode(
            AccuracySamples.self, from: try JSONText.encode(samples), what: "t")
        #expect(read == samples && read.definition == own)
    }

    @Test("what is stored says how well errors were foreseen, and comes back from JSON")
    func metadata() throws {
        let space = SearchSpace.fashion
        var stream = RandomStream(seed: 2)
        let samples = (0..<60).map { _ in
            let config = space.sample(using: &stream)
            let sum = config.expandRatios.reduce(0, +)
            return AccuracySample(
                config: config, accuracy: 0.8 + sum / 1000 + Double(stream.normal()) / 500)
        }
        for name in ["ridge", "ensemble"] {
            let (predictor, heldOut) = try AccuracyPredictor.evaluated(
                samples, space: space, method: FitPredictorStage.method(name))
            let metadata = PredictorMetadata(
                predictor, heldOut: heldOut,
                AccuracySamples(space: space.name, images: 100, samples: []))
            let inside = heldOut.filter {
                abs($0.predicted - $0.measured) <= ($0.uncertainty ?? 0)
            }
            #expect(metadata.coverage == Double(inside.count) / Double(heldOut.count))
            #expect(metadata.method == (name == "ridge" ? "ridge" : "ensemble of 8"))
            let text = try JSONText.encode(metadata)
            #expect(try JSONText.decode(PredictorMetadata.self, from: text, what: "t") == metadata)
        }
        let old = #"{"space":"fashion-mbv3","resolutions":[28]}"#
        let read = try JSONText.decode(PredictorMetadata.self, from: old, what: "t")
        #expect(read.quality == nil && read.learningCurve == nil && read.coverage == nil)
    }
}
