// What a supernet will have been trained for is known from the file: what asks for more is refused at its line.
import Foundation
import Networks
import Testing

@testable import Pipelines

@Suite struct TrainedCheckTests {
    private static let good = """
        name: small
        space: fashion-mbv3
        devices:
          box: {kind: phone, max_macs: 6000000}
          pc: {kind: computer, max_latency_ms: 2}
        stages:
          data: {kind: import-dataset, dataset: d, folder: /data}
          full: {kind: train, needs: [data], phase: full, epochs: 1, learning_rate: 0.1, resolutions: [24, 28]}
          kernel:
            kind: train
            needs: [full]
            phase: kernel
            from: full
            teacher: full
            kernel_sizes: [3, 5, 7]
            resolutions: [24]
            epochs: 0.5
            learning_rate: 0.05
          accuracy:
            kind: sample-accuracy
            needs: [kernel]
            subnets: 50
          predictor: {kind: fit-predictor, needs: [accuracy]}
          latency:
            kind: measure-device
            needs: [kernel]
            device: pc
          search: {kind: search, needs: [predictor, latency], device: pc}
          network: {kind: materialise, needs: [search], device: pc}
        """

    @Test("a file within what it trains is read")
    func good() throws { _ = try PipelineDefinition(text: Self.good, file: "p.yaml") }

    @Test(
        "what a supernet will not have been trained for is refused, with line and key",
        arguments: [
            (
                "needs: [kernel]\n    subnets: 50", "needs: [full]\n    subnets: 50",
                "p.yaml:22: stages.accuracy.subnets asks for 50 networks, and full is trained for 2: kernel sizes 7,"
            ),
            (
                "subnets: 50", "subnets: 50\n    resolutions: [20, 28]",
                "p.yaml:23: stages.accuracy.resolutions has 20, and kernel is trained for 24, 28"
            ),
            (
                "subnets: 50", "subnets: 50\n    resolutions: [21]",
                "p.yaml:23: stages.accuracy.resolutions is [21]; space fashion-mbv3 has image sizes 20, 24, 28"
            ),
            (
                "resolutions: [24]", "resolutions: [20]",
                "p.yaml:14: stages.kernel.teacher asks full for answers of its full network at 20 pixels, which it was not"
                    + " trained for: r is 20; trained values are 24, 28"
            ),
            (
                "    device: pc\n  search", "    device: pc\n    resolutions: [20]\n  search",
                "p.yaml:29: stages.search.device is timed by latency at 20, and kernel is sampled at 24, 28: none is common"
            ),
            (
                "subnets: 50", "subnets: 50\n    calibration_augmentation: training",
                "p.yaml:30: stages.network.calibration_augmentation is none, and that of accuracy training"
            ),
            (
                "subnets: 50", "subnets: 50\n    calibration_augmentation: trainings",
                "p.yaml:23: stages.accuracy.calibration_augmentation is 'trainings'; did you mean 'training'? known are training, none"
            ),
            (
                "search], device: pc}",
                "search], device: pc, calibration_augmentation: training}",
                "p.yaml:29: stages.network.calibration_augmentation is training, and that of accuracy none"
            ),
            (
                "  predictor: {kind: fit-predictor, needs: [accuracy]}",
                """
                  first: {kind: fit-predictor, needs: [accuracy]}
                  more: {kind: sample-accuracy, needs: [first], after: accuracy, calibration_augmentation: training}
                  predictor: {kind: fit-predictor, needs: [more]}
                """,
                "p.yaml:24: stages.more.calibration_augmentation is training, and that of accuracy none"
            ),
            (
                "    device: pc\n  search", "    device: pc\n    resolutions: [21]\n  search",
                "p.yaml:28: stages.latency.resolutions is [21]; space fashion-mbv3 has image sizes 20, 24, 28"
            ),
        ])
    func outside(old: String, new: String, message: String) throws {
        let error = try #require(throws: PipelineError.self) { try changed(old, new) }
        #expect(error.message.hasPrefix(message), "\(error.message)")
    }

