// pipelines/measured-savings.yaml: every way trains the same architectures under equal terms; and the keys that it needs:
// the architecture of a training alone, and the accuracy at which a training ends.
import Foundation
import Networks
import Testing
import Training

@testable import Pipelines

@Suite struct MeasuredSavingsPipelineTests {
    private func read() throws -> PipelineDefinition {
        try PipelineDefinition(
            path: package.appending(path: "pipelines/measured-savings.yaml").path)
    }

    @Test(
        "each seed cuts, trains and evaluates the architectures of its own searches, for five devices"
    )
    func sameArchitectures() throws {
        let definition = try read()
        let stages = Dictionary(uniqueKeysWithValues: definition.stages.map { ($0.name, $0) })
        #expect(definition.devices.count == 5)
        for device in definition.devices.keys {
            for seed in [20, 21, 22] {
                let search = InputReference.stage("search-\(device)-\(seed)")
                func named(_ way: String) -> String { "\(way)-\(device)-\(seed)" }
                let cut = try #require(stages[named("cut")])
                #expect(cut.inputs[.choice] == search)
                #expect(cut.inputs[.supernet] == .stage("expand-\(seed)"))
                let made = try #require(stages[named("network")])
                #expect(made.inputs[.choice] == search)
                #expect(made.inputs[.supernet] == cut.inputs[.supernet])
                for way in ["same", "until"] {
                    let training = "\(way)-\(device)-train-\(seed)"
                    let stage = try #require(stages[training])
                    guard case .train(let train) = stage.parameters else { continue }
                    #expect(train.alone == true && stage.inputs[.choice] == search)
                    #expect(stage.inputs[.supernet] == nil && stage.inputs[.dataset] != nil)
                    #expect(stage.seed == UInt64(seed))
                    #expect((train.validation != nil) == (way == "until"))
                    let aim: InputReference? = way == "until" ? .stage(cut.name) : nil
                    #expect(stage.inputs[.evaluation] == aim)
                    let measured = try #require(stages[named(way)])
                    #expect(measured.inputs[.choice] == search)
                    #expect(measured.inputs[.supernet] == .stage(training))
                }
            }
        }
    }

    @Test("the same epochs are the passes of the supernet's phases; other settings are equal")
    func equalTerms() throws {
        var supernet: [TrainingPhase] = [], alone: [TrainingPhase] = []
        var aimed: [TrainingPhase] = []
        for stage in try read().stages where stage.seed == 20 {
            guard case .train(let train) = stage.parameters else { continue }
            if train.alone != true {
                supernet.append(train.phase)
            } else if train.validation == nil {
                alone.append(train.phase)
            } else {
                aimed.append(train.phase)
            }
        }
        #expect(alone.count == 5 && aimed.count == 5)
        let passes = supernet.map(\.epochs).reduce(0, +)
        for phase in alone { #expect(abs(phase.epochs - passes) < 1e-9) }
        // What a network alone is trained with is what the supernet's first phase has.
        var full = try #require(supernet.first { $0.name == "full" })
        for phase in alone {
            (full.name, full.epochs) = (phase.name, phase.epochs)
            full.resolutions = phase.resolutions
            #expect(full == phase)
        }
        // All phases have the same batch, augmentation and regularisation.
        for phase in supernet {
            #expect(phase.batch == full.batch && phase.augmentation == full.augmentation)
            #expect(phase.weightDecay == full.weightDecay && phase.dropout == full.dropout)
            #expect(
                phase.labelSmoothing == full.labelSmoothing && phase.momentum == full.momentum)
        }
        for (one, other) in zip(alone, aimed) {
            var same = other
            same.epochs = one.epochs
            #expect(same == one && other.epochs > one.epochs)
        }
    }

    // MARK: Keys

    private static let stages = """

          cut: {kind: evaluate, needs: [search], architecture: search}
          alone: {kind: train, needs: [cut], phase: a, alone: true, architecture: search, epochs: 1, learning_rate: 0.1, validate_every: 0.5, until_accuracy: cut}
          done: {kind: evaluate, needs: [alone], architecture: search}
        """

    private func definition(_ old: String = "", _ new: String = "", _ more: String = "") throws
        -> PipelineDefinition
    {
        var text = SmallPipeline.good + Self.stages
        if !old.isEmpty {
            try #require(text.contains(old))
            text = text.replacingOccurrences(of: old, with: new)
        }
        return try SmallPipeline.read(text + (more.isEmpty ? "" : "\n" + more))
    }

