// The stages of a run: as a graph, as a table, and over time; how its training stages trained; and what they cost.

import Accounting
import Charts
import Foundation
import Jobs
import Pipelines

extension RunPage {
    /// Stages with at most this many jobs have a bar for each attempt in the timeline, others one bar.
    private static let fewJobs = 24
    /// The most stages that are drawn as a graph.
    private static let drawnStages = 120

    private var costByStage: [String: CostRow] {
        guard case .success(let found) = cost else { return [:] }
        return Dictionary(found.stages.rows.map { ($0.label, $0) }) { first, _ in first }
    }

    // MARK: The stages

    /// The stages as a graph and as a table.
    var stages: HTML {
        guard !status.stages.isEmpty else { return .empty }
        let energies = costByStage
        let speeds = Dictionary(
            curves.compactMap { curve in
                curve.points.last?.imagesPerSecond.map { (curve.stage, $0) }
            }, uniquingKeysWith: { $1 })
        let columns: [Parts.Column] = [
            .text("Stage"), .text("State"), .text("Progress"), .number("Left"),
            .number("Attempts"), .number("Time"), .number("Images/s"), .number("Energy"),
            .text("Message"),
        ]
        let rows = status.stages.map { stage -> [HTML] in
            [
                Parts.link(stage.name, RunFigures.stagePath(run.id, stage.name)),
                Parts.state(stage.state.rawValue),
                "\(Parts.progress(stage.progress, of: stage.name))\(jobs(stage).map { ", \($0)" })",
                "\(Parts.duration(stage.secondsLeft(asOf: status.asOf)))",
                "\(attempts(stage))",
                stage.attempts == 0 ? "" : "\(Parts.duration(stage.attemptSeconds))",
                speeds[stage.name].map { "\(RunFigures.number($0))" } ?? "",
                energies[stage.name].map {
                    $0.isKnown ? "\(RunFigures.energy(Double($0.energy.microjoules)))" : ""
                } ?? "",
                stage.problem.map { "<span class=\"bad\">\(RunFigures.cut($0, 600))</span>" }
                    ?? "\(stage.message.map { RunFigures.cut($0, 300) })",
            ]
        }
        return Parts.section(
            "Stages", id: "stages",
            status.stages.count <= Self.drawnStages
                ? "<div class=\"scroll\">\(HTML.chart(graph, id: "graph"))</div>\n" : .empty,
            Parts.table("Stages in the order of the pipeline", columns, rows))
    }

    private func jobs(_ stage: StageStatus) -> String? {
        let done = stage.counts[JobState.completed.rawValue] ?? 0
        return stage.jobs > 1 ? "\(done) of \(stage.jobs) jobs" : nil
    }

    private func attempts(_ stage: StageStatus) -> String {
        var text = "\(stage.attempts)"
        if stage.failures > 0 { text += ", \(stage.failures) failed" }
        if stage.lost > 0 { text += ", \(stage.lost) lost" }
        return text
    }

