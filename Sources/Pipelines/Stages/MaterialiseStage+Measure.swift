// Measures an extracted network: its accuracy, in floats and in the device's bits, and its latency.

import Artifacts
import Datasets
import Devices
import Foundation
import Metering
import Networks
import Tensors
import Training

extension MaterialiseStage {
    /// The accuracies of a network.
    struct Measured {
        /// In floats, on the test images and on held-out images; nil if these were not asked for.
        let test: Evaluator.Result, heldOut: Evaluator.Result?
        /// In eight bits, on the same images; nil if the device has no eight bits.
        let eightBits: (test: Confusion, heldOut: Confusion?)?
        /// The predictions in floats on the test images by class; nil if an output was not finite.
        var byClass: Confusion?
    }

    /// Measures accuracy on the test images and, to compare with the prediction, on `heldOut` held-out images. The test
    /// images are divided into parts; before each part and after the last, the networks of `timing` are timed. The share
    /// `done` of the stage is done before.
    static func measure(
        _ cut: Cut, _ images: TrainingImages, heldOut: Int, timing: [Cut], _ context: StageContext,
        done: Double = 0.4
    ) throws -> Measured {
        let evaluator = Evaluator(cut.network), timers = timing.compactMap(\.timer)
        let engine = try context.engine(), classes = cut.alone.classes
        let network = Evaluator.Calibrated(
            cut.alone, statistics: cut.network.weights.statistics)
        func measure(_ loader: BatchLoader, _ images: [Int], _ table: inout Confusion) throws
            -> (result: Evaluator.Result, confusion: Confusion?)
        {
            try cut.quantised?.count(images, loader, engine: engine, into: &table) { _ in
                try context.job.stopIfAsked()
            }
            return try evaluator.measureByClass([network], loader: loader, images: images)[0]
        }
        let source = try context.images(.testImages).source
        let loader = BatchLoader(source, normalization: images.normalization)
        let count = source.count, share = (1 - done) * (heldOut > 0 ? 0.58 : 1)
        var parts: [Evaluator.Result] = [], test = Confusion(classes: classes)
        var byClass: Confusion? = Confusion(classes: classes)
        let processors = timers.map(\.threads).max().map { ThreadPinning.leastBusy($0) }
        func time() {
            processors?.whilePinned { pinning in
                for timer in timers {
                    timer.onEachThread(pinning.pin)
                    timer.time(repeats: timings)
                }
            }
        }
        for part in 0..<testParts {
            time()
            let end = count * (part + 1) / testParts
            let own = try measure(loader, Array(count * part / testParts..<end), &test)
            parts.append(own.result)
            if let counts = own.confusion { byClass?.add(counts) } else { byClass = nil }
            try context.job.stopIfAsked()
            context.job.progress(
                fraction: done + share * Double(part + 1) / Double(testParts),
                message: "measured on \(end) of \(count) test images")
        }
        time()
        let floats = Evaluator.Result(together: parts)
        guard heldOut > 0 else {
            return Measured(
                test: floats, heldOut: nil,
                eightBits: cut.quantised.map { _ in (test: test, heldOut: nil) },
                byClass: byClass)
        }
        context.job.progress(fraction: done + share, message: "measuring on held-out images")
        var table = Confusion(classes: classes)
        let own = try measure(
            images.data.loader, Array(images.heldOut.prefix(heldOut)), &table
        ).result
        return Measured(
            test: floats, heldOut: own,
            eightBits: cut.quantised.map { _ in (test: test, heldOut: table) }, byClass: byClass)
    }

    /// The number of parts of the test images, and of latency timings before each part and after
    /// the last.
    private static let testParts = 4, timings = 20

    /// Returns the figures of a network, whose accuracies, flash and latency are in the device's bits.
    static func figures(
        _ device: DeviceTarget, _ cut: Cut, _ choice: Choice?, _ measured: Measured
    ) -> NetworkFigures {
        let timing = cut.timer?.timing
        let metrics = device.metrics(NetworkCost(cut.shape), latencyMs: timing?.steady)
        var figures = NetworkFigures(
            device: device.name, arch: cut.config,
            predictedAccuracy: choice?.result.predictedAccuracy,
            testAccuracy: measured.eightBits?.test.top1 ?? measured.test.top1,
            latencyMs: timing?.steady, tableLatencyMs: choice?.result.metrics.latencyMs,
            macs: metrics.macs, params: metrics.params,
            flashBytes: cut.quantised?.result.graph.weightBytes ?? metrics.flashBytes,
            peakActivationBytes: metrics.peakMemoryBytes, assumption: device.assumption)
        figures.target = choice?.device
        figures.accuracyUncertainty = choice?.uncertainty
        figures.predictedBits = choice?.bits
        figures.latencyError = choice?.latencyError
        figures.energyMJ = choice?.result.metrics.energyMJ ?? metrics.energyMJ
        figures.testImages = measured.test.images
        figures.confusion = (measured.eightBits?.test ?? measured.byClass).flatMap {
            $0.classes <= NetworkFigures.mostClasses ? $0.counts : nil
        }
        figures.heldOutAccuracy = measured.eightBits?.heldOut?.top1 ?? measured.heldOut?.top1
        figures.heldOutImages = measured.heldOut?.images
        figures.eightBits = cut.quantised.map {
            EightBits(
                $0, floatTestAccuracy: measured.test.top1,
                floatHeldOutAccuracy: measured.heldOut?.top1)
        }
        return figures.timed(timing)
    }
}

extension NetworkFigures {
    /// Returns a copy with the latency of `timing`; an unchanged copy if `timing` is nil.
    func timed(_ timing: LatencyMeasurement.Timing?) -> NetworkFigures {
        guard let timing else { return self }
        var figures = self
        figures.latencyMs = timing.steady
        figures.latencyMsLow = timing.sorted[timing.sorted.count / 10]
        figures.latencyMsHigh = timing.sorted[timing.sorted.count * 9 / 10]
        return figures
    }

    /// Adds the space, and what the training images say: how images become the network's input, and the classes.
    mutating func describe(_ space: SearchSpace, _ images: TrainingImages) {
        definition = space
        input = NetworkInput(
            normalization: images.normalization,
            fixedSize: images.data.loader.source.fixedSize)
        let names = images.classNames.map(\.description)
        if !names.isEmpty, names.reduce(0, { $0 + $1.utf8.count }) <= Self.mostNameBytes {
            classNames = names
        }
    }
}
