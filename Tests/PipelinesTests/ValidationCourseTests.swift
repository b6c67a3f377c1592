// When a phase validates, and when it ends early.
import TestSupport
import Networks
import Testing

@testable import Pipelines
@testable import Training

@Suite struct ValidationCourseTests {
    @Test("a phase ends after so many validations without improvement, and says when and why")
    func patience() throws {
        var course = ValidationCourse()
        let plan = ValidationPlan(everyEpochs: 1, images: 10, patience: 2)
        #expect(course.end(plan, of: 100) == nil)
        for (step, accuracy) in [(10, 0.0), (20, 0.5), (30, 0.5), (40, 0.6), (50, 0.55)] {
            course.note(accuracy, step)
            #expect(course.end(plan, of: 100) == nil)
        }
        course.note(0.6, 60)
        let end = try #require(course.end(plan, of: 100))
        #expect(end.step == 60)
        #expect(
            end.reason
                == "the mean accuracy on held-out images did not improve in 2 validations: it was 60.00 % after step 40"
        )
        // Restored from a checkpoint, it decides alike.
        let text = try JSONText.encode(course)
        let restored = try JSONText.decode(ValidationCourse.self, from: text, what: "t")
        #expect(restored == course && restored.end(plan, of: 100) == end)
        // Without patience it goes on for good.
        #expect(course.end(ValidationPlan(everyEpochs: 1, images: 10), of: 100) == nil)
        // After the last step nothing ends early.
        #expect(course.end(plan, of: 60) == nil)
    }

    @Test("a network that is equal to another counts under its name, and once in the mean")
    func equalNetworks() throws {
        let space = SearchSpace.fashion
        func measured(_ member: Validation.Member, _ config: SubnetConfig, _ accuracy: Double)
            -> Validation.Measured
        {
            Validation.Measured(
                member: member, config: config,
                result: Evaluator.Result(top1: accuracy, loss: 1, images: 10))
        }
        let all = [
            measured(.largest, space.largest, 0.9), measured(.middle, space.smallest, 0.5),
            measured(.smallest, space.smallest, 0.5),
        ]
        for (measure, expected) in [
            (ValidationPlan.Measure.smallest, 0.5), (.middle, 0.5), (.largest, 0.9), (.mean, 0.7),
        ] {
            var course = ValidationCourse()
            course.note(all, measure, 1)
            #expect(abs((course.best ?? 0) - expected) < 1e-12, "\(measure)")
        }
    }

    private func train(_ keys: String) throws -> StageParameters.Train {
        let text = """
            name: small
            space: fashion-mbv3
            stages:
              data: {kind: import-dataset, dataset: d, folder: /data}
              full: {kind: train, needs: [data], phase: full, epochs: 2, learning_rate: 0.1, \(keys)}
            """
        let definition = try PipelineDefinition(text: text, file: "p.yaml")
        guard case .train(let train) = definition.stages.last?.parameters else {
            throw PipelineError(.invalidValue, "no train stage")
        }
        return train
    }

    @Test("the keys of a stage make the plan; without them, a job is as it was")
    func keys() throws {
        #expect(try train("batch: 64").validation == nil)
        #expect(try !JSONText.encode(train("batch: 64")).contains("validation"))
        let plan = try #require(try train("validate_every: 0.5").validation)
        #expect(plan == ValidationPlan(everyEpochs: 0.5, images: 5000))
        #expect(plan.interval(stepsPerEpoch: 101) == 51 && plan.interval(stepsPerEpoch: 1) == 1)
        let full = try #require(
            try train(
                "validate_every: 1, validate_images: 200, patience: 3, patience_of: smallest"
            ).validation)
        #expect(
            full
                == ValidationPlan(everyEpochs: 1, images: 200, patience: 3, measure: .smallest))
        let text = try JSONText.encode(full)
        #expect(try JSONText.decode(ValidationPlan.self, from: text, what: "t") == full)
        for (wrong, key) in [
            ("patience: 2", "patience needs validations"),
            ("validate_images: 10", "validate_images needs validations"),
            ("validate_every: 1, patience_of: mean", "patience_of has no effect without patience"),
            ("validate_every: 0", "validate_every"),
            ("validate_every: 1, patience: 0", "patience"),
            ("validate_every: 1, patience: 1, patience_of: worst", "patience_of"),
        ] {
            let error = #expect(throws: PipelineError.self) { try train(wrong) }
            #expect(
                error?.message.hasPrefix("p.yaml:5: stages.full.\(key)") == true,
                "\(error?.message ?? "")")
        }
    }
}
