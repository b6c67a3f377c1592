// The JSON form of a network in the report of a run.

import Foundation
import Search

extension RunReport.NetworkRow {
    private enum Key: String, CodingKey {
        case device, stage, artifact, arch, predicted_accuracy, test_accuracy, latency_ms,
            table_latency_ms, macs, params
        case flash_bytes, peak_activation_bytes, blob_bytes, assumption
        case bits, predicted_bits, float_test_accuracy, float_held_out_accuracy, quantisation_loss,
            quantisation
        case accuracy_uncertainty, accuracy_difference, test_accuracy_error, test_images
        case expected_test_accuracy, expected_test_accuracy_error, expected_difference
        case held_out_accuracy, held_out_accuracy_error, held_out_difference, held_out_images
        case latency_difference, latency_table_error, latency_ms_low, latency_ms_high, energy_mj
        case limits, choice, front, branch, second_search, class_names, fine_tuning
        case threads, latency_table, latency_table_threads, latency_table_is_outdated
    }

    /// A second search with the field names of `ofa report --json`.
    private struct SecondSearchDocument: Encodable {
        let bound_ms, first_latency_ms: Double
        let outcome: SecondSearch.Outcome

        init(_ second: SecondSearch) {
            bound_ms = second.boundMs
            first_latency_ms = second.firstLatencyMs
            outcome = second.outcome
        }
    }

    /// A fine-tuning with the field names of `ofa report --json`.
    private struct FineTuningDocument: Encodable {
        struct Figures: Encodable {
            let held_out_accuracy: Double
            let held_out_accuracy_error: Double?
            let held_out_loss: Double?

            private enum CodingKeys: CodingKey {
                case held_out_accuracy, held_out_accuracy_error, held_out_loss
            }

            func encode(to encoder: any Encoder) throws {
                var fields = encoder.container(keyedBy: CodingKeys.self)
                try fields.encode(held_out_accuracy, forKey: .held_out_accuracy)
                try fields.encode(held_out_accuracy_error, forKey: .held_out_accuracy_error)
                try fields.encode(held_out_loss, forKey: .held_out_loss)
            }
        }

        let source: Int64
        let epochs, learning_rate: Double
        let steps, skipped_steps, held_out_images: Int
        let before: Figures
        let after: Figures?
        let failure: String?
        let kept: FineTuning.Side

        init(_ tuning: FineTuning) {
            func figures(_ figures: FineTuning.Figures) -> Figures {
                Figures(
                    held_out_accuracy: figures.accuracy,
                    held_out_accuracy_error: tuning.error(figures), held_out_loss: figures.loss)
            }
            source = tuning.source
            (epochs, learning_rate) = (tuning.epochs, tuning.learningRate)
            (steps, skipped_steps) = (tuning.steps, tuning.skippedSteps)
            held_out_images = tuning.heldOutImages
            (before, after) = (figures(tuning.before), tuning.after.map(figures))
            (failure, kept) = (tuning.failure, tuning.kept)
        }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(source, forKey: .source)
            try fields.encode(epochs, forKey: .epochs)
            try fields.encode(learning_rate, forKey: .learning_rate)
            try fields.encode(steps, forKey: .steps)
            try fields.encode(skipped_steps, forKey: .skipped_steps)
            try fields.encode(held_out_images, forKey: .held_out_images)
            try fields.encode(before, forKey: .before)
            try fields.encode(after, forKey: .after)
            try fields.encode(failure, forKey: .failure)
            try fields.encode(kept, forKey: .kept)
        }

