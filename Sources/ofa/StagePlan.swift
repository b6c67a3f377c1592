// `ofa run --dry-run`: the stages of a checked pipeline file with their training budgets.

import Foundation
import Pipelines

/// The stages of a pipeline file.
struct StagePlan: Encodable {
    /// One stage.
    struct Row: Encodable {
        /// The names of the stage and of its kind.
        let stage, kind: String
        /// The stages that must end before.
        let needs: [String]
        /// The seed of the stage's random draws.
        let seed: UInt64
        /// The net-epochs of the stage, and those with the phases before it; nil for stages without a supernet.
        let netEpochs, totalNetEpochs: Double?

        private enum CodingKeys: String, CodingKey {
            case stage, kind, needs, seed
            case netEpochs = "net_epochs"
            case totalNetEpochs = "total_net_epochs"
        }

        /// Writes all fields; unknown budgets are null.
        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(stage, forKey: .stage)
            try fields.encode(kind, forKey: .kind)
            try fields.encode(needs, forKey: .needs)
            try fields.encode(seed, forKey: .seed)
            try fields.encode(netEpochs, forKey: .netEpochs)
            try fields.encode(totalNetEpochs, forKey: .totalNetEpochs)
        }
    }

    /// The name of the run.
    let name: String
    /// The stages, in the order of the file.
    let stages: [Row]
    /// The net-epochs of all stages together.
    let netEpochs: Double

    private enum CodingKeys: String, CodingKey {
        case name, stages
        case netEpochs = "net_epochs"
    }

    /// Reads the stages of a checked file.
    init(_ checked: CheckedPipeline) {
        name = checked.spec.name
        stages = checked.definition.stages.map { stage in
            let budget = checked.definition.netEpochs(of: stage)
            return Row(
                stage: stage.name, kind: stage.kind.rawValue, needs: stage.needs, seed: stage.seed,
                netEpochs: budget?.own, totalNetEpochs: budget?.total)
        }
        netEpochs = stages.reduce(0) { $0 + ($1.netEpochs ?? 0) }
    }

    /// Prints the plan as JSON or as a table.
    func answer(_ output: OutputOptions) throws {
        try Output.answer(self, output) {
            var table = Table(
                .text("STAGE"), .text("KIND", .medium), .number("SEED", .low),
                .number("NET-EPOCHS"), .number("WITH EARLIER PHASES"), .wrapping("NEEDS"))
            table.rows = stages.map { row in
                [
                    row.stage, row.kind, String(row.seed),
                    row.netEpochs.map { $0 > 0 ? Format.decimal($0, 2) : "" } ?? "",
                    row.totalNetEpochs.map { Format.decimal($0, 2) } ?? "",
                    row.needs.joined(separator: ", "),
                ]
            }
            try Output.table(table)
            try Output.line(
                "  \(name): \(stages.count) stages, \(Format.decimal(netEpochs, 2)) net-epochs (passes over the training"
                    + " images, summed over the networks of a step)")
        }
    }
}