    private var graph: GraphChart {
        let places = Dictionary(
            status.stages.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first })
        let nodes = status.stages.map { stage in
            let percent = "\(Int((100 * stage.progress).rounded(.down))) %"
            return GraphChart.Node(
                kind: stage.state.rawValue, name: stage.name,
                detail: jobs(stage) ?? percent,
                state: RunFigures.chartState(stage.state.rawValue),
                tip: "\(stage.name): \(stage.state.rawValue), \(percent)"
                    + (stage.problem.map { ". \(RunFigures.cut($0, 300))" } ?? ""),
                href: RunFigures.stagePath(run.id, stage.name))
        }
        let edges = status.stages.enumerated().flatMap { place, stage in
            stage.needs.compactMap { need in
                places[need].map { GraphChart.Edge(from: $0, to: place) }
            }
        }
        return GraphChart(title: "Stages of run \(run.id)", nodes: nodes, edges: edges)
    }

    // MARK: The timeline

    /// When the stages ran, as a chart and as a table.
    var timeline: HTML {
        get throws {
            let begun = status.stages.filter { $0.startedAt != nil }
            guard !begun.isEmpty else { return .empty }
            let few = begun.filter { $0.jobs <= Self.fewJobs && $0.attempts <= 4 * Self.fewJobs }
            let tried = Dictionary(
                grouping: try queue.attempts(run: run.id, stages: few.map(\.name), limit: 600),
                by: \.stage)
            let rows = begun.map { stage in
                TimelineChart.Row(
                    stage.name, bars(stage, tried[stage.name] ?? []),
                    href: RunFigures.stagePath(run.id, stage.name))
            }
            let chart = TimelineChart(
                title: "Attempts of run \(run.id) over time", rows: rows,
                now: isRunning ? status.asOf : nil)
            return Parts.section(
                "Over time", id: "timeline", HTML.chart(chart, id: "attempts"),
                RunFigures.details(
                    "As a table", id: "timeline-table",
                    Parts.table(
                        "When stages began and ended",
                        [.text("Stage"), .text("Began"), .text("Ended"), .number("Attempts")],
                        begun.map { stage in
                            [
                                "\(stage.name)", Parts.time(stage.startedAt),
                                stage.endedAt.map { Parts.time($0) } ?? "not yet",
                                "\(attempts(stage))",
                            ]
                        })))
        }
    }

    private func bars(_ stage: StageStatus, _ tried: [StageAttempt]) -> [TimelineChart.Bar] {
        if tried.isEmpty, let start = stage.startedAt {
            return [
                TimelineChart.Bar(
                    from: start, to: stage.endedAt ?? (isRunning ? nil : run.endedAt),
                    state: RunFigures.chartState(stage.state.rawValue),
                    label: "\(stage.name), \(RunFigures.count(stage.jobs, "job"))",
                    href: RunFigures.stagePath(run.id, stage.name))
            ]
        }
        return tried.map { attempt in
            TimelineChart.Bar(
                from: attempt.startedAt, to: attempt.endedAt,
                state: RunFigures.chartState(attempt.outcome?.rawValue ?? "running"),
                label: "\(stage.name), job \(attempt.job), attempt \(attempt.attempt)",
                href: HTML.path("jobs", "\(attempt.job)"))
        }
    }

    // MARK: The training

    /// The curves of the training stages, and their last figures as a table.
    var training: HTML {
        guard !curves.isEmpty else { return .empty }
        let plot = TrainingPlot(curves, title: "Training of run \(run.id), \(run.name)")
        let networks = ["largest", "middle", "smallest"]
        let rows = curves.map { curve -> [HTML] in
            let last = curve.points.last
            let head: [HTML] = [
                "\(curve.stage)", "\(ReportText.grouped(curve.lastStep))",
                "\(last?.loss.map { String(format: "%.4f", $0) })",
                "\(last?.accuracy.map { RunFigures.percent($0) })",
                "\(last?.imagesPerSecond.map { RunFigures.number($0) })",
            ]
            return head
                + networks.map { name -> HTML in
                    let found = curve.lastValidation.first { $0.network == name }
                    return "\(found.map { RunFigures.percent($0.accuracy) })"
                }
        }
        return Parts.section(
            "Training", id: "training", HTML.chart(plot.chart, id: "curves"),
            Parts.table(
                "Last figures of every training stage",
                [
                    .text("Stage"), .number("Steps"), .number("Loss"),
                    .number("Training images"), .number("Images/s"), .number("Largest"),
                    .number("Middle"), .number("Smallest"),
                ], rows),
            RunFigures.note(
                "Largest, middle and smallest subnet: top-1 accuracy on held-out images after the last validation. Loss and training accuracy are means of the last point of the curve. ofa plot training \(run.id) --csv writes every point."
            ))
    }

    // MARK: The cost

    /// What the run cost, by stage and by device.
    var costs: HTML {
        switch cost {
        case .failure(let error):
            return Parts.section(
                "Cost", id: "cost", RunFigures.note("Costs are unknown: \(error.reason)."),
                error.remedy.map { RunFigures.note($0) } ?? .empty)
        case .success(let found):
            guard !found.stages.rows.isEmpty else { return .empty }
            let total = found.stages.total
            let methods = total.methods.joined(separator: "; ")
            let zones = found.stages.zones.joined(separator: ", ")
            return Parts.section(
                "Cost", id: "cost", table(found.stages, "Stage", id: "cost-stages"),
                found.devices.rows.count > 1
                    || found.devices.rows.contains { $0.label != "(shared)" }
                    ? "<h3>By device</h3>\n\(table(found.devices, "Device", id: "cost-devices"))"
                    : .empty,
                RunFigures.note(
                    "IT energy with its range (\(methods.isEmpty ? "not metered yet" : methods)); CO₂e with factor set \(found.stages.factors.version)"
                        + (zones.isEmpty ? "" : ", zone \(zones)")
                        + ". Attempts count when they have ended, energy as it is metered. ofa cost explain \(run.id) shows every formula and source."
                ))
        }
    }

    private func table(_ report: CostReport, _ name: String, id: String) -> HTML {
        let total = report.total
        let most = report.rows.map { Double($0.energy.high) }.max() ?? 0
        let unit = RunFigures.unit(microjoules: most)
        func amount(_ value: Int64) -> Double { Double(value) / 1e6 / unit.joules }
        let bars = report.rows.filter(\.isKnown).prefix(60).map { row in
            BarChart.Bar(
                row.label, [amount(row.energy.microjoules)],
                text: RunFigures.energy(
                    Double(row.energy.microjoules)),
                low: amount(row.energy.low), high: amount(row.energy.high),
                tip: "\(row.label): \(RunFigures.energy(row.energy))")
        }
        let chart = BarChart(
            title: "Energy by \(name.lowercased())", caption: "IT energy, \(unit.name)",
            bars: Array(bars))
        let rows = (report.rows + [total]).map { row -> [HTML] in
            [
                "\(row.label)",
                "\(row.attempts)\(row.notCompleted > 0 ? ", \(row.notCompleted) not completed" : "")",
                "\(Parts.duration(Double(row.wallNs) / 1e9))", "\(RunFigures.energy(row))",
                "\(row.share(of: total.energy.microjoules).map { String(format: "%.1f %%", 100 * $0) })",
                "\(RunFigures.carbon(row))",
                row.gaps > 0 || row.gapNs > 0 ? "a part was not metered" : "",
            ]
        }
        return HTML.joined([
            bars.isEmpty ? .empty : HTML.chart(chart, id: id),
            Parts.table(
                "Cost by \(name.lowercased())",
                [
                    .text(name), .number("Attempts"), .number("Time"), .number("Energy"),
                    .number("Share"), .number("CO₂e"), .text("Gaps"),
                ], rows),
        ])
    }
}