        private enum CodingKeys: CodingKey {
            case source, epochs, learning_rate, steps, skipped_steps, held_out_images
            case before, after, failure, kept
        }
    }

    /// A front as pairs of cost and predicted accuracy.
    private struct FrontDocument: Encodable {
        let over: ParetoFront.Axis
        let points: [[Double]]

        init(_ front: ParetoFront) {
            over = front.axis
            points = front.networks.compactMap { network in
                front.axis.value(network.metrics).map { [$0, network.predictedAccuracy] }
            }
        }
    }

    /// Writes the fields of `ofa report --json`.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(figures.device, forKey: .device)
        try fields.encode(stage, forKey: .stage)
        try fields.encode(artifact.rawValue, forKey: .artifact)
        try fields.encode(figures.arch, forKey: .arch)
        try fields.encode(figures.predictedAccuracy, forKey: .predicted_accuracy)
        try fields.encode(figures.accuracyUncertainty, forKey: .accuracy_uncertainty)
        try fields.encode(figures.testAccuracy, forKey: .test_accuracy)
        try fields.encode(figures.testError, forKey: .test_accuracy_error)
        try fields.encode(figures.testImages, forKey: .test_images)
        try fields.encode(figures.accuracyDifference, forKey: .accuracy_difference)
        try fields.encode(figures.expectedTestAccuracy, forKey: .expected_test_accuracy)
        try fields.encode(figures.expectedTestError, forKey: .expected_test_accuracy_error)
        try fields.encode(figures.expectedDifference, forKey: .expected_difference)
        try fields.encode(figures.heldOutAccuracy, forKey: .held_out_accuracy)
        try fields.encode(figures.heldOutError, forKey: .held_out_accuracy_error)
        try fields.encode(figures.heldOutImages, forKey: .held_out_images)
        try fields.encode(figures.heldOutDifference, forKey: .held_out_difference)
        try fields.encode(figures.latencyMs, forKey: .latency_ms)
        try fields.encode(figures.tableLatencyMs, forKey: .table_latency_ms)
        try fields.encode(figures.latencyDifference, forKey: .latency_difference)
        try fields.encode(figures.latencyError, forKey: .latency_table_error)
        try fields.encode(figures.latencyMsLow, forKey: .latency_ms_low)
        try fields.encode(figures.latencyMsHigh, forKey: .latency_ms_high)
        try fields.encode(figures.energyMJ, forKey: .energy_mj)
        try fields.encode(figures.macs, forKey: .macs)
        try fields.encode(figures.params, forKey: .params)
        try fields.encode(figures.flashBytes, forKey: .flash_bytes)
        try fields.encode(figures.peakActivationBytes, forKey: .peak_activation_bytes)
        try fields.encode(storedBytes, forKey: .blob_bytes)
        try fields.encode(figures.assumption, forKey: .assumption)
        try fields.encode(figures.bits, forKey: .bits)
        try fields.encode(
            figures.predictedAccuracy.map { _ in figures.predictedBits ?? 32 },
            forKey: .predicted_bits)
        try fields.encode(figures.floatTestAccuracy, forKey: .float_test_accuracy)
        try fields.encode(figures.floatHeldOutAccuracy, forKey: .float_held_out_accuracy)
        try fields.encode(figures.quantisationLoss, forKey: .quantisation_loss)
        try fields.encode(figures.eightBits?.document, forKey: .quantisation)
        try fields.encode(figures.limitRows, forKey: .limits)
        try fields.encode(figures.again.map(SecondSearchDocument.init), forKey: .second_search)
        try fields.encode(
            figures.fineTuning.map(FineTuningDocument.init), forKey: .fine_tuning)
        try fields.encode(choice?.rawValue, forKey: .choice)
        try fields.encode(front.map(FrontDocument.init), forKey: .front)
        try fields.encode(branch?.document, forKey: .branch)
        try fields.encode(threads, forKey: .threads)
        try fields.encode(latencyTable?.artifact.rawValue, forKey: .latency_table)
        try fields.encode(latencyTable?.summary.knownThreads, forKey: .latency_table_threads)
        try fields.encode(latencyTable?.summary.knownOutdated, forKey: .latency_table_is_outdated)
        if let names = figures.classNames { try fields.encode(names, forKey: .class_names) }
    }
}
