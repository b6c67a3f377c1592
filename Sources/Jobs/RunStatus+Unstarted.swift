// The status of a run before it starts, for forecasts of runs that are not enqueued.
import Foundation

extension RunStatus {
    /// The status that a run of `spec` would have before anything of it has started; its number is 0. Errors: `invalidRun` as in
    /// `RunSpec.stagesInOrder`.
    public init(unstarted spec: RunSpec, asOf now: Date) throws {
        run = RunSummary(
            id: 0, name: spec.name.precomposedStringWithCanonicalMapping, state: .running,
            isCancelRequested: false, definitionHash: spec.definitionHash,
            definition: spec.definition, createdAt: now, endedAt: nil)
        stages = try spec.stagesInOrder().map { stage in
            StageStatus(
                name: stage.name, state: stage.needs.isEmpty ? .available : .blocked,
                needs: stage.needs, counts: [:], jobs: stage.jobs.count, progress: 0, message: nil,
                attempts: 0, failures: 0, lost: 0, startedAt: nil, endedAt: nil, attemptSeconds: 0,
                problem: nil)
        }
        asOf = now
    }
}