    private func problem(_ old: String, _ new: String, _ more: String = "") -> String {
        let error = #expect(throws: PipelineError.self) { try definition(old, new, more) }
        return error?.message ?? ""
    }

    @Test(
        "a training alone reads the search whose network it trains, and the evaluation of its aim")
    func inputs() throws {
        let definition = try definition()
        let stages = Dictionary(uniqueKeysWithValues: definition.stages.map { ($0.name, $0) })
        let cut = try #require(stages["cut"]), alone = try #require(stages["alone"])
        #expect(
            cut.inputs[.choice] == .stage("search") && cut.inputs[.supernet] == .stage("kernel"))
        let read: [ArtifactRole: InputReference] = [
            .choice: .stage("search"), .evaluation: .stage("cut"), .dataset: .stage("data"),
        ]
        #expect(alone.inputs == read)
        #expect(stages["done"]?.inputs[.supernet] == .stage("alone"))
        guard case .train(let train) = alone.parameters,
            case .evaluate(let evaluation) = cut.parameters
        else {
            Issue.record("not the stages that were written")
            return
        }
        #expect(train.architecture == "search" && train.validation?.until?.stage == "cut")
        #expect(evaluation.architecture == "search" && evaluation.networks.isEmpty)
        // The job of a stage holds the keys; jobs of stages without them are as they were.
        let jobs = try definition.runSpec().stages.map { $0.jobs[0].args }
        #expect(jobs.count { $0.contains("architecture") } == 3)
        for job in jobs {
            let arguments = try StageArguments.read(job, of: "job")
            #expect(try JSONText.encode(arguments) == job)
        }
    }

    @Test("copies for several seeds read the stages of their seed")
    func seeds() throws {
        let definition = try definition("seed: 7", "seeds: [3, 9]")
        let alone = try #require(definition.stages.first { $0.name == "alone-9" })
        #expect(alone.inputs[.choice] == .stage("search-9"))
        #expect(alone.inputs[.evaluation] == .stage("cut-9"))
        guard case .train(let train) = alone.parameters else { return }
        #expect(train.architecture == "search-9" && train.validation?.until?.stage == "cut-9")
    }

    @Test("what does not fit is refused with its line and a remedy")
    func refused() {
        let supernet = problem("alone: true, architecture", "architecture")
        #expect(supernet.hasPrefix("p.yaml:24: stages.alone.architecture is the network of"))
        #expect(supernet.contains("set alone: true"))
        #expect(
            problem("architecture: search, epochs", "architecture: search, depths: [2], epochs")
                .contains("stages.alone.depths has no effect: architecture names the network"))
        #expect(
            problem("architecture: search, epochs", "architecture: kernel, epochs")
                .contains("stages.alone.architecture names 'kernel', which makes no search-result"))
        #expect(
            problem("until_accuracy: cut", "until_accuracy: network")
                .contains("stages.alone.until_accuracy names 'network', which alone does not need"))
        #expect(
            problem("until_accuracy: cut", "until_accuracy: search")
                .contains("stages.alone.until_accuracy names 'search', which makes no evaluation"))
        #expect(
            problem(
                "needs: [search], architecture: search}",
                "needs: [search], networks: [largest, k5]}"
            )
            .contains("stages.alone.until_accuracy names cut, which measures 2 networks"))
        #expect(
            problem(
                "cut: {kind: evaluate, needs: [search]",
                "cut: {kind: evaluate, needs: [search], calibration_images: 100"
            )
            .contains("names cut, which calibrates with 100 images, and validations do with 2000"))
        #expect(
            problem(
                "needs: [search], architecture", "needs: [search], networks: [k5], architecture"
            )
            .contains("stages.cut.architecture stands beside networks"))
    }

    @Test("nothing reads other networks than the one that was trained alone")
    func lone() {
        for (more, key) in [
            ("  other: {kind: sample-accuracy, needs: [alone]}", "stages.other.needs"),
            (
                "  other: {kind: evaluate, needs: [alone], networks: [largest]}",
                "stages.other.needs"
            ),
            (
                "  other: {kind: train, needs: [alone], from: alone, phase: b, epochs: 1, learning_rate: 0.1}",
                "stages.other.from"
            ),
            (
                "  other: {kind: materialise, needs: [alone], network: largest}",
                "stages.other.needs"
            ),
        ] {
            let text = problem("", "", more)
            #expect(
                text.contains("\(key) leads to alone, which trains only the network of search"),
                "\(text)")
        }
    }
}
