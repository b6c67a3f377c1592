// Measures one subnet in detail: top-1, top-5, loss, and the confusion matrix.

import Datasets
import Foundation
import Networks
import Synchronization
import Tensors

/// A confusion matrix (how many images of each class were taken for each class), with top-5 and the loss.
public struct Confusion: Sendable, Equatable {
    /// The number of classes.
    public let classes: Int
    /// The number of images of class i that were taken for class j, at index i · classes + j.
    public fileprivate(set) var counts: [Int]
    /// The number of images whose class was among the five most probable classes.
    public fileprivate(set) var amongFive = 0
    /// The sum of the cross entropies.
    fileprivate var lossSum = 0.0

    /// Makes a table without images.
    public init(classes: Int) {
        self.classes = classes
        counts = Array(repeating: 0, count: classes * classes)
    }

    /// Takes counted images, without top-5 and loss; nil unless `counts` has classes² numbers, none of them negative.
    public init?(classes: Int, counts: [Int]) {
        let (cells, isTooLarge) = classes.multipliedReportingOverflow(by: classes)
        guard classes > 0, !isTooLarge, counts.count == cells, counts.allSatisfy({ $0 >= 0 })
        else { return nil }
        self.classes = classes
        self.counts = counts
    }

    /// Adds the images that `other` counted, of the same classes.
    public mutating func add(_ other: Confusion) {
        precondition(classes == other.classes, "other classes")
        for place in counts.indices { counts[place] += other.counts[place] }
        amongFive += other.amongFive
        lossSum += other.lossSum
    }

    /// The number of images.
    public var images: Int { counts.reduce(0, +) }
    /// The share of images whose class was the most probable class; 0 without images.
    public var top1: Double { share((0..<classes).reduce(0) { $0 + self[$1, $1] }) }
    /// The share of images whose class was among the five most probable classes; 0 without images.
    public var top5: Double { share(amongFive) }
    /// The mean cross entropy; 0 without images.
    public var loss: Double { images > 0 ? lossSum / Double(images) : 0 }

    /// The number of images of class `actual` that were taken for class `predicted`.
    public subscript(actual: Int, predicted: Int) -> Int { counts[actual * classes + predicted] }

    /// The number of images of a class.
    public func images(of label: Int) -> Int { (0..<classes).reduce(0) { $0 + self[label, $1] } }

    /// The number of images that were taken for a class.
    public func predictions(of label: Int) -> Int {
        (0..<classes).reduce(0) { $0 + self[$1, label] }
    }

    private func share(_ count: Int) -> Double {
        images > 0 ? Double(count) / Double(images) : 0
    }

    /// Adds the answer for an image of class `label`.
    public mutating func add(_ answer: Answer, label: Int) {
        counts[label * classes + answer.predicted] += 1
        if answer.isAmongFive { amongFive += 1 }
        lossSum += answer.loss
    }

    /// The answer of a network for one image.
    public struct Answer: Sendable, Equatable {
        /// The most probable class.
        public let predicted: Int
        /// Whether the image's class is among the five most probable classes.
        public let isAmongFive: Bool
        /// The cross entropy.
        public let loss: Double

        /// Evaluates finite logits of an image whose class is `label`. Of two equal logits, the logit of the class with
        /// the lower number counts as the larger.
        public init(_ logits: ArraySlice<Float>, label: Int) {
            let start = logits.startIndex, own = logits[start + label]
            let best = start + Self.best(logits)
            var before = 0
            for index in logits.indices {
                if logits[index] > own || logits[index] == own && index < start + label {
                    before += 1
                }
            }
            predicted = best - start
            isAmongFive = before < 5
            let largest = Double(logits[best])
            let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
            loss = log(sum) + largest - Double(own)
        }

        /// Returns the class with the largest logit, of equal ones the first.
        static func best(_ logits: ArraySlice<Float>) -> Int {
            var best = logits.startIndex
            for index in logits.indices where logits[index] > logits[best] { best = index }
            return best - logits.startIndex
        }
    }
}

extension Evaluator {
    /// Measures one subnet as `measure` does, and also counts the predictions by class. The result does not depend on
    /// the number of threads.
    ///
    /// Errors: `diverged` if an output of the network is not finite; `DatasetError` if a picture cannot be read; those
    /// of `afterBatch`.
    public func confusion(
        _ subnet: Calibrated, loader: BatchLoader, images: [Int],
        afterBatch: (Double) throws -> Void = { _ in }
    ) throws -> Confusion {
        let classes = subnet.shape.classes
        typealias Part = (batch: Int, answers: [(answer: Confusion.Answer, label: Int)])
        let parts = Mutex<[Part]>([])
        try eachBatch([subnet], loader: loader, images: images, afterBatch: afterBatch) {
            lane, index, inputs, labels in
            let logits = lane.network.engine.download(lane.logits(0, subnet, inputs))
            guard logits.allSatisfy(\.isFinite) else {
                throw TrainingError(.diverged, "the network's outputs are not finite")
            }
            let answers = labels.enumerated().map { place, label in
                let own = logits[place * classes..<(place + 1) * classes]
                return (answer: Confusion.Answer(own, label: Int(label)), label: Int(label))
            }
            parts.withLock { $0.append((index, answers)) }
        }
        // The losses are added in the order of the batches.
        var whole = Confusion(classes: classes)
        for (_, answers) in parts.withLock({ $0.sorted { $0.batch < $1.batch } }) {
            for (answer, label) in answers { whole.add(answer, label: label) }
        }
        return whole
    }

    /// Measures subnets as `measure` does, and also counts the predictions of each by class, without top-5 and loss. The
    /// counts of a subnet are nil if one of its outputs is not finite.
    public func measureByClass(
        _ subnets: [Calibrated], loader: BatchLoader, images: [Int],
        afterBatch: (Double) throws -> Void = { _ in }
    ) throws -> [(result: Result, confusion: Confusion?)] {
        let tables = Mutex<[[Int]?]>(
            subnets.map { Array(repeating: 0, count: $0.shape.classes * $0.shape.classes) })
        let results = try measure(subnets, loader: loader, images: images, afterBatch: afterBatch) {
            lane, number, logits, labels in
            let classes = subnets[number].shape.classes
            let values = lane.network.engine.download(logits)
            guard values.allSatisfy(\.isFinite) else {
                tables.withLock { $0[number] = nil }
                return
            }
            let cells = labels.enumerated().map { place, label in
                let own = values[place * classes..<(place + 1) * classes]
                let best = Confusion.Answer.best(own)
                return Int(label) * classes + best
            }
            tables.withLock { tables in
                for cell in cells { tables[number]?[cell] += 1 }
            }
        }
        let counts = tables.withLock { $0 }
        return zip(results, zip(subnets, counts)).map { result, part in
            let (subnet, counts) = part
            return (
                result,
                counts.flatMap { Confusion(classes: subnet.shape.classes, counts: $0) }
            )
        }
    }
}
