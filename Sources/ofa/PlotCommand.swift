// `ofa plot`: draws how the stages of a run trained, from the metrics that its jobs recorded. PlotSavingsCommand.swift
// draws what its supernet saved.

import ArgumentParser
import Foundation
import Jobs
import Networks
import Pipelines

/// The commands that draw plots.
struct PlotCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "plot",
        abstract: "Plots: how the stages of a run trained, and what its supernet saved.",
        discussion: """
            Example:
              ofa plot training 3 -o training.svg
              ofa plot training --csv -o -
              ofa plot savings 3 -o savings.svg
            """,
        subcommands: [PlotTraining.self, PlotSavings.self])
}

/// Draws the training of a run, or writes it as a table.
struct PlotTraining: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "training",
        abstract:
            "Loss, accuracy, learning rate, images/s and gradient norm of every training stage, over its steps.",
        discussion: """
            The picture is self-contained SVG, and may be drawn while the run trains. The curves are thinned out to \
            --points per stage; a point has the means of its steps. Validations (validate_every of a pipeline file) are \
            drawn as dots, skipped steps as marks below the gradient norm. Stages are drawn one after the other, also those \
            that trained side by side; --stage chooses. --csv writes the same as a table; --json prints it, with or without a file.

            Example:
              ofa plot training -o training.svg
              ofa plot training 3 --stage full --stage kernel --csv -o training.csv
              ofa plot training 3 --points 100000 --json
            """)

    /// The run; nil for the newest.
    @Argument(
        help: ArgumentHelp("The run's number; by default the newest.", valueName: "run"),
        completion: .runs, transform: Number.id)
    var runID: Int64?
    /// The file to write; nil for none.
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The SVG file to write; - for standard output.", completion: .file())
    var file: String?
    /// Whether to write a table instead of a picture.
    @Flag(help: "Write comma-separated values instead of a picture.") var csv = false
    /// The largest number of points per stage.
    @Option(
        help: "The most points of a stage's curve.", transform: Number.whole(2...10_000_000))
    var points = 1000
    /// The stages to draw; empty for all.
    @Option(name: .customLong("stage"), help: "A stage to draw; repeat it for several.")
    var stages: [String] = []
    /// Whether to replace an existing file.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses a call that would write nothing.
    mutating func validate() throws {
        guard file != nil || output.json else {
            throw ValidationError(
                "nothing to write", remedy: "give -o FILE.svg, or --csv -o FILE.csv, or --json")
        }
    }

    /// Reads the curves and writes them.
    mutating func run() throws {
        let target = try file.map { try OutputFile($0, files, output) }
        let connection = try database.connectToExisting(takesLong: true)
        let queue = JobQueue(connection)
        let run = try queue.run(try runID ?? StatusCommand.newest(queue))
        let all = try queue.trainingCurves(run: run.id, points: points)
        for stage in stages where !all.isEmpty && !all.contains(where: { $0.stage == stage }) {
            throw CommandFailure.notFound(
                "no stage '\(stage)' of run \(run.id) has metrics of a training",
                remedy: "these have: " + all.map(\.stage).joined(separator: ", "))
        }
        let curves = stages.isEmpty ? all : all.filter { stages.contains($0.stage) }
        guard !curves.isEmpty else {
            throw CommandFailure.notFound(
                "run \(run.id) has no metrics of a training: "
                    + (StatusText.dropped(run) ?? "no stage has trained yet"),
                remedy: "ofa status --all lists the runs")
        }
        if let target {
            let plot = TrainingPlot(curves, title: "Training of run \(run.id), \(run.name)")
            try target.write(csv ? plot.csv : plot.svg)
            if target.isStandardOutput { return }
        }
        let answer = PlotAnswer(run: run.id, file: file, stages: curves.map(TrainingDocument.init))
        try Output.answer(answer, output) {
            let points = curves.reduce(0) { $0 + $1.points.count }
            try Output.line(
                "\(target?.name ?? ""): \(points) points of \(curves.count) stages: "
                    + curves.map(\.stage).joined(separator: ", "))
        }
    }
}

/// The JSON answer of `ofa plot training`.
private struct PlotAnswer: Encodable {
    let run: Int64
    let file: String?
    let stages: [TrainingDocument]
}

/// The JSON form of a stage's training.
struct TrainingDocument: Encodable {
    /// The metrics of a range of steps.
    struct Point: Encodable {
        let first_step, last_step, skipped, networks, images: Int
        let seconds: Double
        let images_per_second: Double?
        let learning_rate: Double
        let loss, distillation_loss, accuracy, gradient_norm: Double?

        init(_ metrics: StepMetrics) {
            (first_step, last_step) = (metrics.firstStep, metrics.lastStep)
            (skipped, networks) = (metrics.skipped, metrics.networks)
            (images, seconds) = (metrics.images, metrics.seconds)
            images_per_second = metrics.imagesPerSecond
            learning_rate = metrics.learningRate
            loss = metrics.loss
            distillation_loss = metrics.distillationLoss
            accuracy = metrics.accuracy
            gradient_norm = metrics.gradientNorm
        }
    }

    /// A network's accuracy on held-out images.
    struct Measured: Encodable {
        let step: Int
        let network: String
        let arch: SubnetConfig?
        let accuracy: Double
        let loss: Double?
        let images: Int

        init(_ metrics: ValidationMetrics) {
            step = metrics.step
            network = metrics.network
            do {
                arch = try JSONDecoder().decode(SubnetConfig.self, from: Data(metrics.arch.utf8))
            } catch {
                // A newer version may write genes that this one does not know.
                arch = nil
            }
            (accuracy, loss) = (metrics.accuracy, metrics.loss)
            images = metrics.images
        }
    }

    let stage: String
    let job: Int64
    let last_step: Int
    let points: [Point]
    let validations: [Measured]

    init(_ curve: TrainingCurve) {
        stage = curve.stage
        job = curve.job
        last_step = curve.lastStep
        points = curve.points.map(Point.init)
        validations = curve.validations.map(Measured.init)
    }
}
