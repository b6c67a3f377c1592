// Values of a pipeline file replaced on the command line, by `--set`.
import Testing

@testable import Pipelines

@Suite struct YAMLOverridesTests {
    @Test("--set replaces values of every depth and type, and adds keys that the file leaves out")
    func overrides() throws {
        let definition = try SmallPipeline.read(
            SmallPipeline.good,
            set: [
                "stages.kernel.epochs=2", "stages.kernel.kernel_sizes=[5, 7]",
                "stages.full.batch=32", "seed=9",
            ])
        #expect(definition.seed == 9)
        guard case .train(let kernel) = definition.stages[2].parameters,
            case .train(let full) = definition.stages[1].parameters
        else { return #expect(Bool(false)) }
        #expect(
            kernel.phase.epochs == 2 && kernel.phase.kernelSizes == [5, 7] && full.phase.batch == 32
        )
        #expect(try SmallPipeline.read(SmallPipeline.good).hash != definition.hash)
        #expect(
            try SmallPipeline.read(SmallPipeline.good, set: ["seed=9"]).hash
                == SmallPipeline.read(SmallPipeline.good, set: ["seed=9"]).hash)
        #expect(
            try SmallPipeline.read(SmallPipeline.good, set: ["devices.box.max_macs=5000000"])
                .devices["box"]?.limits
                .macsMax
                == 5_000_000
        )
    }

    @Test(
        "--set of a path that does not exist, or of a wrong value, is an error that names it",
        arguments: [
            "stages.kernel.augmentation.flip=false", "stages.nothing.epochs=1",
            "stages.kernel.nothing=1", "device.box.max_macs=1", "nothing=1",
            "stages.kernel.epochs=many",
            "seed", "=1", "seed=", "stages.kernel.phase.x=1", "stages.kernel.augmentation.flip.x=1",
        ])
    func wrongOverrides(set: String) throws {
        let error = #expect(throws: PipelineError.self) {
            try SmallPipeline.read(SmallPipeline.good, set: [set])
        }
        let path = String(set.split(separator: "=").first ?? "")
        #expect(error?.message.contains(path) == true || set == "=1", "\(error?.message ?? "")")
        // A line of the file would be the wrong place to look.
        #expect(error?.message.hasPrefix("--set") == true, "\(error?.message ?? "")")
    }
}
