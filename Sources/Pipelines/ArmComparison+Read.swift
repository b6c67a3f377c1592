// Reads the evaluations of a run, and what the training of their supernets took.

import Accounting
import Artifacts
import Foundation
import Jobs
import Postgres

extension ArmComparison {
    /// Reads the evaluations of a run whose stages are `stages`, in order, and whose cost by stage is `cost`. Returns the
    /// comparison, nil without evaluations, and the artifacts that it was made from.
    static func read(
        _ connection: Connection, run: RunID, stages: [String], cost: CostReport
    ) throws -> (comparison: ArmComparison?, artifacts: [ArtifactID]) {
        let places = Dictionary(
            stages.enumerated().map { ($0.element, $0.offset) }
        ) { first, _ in first }
        let made = try ArtifactStore(connection).list(
            run: run, kind: ArtifactRole.evaluation.rawValue
        ).sorted {
            (places[$0.producer?.stage ?? ""] ?? .max, $0.id)
                < (places[$1.producer?.stage ?? ""] ?? .max, $1.id)
        }
        // Of several attempts of a stage, the last counts.
        var last: [String: Artifact] = [:]
        for artifact in made { last[artifact.producer?.stage ?? artifact.name] = artifact }
        let kept = made.filter { last[$0.producer?.stage ?? $0.name]?.id == $0.id }
        let costs = Dictionary(cost.rows.map { ($0.label, $0) }) { first, _ in first }
        let measured = try kept.map { artifact in
            let phases = try phases(of: artifact, run, Lineage(connection))
            return Measured(
                evaluation: try JSONText.decode(
                    ArmEvaluation.self, from: artifact.metadataJSON, what: "artifact \(artifact.id)"
                ),
                supernet: phases.supernet,
                cost: phases.stages.flatMap { stages in
                    stages.reduce(Cost?.some(Cost(cpuSeconds: 0, joules: 0))) { sum, stage in
                        sum.flatMap { sum in costs[stage].map { sum + Cost($0) } }
                    }
                })
        }
        return (ArmComparison(measured), kept.map(\.id))
    }

    /// Returns the supernet that `evaluation` measured, and the stages that trained it; the stages are nil if a phase was
    /// trained in another run.
    static func phases(of evaluation: Artifact, _ run: RunID, _ lineage: Lineage) throws
        -> (supernet: Int64?, stages: [String]?)
    {
        var supernet: Int64?, stages: [String] = [], at = evaluation
        while let source = try lineage.inputs(
            of: at, hidden: ArtifactRole.datasetShard.rawValue
        ).first(where: { $0.role == ArtifactRole.supernet.rawValue }) {
            at = source.artifact
            supernet = supernet ?? at.id.rawValue
            guard let producer = at.producer, producer.run == run else {
                return (supernet, nil)
            }
            stages.append(producer.stage)
        }
        return (supernet, supernet == nil ? nil : stages)
    }
}

extension ArmComparison.Cost {
    /// The cost of a stage, with failed attempts.
    fileprivate init(_ row: CostRow) {
        self.init(
            cpuSeconds: Double(row.cpuNs) / 1e9,
            joules: row.gaps == 0 ? Double(row.energy.microjoules) / 1e6 : nil)
    }
}
