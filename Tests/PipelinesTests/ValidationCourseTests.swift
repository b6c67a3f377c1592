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

    @Test("a phase ends after the first validation that has its accuracy, and says so")
    func accuracy() throws {
        var course = ValidationCourse()
        let plan = ValidationPlan(
            everyEpochs: 1, images: 10, patience: 2, measure: .largest,
            until: AccuracyAim(accuracy: 0.6))
        #expect(course.record(plan) == nil)
        for (step, accuracy) in [(10, 0.3), (20, 0.59)] {
            course.note(accuracy, step)
            #expect(course.end(plan, of: 100) == nil)
        }
        #expect(
            course.record(plan) == AccuracyRecord(aim: 0.6, isReached: false, best: 0.59, step: 20))
        course.note(0.6, 30)
        let end = try #require(course.end(plan, of: 100))
        #expect(end.step == 30)
        #expect(
            end.reason
                == "the accuracy of the largest network on held-out images was 60.00 % after step 30, and 60.00 % was the aim"
        )
        let text = try JSONText.encode(course)
        let restored = try JSONText.decode(ValidationCourse.self, from: text, what: "t")
        #expect(restored.end(plan, of: 100) == end)
        // After the last step nothing ends early, and the accuracy is reached all the same.
        #expect(course.end(plan, of: 30) == nil && course.record(plan)?.isReached == true)
    }

    @Test("an accuracy that is not reached is told with the best one; patience still ends a phase")
    func missed() throws {
        var course = ValidationCourse()
        let plan = ValidationPlan(
            everyEpochs: 1, images: 10, patience: 2, until: AccuracyAim(accuracy: 0.9))
        for (step, accuracy) in [(10, 0.5), (20, 0.4), (30, 0.45)] { course.note(accuracy, step) }
        #expect(course.end(plan, of: 100)?.reason.contains("did not improve in 2") == true)
        let record = try #require(course.record(plan))
        #expect(
            record.words(plan)
                == "the mean accuracy on held-out images did not reach 90.00 %: at best it was 50.00 %, after step 10"
        )
        // Without the accuracy that another stage measures there is nothing to compare with.
        let open = ValidationPlan(everyEpochs: 1, images: 10, until: AccuracyAim(stage: "cut"))
        #expect(course.record(open) == nil && course.end(open, of: 100) == nil)
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
        #expect(!text.contains("until"))
        let aimed = try #require(
            try train("validate_every: 1, until_accuracy: 0.91, patience_of: largest").validation)
        #expect(aimed.until == AccuracyAim(accuracy: 0.91) && aimed.measure == .largest)
        #expect(aimed.patience == nil)
        for (wrong, key) in [
            ("patience: 2", "patience needs validations"),
            ("validate_images: 10", "validate_images needs validations"),
            ("validate_every: 1, patience_of: mean", "patience_of has no effect without patience"),
            ("until_accuracy: 0.9", "until_accuracy needs validations"),
            ("validate_every: 1, until_accuracy: 91", "until_accuracy"),
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
