// A small trained network in eight bits: calibrated on training images, chosen on held-out images, measured on others.
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct QuantisedAccuracyTests {
    @Test("a trained network keeps its accuracy in eight bits, and mostly its predictions")
    func accuracy() throws {
        let fixture = try TrainingFixture(count: 600, heldOut: 300)
        let network = try fixture.network()
        let trainer = try fixture.trainer(fixture.phase(epochs: 8), network: network)
        while !trainer.isFinished { _ = try trainer.trainStep() }
        let shape = try NetworkShape(fixture.space, fixture.space.largest)
        let statistics = try Evaluator(network).calibrate(shape, data: fixture.data, seed: 1)
        let graph = try OperatorGraph(shape, network.extract(shape, statistics: statistics))
        func batch(_ images: ArraySlice<Int>) throws -> PostTrainingQuantisation.Labelled {
            let (map, labels) = try fixture.data.loader.batch(
                images, size: shape.resolution, engine: network.engine)
            // The loader's map is valid until its next batch.
            return .init(
                FeatureMap(
                    Tensor(map.tensor.values), images: map.images, height: map.height,
                    width: map.width, channels: map.channels), labels: labels)
        }
        let calibration = try batch(fixture.training[..<200])
        let engine = try CPUEngine(threads: 2)
        let made = try PostTrainingQuantisation(
            graph, calibration: [calibration.images],
            heldOut: [try batch(fixture.heldOut[..<100])], engine: engine)
        let test = try batch(fixture.heldOut[100...])
        let logits = network.withStatistics(statistics) {
            network.forward(test.images, shape, mode: .running).values
        }
        let classes = shape.classes
        let floats = test.labels.indices.count { image in
            let row = Array(logits[image * classes..<(image + 1) * classes])
            return row.firstIndex(of: row.max() ?? 0) == Int(test.labels[image])
        }
        let share = Double(floats) / Double(test.labels.count)
        let eight = made.graph.accuracy([test], engine: engine)
        #expect(share > 0.9, "the network learned its images")
        // 200 images: one point is two images.
        #expect(eight >= share - 0.02, "\(made.trials), floats \(share), eight bits \(eight)")
    }
}
