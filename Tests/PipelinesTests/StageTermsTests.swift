// The keys that every kind of stage has: on what terms the queue runs its jobs.
import Foundation
import Jobs
import Testing

@testable import Pipelines

@Suite struct StageTermsTests {
    /// A pipeline whose stages have these lines of keys.
    private func pipeline(accuracy: String = "", largest: String = "") -> String {
        """
        name: small
        space: fashion-mbv3
        stages:
          data: {kind: import-dataset, dataset: d, folder: /data}
          full: {kind: train, needs: [data], phase: full, kernel_sizes: [3, 5, 7], epochs: 1, learning_rate: 0.1}
          accuracy:
            kind: sample-accuracy
            needs: [full]
            shards: 4
        \(accuracy)
          largest:
            kind: materialise
            needs: [full, accuracy]
            network: largest
        \(largest)

        """
    }

    private func read(accuracy: String = "", largest: String = "") throws -> PipelineDefinition {
        try PipelineDefinition(
            text: pipeline(accuracy: accuracy, largest: largest), file: "p.yaml")
    }

    @Test("a stage without them leaves everything to the queue")
    func absent() throws {
        let definition = try read()
        #expect(definition.stages.allSatisfy { $0.terms == nil && $0.onBad.isEmpty })
        for stage in try definition.runSpec().stages {
            let spec = stage.jobs[0]
            #expect(spec == JobSpec(kind: spec.kind, args: spec.args))
            #expect(!spec.args.contains("terms"))
            #expect(stage.onBad.isEmpty && stage.rule == .allOk)
        }
    }

    @Test("every key reaches the job, and the jobs it fans out to")
    func present() throws {
        let definition = try read(
            accuracy: """
                    queue: night
                    priority: -3
                    key: gpu
                    threads: 2
                    memory_mb: 700
                    timeout_seconds: 3600
                    stall_seconds: 90.5
                    max_attempts: 9
                    max_crashes: 0
                    requires: [gpu, "device:my-board"]
                    rule: {quorum: 3}
                """, largest: "    on_bad: {accuracy: run}")
        let run = try definition.runSpec()
        let spec = run.stages[2].jobs[0]
        let expected = JobSpec(
            kind: "sample-accuracy", args: spec.args, queue: "night", priority: -3, maxAttempts: 9,
            maxCrashes: 0, timeoutSeconds: 3600, stallSeconds: 90.5, key: "gpu", threads: 2,
            memoryMB: 700, requires: ["device:my-board", "gpu"])
        #expect(spec == expected)
        #expect(run.stages[3].onBad == ["accuracy": .run])

        var arguments = try JSONText.decode(StageArguments.self, from: spec.args, what: "test")
        #expect(arguments.terms?.rule == .quorum(3))
        arguments.part = .gather
        let gather = try arguments.job()
        #expect(gather.key == "gpu" && gather.threads == 2 && gather.queue == "night")
    }

    @Test("rules by name", arguments: [("all_ok", GroupRule.allOk), ("all_done", .allDone)])
    func rules(text: String, rule: GroupRule) throws {
        #expect(try read(accuracy: "    rule: \(text)").stages[2].terms?.rule == rule)
    }

    @Test(
        "a senseless one is an error with its line and key",
        arguments: [
            ("priority: high", ":10: stages.accuracy.priority is 'high': write a whole number"),
            ("threads: 0", ":10: stages.accuracy.threads is 0; it must lie in 1...4096"),
            ("memory_mb: -1", ":10: stages.accuracy.memory_mb is -1"),
            ("timeout_seconds: 0", ":10: stages.accuracy.timeout_seconds is 0; it must lie in"),
            (
                "stall_seconds: soon",
                ":10: stages.accuracy.stall_seconds is 'soon': write a decimal number"
            ),
            ("max_attempts: 0", ":10: stages.accuracy.max_attempts is 0"),
            ("max_crashes: -1", ":10: stages.accuracy.max_crashes is -1"),
            ("requires: gpu", ":10: stages.accuracy.requires"),
            ("requires: [gpu, gpu]", ":10: stages.accuracy.requires has gpu twice"),
            ("queue: ''", ":10: stages.accuracy.queue is empty"),
            ("key: [gpu]", ":10: stages.accuracy.key must be text"),
            ("rule: most", ":10: stages.accuracy.rule is 'most'; known are all_ok, all_done"),
            ("rule: {quorum: 5}", ":10: stages.accuracy.rule wants 5 of 4 shards"),
            ("rule: {quorum: 0}", ":10: stages.accuracy.rule.quorum is 0"),
            ("rule: {}", "stages.accuracy.rule.quorum is missing"),
            ("rule: {quorum: 1, of: 2}", ":10: stages.accuracy.rule.of is not a known key here"),
            ("on_bad: {data: run}", ":10: stages.accuracy.on_bad.data is no stage that this one"),
            (
                "on_bad: {full: stop}",
                ":10: stages.accuracy.on_bad.full is 'stop'; known are cancel, run, block"
            ),
            (
                "on_bad: {full: run}",
                ":10: stages.accuracy.on_bad.full is run, but this stage reads its supernet"
            ),
        ])
    func wrong(line: String, message: String) throws {
        let error = try #require(throws: PipelineError.self) {
            try read(accuracy: "    " + line)
        }
        #expect(error.message.hasPrefix("p.yaml"), "\(error.message)")
        #expect(error.message.contains(message), "\(error.message)")
    }

    @Test("a rule is for stages that fan out")
    func ruleElsewhere() throws {
        let error = try #require(throws: PipelineError.self) {
            try read(largest: "    rule: all_done")
        }
        #expect(
            error.message
                == "p.yaml:15: stages.largest.rule is for stages that fan out: sample-accuracy")
    }
}
