// train: one phase of progressive shrinking, with checkpoints. Killed and resumed it ends with the same bits.

import Artifacts
import Foundation
import Interchange
import Networks
import Tensors
import Training

enum TrainStage {
    /// What a checkpoint row holds; the numbers themselves are in the blob.
    private struct Saved: Codable {
        let step, skipped: Int
        let blob: String
    }

    private static let checkpointName = "training"

    static func run(_ context: StageContext, _ parameters: StageParameters.Train) throws
        -> StageOutput
    {
        let images = try context.trainingImages()
        let backend = try context.backend()
        let weights =
            parameters.from == nil
            ? try Weights(supernetOf: context.space, seed: context.arguments.seed)
            : try context.supernet()
        if parameters.phase.sortChannels {
            try ChannelSort.sort(weights, of: context.space, keepingRatios: parameters.keepRatios)
        }
        let teacher =
            parameters.phase.distillation > 0
            ? try Network(
                supernet: try context.supernet(.teacher), of: context.space, backend: backend) : nil
        let trainer = try Trainer(
            try Network(supernet: weights, of: context.space, backend: backend), of: context.space,
            phase: parameters.phase, teacher: teacher, data: images.data,
            seed: context.arguments.stageSeed)
        try resume(trainer, context)
        try train(trainer, context, parameters)
        let metadata = SupernetMetadata(
            space: context.space.name, phase: parameters.phase.name, steps: trainer.steps,
            skippedSteps: trainer.skipped,
            normalization: images.normalization, instructionSet: backend.instructionSet.description,
            blasCore: BLASCore.current, threads: backend.threads)
        let digest = try context.put(
            try weights.safetensors(metadata: ["space": context.space.name]))
        return try StageOutput(
            [
                try StageOutput.Made(
                    .supernet, name: "\(context.space.name)-\(context.arguments.stage)",
                    digest: digest,
                    metadata: metadata)
            ],
            result: NoResult())
    }

    private static func resume(_ trainer: Trainer, _ context: StageContext) throws {
        guard let payload = try context.job.latestCheckpoint(name: checkpointName)?.payload else {
            return
        }
        let saved = try JSONText.decode(
            Saved.self, from: payload, what: "checkpoint of job \(context.job.lease.jobID)")
        let file = try Safetensors.decode(bytes: try context.bytes(try Digest(hex: saved.blob)))
        try trainer.restore(
            Trainer.State(
                step: saved.step, skipped: saved.skipped,
                arrays: file.tensors.map { ($0.key, $0.value.shape, $0.value.values) }))
        context.job.log("resumed at step \(saved.step) of \(trainer.steps)")
    }

    private static func save(_ trainer: Trainer, _ context: StageContext) throws {
        let state = trainer.state
        var tensors: [String: SafetensorsFile.Tensor<Float>] = [:]
        for array in state.arrays {
            tensors[array.name] = .init(shape: array.shape, values: array.values)
        }
        let digest = try context.put(try Safetensors.encode(SafetensorsFile(tensors: tensors)))
        let saved = Saved(step: state.step, skipped: state.skipped, blob: digest.hex)
        try context.job.saveCheckpoint(
            name: checkpointName, seq: Int64(state.step), payload: try JSONText.encode(saved))
    }

    private static func train(
        _ trainer: Trainer, _ context: StageContext, _ parameters: StageParameters.Train
    ) throws {
        let clock = ContinuousClock()
        var lastSave = clock.now, lastReport = clock.now, lastStep = trainer.step
        var loss = 0.0, accuracy = 0.0
        while !trainer.isFinished {
            try context.job.stopIfCancelled()
            if context.job.isDraining {
                try save(trainer, context)
                try context.job.stopIfAsked()
            }
            let rate = trainer.learningRate
            let result = try trainer.trainStep()
            loss += result.loss
            accuracy += result.accuracy
            let now = clock.now
            if now - lastReport >= .milliseconds(500) || trainer.isFinished {
                let steps = Double(trainer.step - lastStep),
                    seconds = (now - lastReport) / .seconds(1)
                let figures = String(
                    format: "loss %.3f, accuracy %.1f %%, rate %.4f, %.0f images/s", loss / steps,
                    100 * accuracy / steps,
                    rate, steps * Double(parameters.phase.batch) / max(seconds, 1e-9))
                context.job.progress(
                    fraction: Double(trainer.step) / Double(trainer.steps),
                    message: "step \(trainer.step)/\(trainer.steps), \(figures)")
                (lastReport, lastStep, loss, accuracy) = (now, trainer.step, 0, 0)
            }
            if now - lastSave >= .seconds(parameters.checkpointSeconds) && !trainer.isFinished {
                try save(trainer, context)
                lastSave = clock.now
            }
        }
    }
}
