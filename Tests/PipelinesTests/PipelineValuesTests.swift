// Keys and values of a pipeline file: each senseless one is an error with line and key.
import Datasets
import Foundation
import Testing

@testable import Pipelines

@Suite struct PipelineValuesTests {
    @Test(
        "the keys of an augmentation are read; left out, nothing is changed",
        arguments: [
            ("{}", Augmentation()),
            ("{flip: false, shift: 2}", Augmentation(flip: false, shift: 2)),
            ("{crop: resized}", Augmentation(minArea: 0.08, cropStyle: .resized)),
            (
                "{crop: resized, min_area: 0.3, max_aspect: 2}",
                Augmentation(minArea: 0.3, cropStyle: .resized, maxAspect: 2)
            ),
            (
                "{min_area: 0.5, brightness: 0.125, saturation: 0.5}",
                Augmentation(minArea: 0.5, brightness: 0.125, saturation: 0.5)
            ),
        ])
    func augmentation(text: String, expected: Augmentation) throws {
        let pipeline = SmallPipeline.good.replacingOccurrences(
            of: "phase: kernel", with: "phase: kernel\n    augmentation: \(text)")
        guard case .train(let train) = try SmallPipeline.read(pipeline).stages[2].parameters else {
            return #expect(Bool(false))
        }
        #expect(train.phase.augmentation == expected)
        let json = try JSONEncoder().encode(train)
        #expect(try JSONDecoder().decode(StageParameters.Train.self, from: json) == train)
    }

    @Test(
        "a senseless augmentation is an error at its key",
        arguments: [
            ("{crop: centre}", "crop is 'centre'"), ("{brightness: 2}", "brightness is 2"),
            ("{saturation: -1}", "saturation is -1"), ("{max_aspect: 0.5}", "max_aspect is 0.5"),
        ])
    func wrongAugmentation(text: String, expected: String) throws {
        let error = try SmallPipeline.problem(
            "phase: kernel", "phase: kernel\n    augmentation: \(text)")
        #expect(
            error.message.hasPrefix("p.yaml:14: stages.kernel.augmentation.\(expected)"),
            "\(error.message)")
    }

    @Test(
        "an unknown key names its line and those that are known",
        arguments: [
            ("seed: 7", "sead: 7", "p.yaml:2: sead "),
            ("max_macs: 6000000", "max_mac: 1", "p.yaml:5: devices.box.max_mac "),
            ("    epochs: 0.5", "    epoch: 0.5\n    epochs: 1", "p.yaml:17: stages.kernel.epoch "),
            (
                "phase: kernel", "phase: kernel\n    augmentation: {min_aera: 1}",
                "p.yaml:14: stages.kernel.augmentation.min_aera "
            ),
        ])
    func unknownKeys(old: String, new: String, start: String) throws {
        let error = try SmallPipeline.problem(old, new)
        #expect(error.code == .invalidValue)
        #expect(
            error.message.hasPrefix(start) && error.message.contains("known are"),
            "\(error.message)")
    }

    @Test(
        "a wrong type, a wrong value and a missing key name line and key",
        arguments: [
            ("seed: 7", "seed: many", "p.yaml:2: seed is 'many': write a whole number"),
            ("seed: 7", "seed: [1]", "p.yaml:2: seed must be a whole number, not a list"),
            ("seed: 7", "seed: -1", "p.yaml:2: seed is -1"),
            (
                "epochs: 0.5", "epochs: half",
                "p.yaml:17: stages.kernel.epochs is 'half': write a decimal number"
            ),
            ("epochs: 0.5", "epochs: .nan", "p.yaml:17: stages.kernel.epochs is '.nan'"),
            (
                "epochs: 0.5", "epochs: 0",
                "p.yaml:17: stages.kernel.epochs is 0; it must lie in 0.001...10000"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: 3",
                "p.yaml:16: stages.kernel.kernel_sizes must be a list"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: [3, x]",
                "p.yaml:16: stages.kernel.kernel_sizes holds an entry that is 'x'"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "kernel_sizes: [3, 4]",
                "p.yaml:16: stages.kernel.kernel_sizes does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "resolutions: [21]",
                "p.yaml:16: stages.kernel.resolutions does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "depths: [9]",
                "p.yaml:16: stages.kernel.depths does not fit"
            ),
            (
                "kernel_sizes: [3, 5, 7]", "sort_channels: 3",
                "p.yaml:16: stages.kernel.sort_channels must be true or false"
            ),
            ("kernel_sizes: [3, 5, 7]", "batch: 1", "p.yaml:16: stages.kernel.batch is 1"),
            (
                "kernel_sizes: [3, 5, 7]", "sampling: all",
                "p.yaml:16: stages.kernel.sampling is 'all'"
            ),
            (
                "    teacher: full\n", "    distillation: 1\n",
                "p.yaml:15: stages.kernel.distillation needs a teacher"
            ),
            ("space: fashion-mbv3", "space: fashion", "p.yaml:3: space is 'fashion'"),
            (
                "kind: fit-predictor", "kind: fit",
                "p.yaml:20: stages.predictor.kind is 'fit'; known are"
            ),
            ("kind: phone", "kind: toaster", "p.yaml:5: devices.box.kind is 'toaster'; known are"),
            ("max_macs: 6000000", "max_macs: -3", "p.yaml:5: devices.box.max_macs is -3"),
            (
                "[predictor], device: box", "[predictor], device: car",
                "p.yaml:21: stages.search.device names 'car', which is not among the file's devices (box, pc)"
            ),
            (
                "[search], device: box", "[search], network: middle",
                "p.yaml:22: stages.network.network is 'middle'"
            ),
            ("dataset: d, ", "", "p.yaml:8: stages.data.dataset is missing"),
            ("    epochs: 0.5\n", "", "stages.kernel.epochs is missing"),
            ("name: small\n", "", "name is missing"),
            ("needs: [full]", "needs: full", "p.yaml:12: stages.kernel.needs must be a list"),
            ("kernel:\n", "kernel: 5\n  rest:\n", "p.yaml:10: stages.kernel must be a mapping"),
        ])
    func wrongValues(old: String, new: String, start: String) throws {
        let error = try SmallPipeline.problem(old, new)
        #expect(error.message.contains(start), "\(error.message)")
        #expect(error.message.hasPrefix("p.yaml:"), "\(error.message)")
    }
}