    @Test("a fine-tuning's teacher must have been trained whole, at one size at least")
    func fineTuning() throws {
        let tuned = """
              only:
                kind: train
                needs: [data]
                phase: only
                depths: [2]
                epochs: 1
                learning_rate: 0.1
              tuned: {kind: fine-tune, needs: [network, only], from: network, teacher: TEACHER, epochs: 1, learning_rate: 0.1}
            """
        for (teacher, told) in [("kernel", nil), ("only", "d[0] is 3; trained values are 2")] {
            let text = Self.good + "\n" + tuned.replacing("TEACHER", with: teacher)
            guard let told else {
                _ = try PipelineDefinition(text: text, file: "p.yaml")
                continue
            }
            let error = try #require(throws: PipelineError.self) {
                try PipelineDefinition(text: text, file: "p.yaml")
            }
            #expect(
                error.message.contains("stages.tuned.teacher asks only for answers of its full"))
            #expect(error.message.contains(told), "\(error.message)")
        }
    }

    private func changed(_ old: String, _ new: String) throws {
        try #require(Self.good.contains(old), "there is no '\(old)'")
        _ = try PipelineDefinition(
            text: Self.good.replacingOccurrences(of: old, with: new), file: "p.yaml")
    }

    @Test("what is calibrated alike is read, and said as it is")
    func calibration() throws {
        let text = Self.good.replacingOccurrences(
            of: "subnets: 50", with: "subnets: 50\n    calibration_augmentation: training"
        ).replacingOccurrences(
            of: "search], device: pc}",
            with: "search], device: pc, calibration_augmentation: training}")
        for (text, wanted) in [(text, CalibrationAugmentation.training), (Self.good, nil)] {
            for stage in try PipelineDefinition(text: text, file: "p.yaml").stages {
                switch stage.parameters {
                case .sampleAccuracy(let one): #expect(one.calibrationAugmentation == wanted)
                case .materialise(let one): #expect(one.calibrationAugmentation == wanted)
                default: break
                }
            }
        }
    }

    @Test("a network is cut from the supernet whose networks its predictor was fitted on")
    func otherSupernet() throws {
        let text =
            Self.good.replacingOccurrences(
                of: "network: {kind: materialise, needs: [search]",
                with: """
                    more: {kind: train, needs: [kernel, search], phase: more, from: kernel, epochs: 1, learning_rate: 0.1}
                      network: {kind: materialise, needs: [more]
                    """)
        let error = try #require(throws: PipelineError.self) {
            try PipelineDefinition(text: text, file: "p.yaml")
        }
        #expect(error.code == .mismatch)
        #expect(
            error.message.contains(
                "stages.network.needs leads to more, and the predictor of search was fitted on networks of kernel"
            ),
            "\(error.message)")
    }

    @Test("a device that no trained network serves is refused with the smallest that is reachable")
    func infeasible() throws {
        let limited = { (macs: Int) in
            try self.changed(
                "pc: {kind: computer, max_latency_ms: 2}",
                "pc: {kind: computer, max_macs: \(macs), max_latency_ms: 2}")
        }
        let error = try #require(throws: PipelineError.self) { try limited(2_000_000) }
        #expect(error.code == .infeasible)
        // The space reaches 1370544 at 20 pixels; kernel alone is shrunk here, from 24 pixels on.
        let start =
            "p.yaml:28: stages.search.device cannot be served: no network of fashion-mbv3 meets the limits of device pc:"
            + " macs ≤ 2000000: the smallest reachable is "
        #expect(error.message.hasPrefix(start), "\(error.message)")
        let smallest = try #require(Int(error.message.dropFirst(start.count)))
        #expect(smallest > 2_000_000)
        try limited(smallest)
        #expect(throws: PipelineError.self) { try limited(smallest - 1) }
    }
}
