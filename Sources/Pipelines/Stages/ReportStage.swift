// report: writes a page about the run's results and costs so far, and stores it as an artifact. A specialisation runs
// this stage after the stages of all networks, even if some of these failed.

import Accounting
import Artifacts
import Foundation

/// The metadata of a report.
struct ReportMetadata: Codable, Sendable, Equatable {
    let networks: Int
    let problems: Int
    /// Energy of the run so far, in joules.
    let energyJ: Double
    let factors: Int
}

enum ReportStage {
    static func run(_ context: StageContext) throws -> StageOutput {
        let connection = try context.job.connection
        let report = try RunReport(
            connection, run: context.job.lease.runID, factors: try FactorSet.load(connection))
        for row in report.networks {
            context.noteRead(row.artifact, as: .subnet)
            if let choice = row.choice { context.noteRead(choice, as: .choice) }
        }
        context.noteRead(report.evaluations, as: .evaluation)
        let digest = try context.put(
            Array(ReportPage(report).html.utf8), elementSize: 1, as: .report)
        let total = report.cost.total
        let name = "report-\(report.run.id)"
        let metadata = ReportMetadata(
            networks: report.networks.count, problems: report.problems.count,
            energyJ: Double(total.energy.microjoules) / 1e6, factors: report.cost.factors.version)
        context.job.log(
            String(
                format: "%d networks, %.1f J; ofa artifacts get %@ -o report.html",
                metadata.networks,
                metadata.energyJ, name))
        return try StageOutput(
            [
                try StageOutput.Made(
                    .report, name: name, digest: digest, metadata: metadata)
            ],
            result: metadata)
    }
}
