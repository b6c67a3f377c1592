// The distillation losses against hand-computed values, a naive oracle in double precision, and finite differences.
import Foundation
import TestSupport
import Testing

@testable import Tensors

/// The losses of one image as the papers write them, in double precision, without tricks.
private struct Oracle {
    let q, p: [Double], label: Int

    init(_ logits: [Float], _ soft: [Float], label: Int) {
        let e = logits.map { exp(Double($0)) }, sum = e.reduce(0, +)
        q = e.map { $0 / sum }
        p = soft.map(Double.init)
        self.label = label
    }

    var crossEntropy: Double { -zip(p, q).reduce(0) { $0 + ($1.0 > 0 ? $1.0 * log($1.1) : 0) } }
    /// Alpha = 1.
    var forward: Double { zip(p, q).reduce(0) { $0 + ($1.0 > 0 ? $1.0 * log($1.0 / $1.1) : 0) } }
    /// (p/q)^alpha of alpha = -1, clipped.
    var ratios: [Double] { zip(p, q).map { $0 > 0 ? min($1 / $0, 5) : 5 } }
    /// Alpha = -1: 1 / (alpha (alpha - 1)) · Σ q ((p/q)^alpha - 1).
    var backward: Double { zip(q, ratios).reduce(0) { $0 + $1.0 * ($1.1 - 1) } / 2 }
    var isBackward: Bool { backward > forward }
    var alpha: Double { max(forward, backward) }

    /// The gradient of -Σ weight log q with constant weights.
    private func gradient(_ weights: [Double]) -> [Double] {
        let sum = weights.reduce(0, +)
        return zip(q, weights).map { sum * $0 - $1 }
    }

    func gradient(_ loss: SoftLoss) -> [Double] {
        guard loss == .alphaDivergence, isBackward else { return gradient(p) }
        return gradient(zip(q, ratios).map { -$0 * $1 })
    }

    func hard(_ smoothing: Double) -> (loss: Double, gradient: [Double]) {
        let targets = q.indices.map {
            smoothing / Double(q.count) + ($0 == label ? 1 - smoothing : 0)
        }
        return (-zip(targets, q).reduce(0) { $0 + $1.0 * log($1.1) }, gradient(targets))
    }
}

@Suite struct DistillationTests {
    private let images = 6, classes = 7
    private let labels: [Int32] = [0, 6, 2, 2, 5, 1]

    /// Logits and soft labels; students are too certain, too uncertain, or near the teacher.
    private func inputs() throws -> (logits: [Float], soft: [Float]) {
        let item = KernelCase(6, size: 1, channels: 8)
        var logits = item.values(images * classes, draw: 0)
        let soft = Tensor(item.values(images * classes, draw: 1))
        for n in 0..<images {
            for c in 0..<classes {
                logits[n * classes + c] *= [0.3, 4, 1, 6, 0.1, 2][n]
                soft.pointer[n * classes + c] *= [4, 1, 1, 0.2, 8, 2][n]
            }
        }
        try CPUEngine(threads: 1).softmax(soft, classes: classes)
        var values = soft.values
        // A teacher that excludes a class.
        values[2 * classes] = 0
        let sum = values[2 * classes..<3 * classes].reduce(0, +)
        for c in 0..<classes { values[2 * classes + c] /= sum }
        return (logits, values)
    }

    private func run(
        _ logits: Tensor, _ soft: [Float], _ terms: DistillationTerms, gradient: Tensor? = nil,
        threads: Int = 2, partOf: Int? = nil
    ) throws -> Loss {
        let engine = try CPUEngine(threads: threads), totals = LossTotals()
        engine.distillationLoss(
            logits, classes: classes, labels: labels, soft: Tensor(soft), terms: terms,
            gradient: gradient, partOf: partOf, into: totals)
        return engine.read(totals)
    }

    @Test(
        "losses and gradients are those of the naive formulas", arguments: SoftLoss.allCases,
        [true, false])
    func oracle(loss: SoftLoss, usesLabels: Bool) throws {
        let (logits, soft) = try inputs()
        let terms = DistillationTerms(
            usesLabels: usesLabels, smoothing: 0.1, softWeight: 0.7, softLoss: loss)
        let gradient = Storage(count: images * classes).all
        let found = try run(Tensor(logits), soft, terms, gradient: gradient, partOf: 12)
        var hard = 0.0, kept = 0.0, sides: Set<Bool> = [], clipped = 0
        for n in 0..<images {
            let range = n * classes..<(n + 1) * classes
            let oracle = Oracle(
                Array(logits[range]), Array(soft[range]), label: Int(labels[n]))
            let own = oracle.hard(Double(Float(0.1)))
            hard += usesLabels ? own.loss : 0
            kept += loss == .crossEntropy ? oracle.crossEntropy : oracle.alpha
            sides.insert(oracle.isBackward)
            if oracle.isBackward, oracle.ratios.contains(5) { clipped += 1 }
            let expected = zip(oracle.gradient(loss), own.gradient).map {
                (Double(Float(0.7)) * $0 + (usesLabels ? $1 : 0)) / 12
            }
            for (value, wanted) in zip(gradient.values[range], expected) {
                // Results are rounded to single precision once; the inputs are exact.
                #expect(abs(Double(value) - wanted) <= 0x1p-23 * abs(wanted) + 1e-12)
            }
        }
        #expect(
            abs(found.hard - hard / 6) < 1e-12 && abs(found.soft - kept / 6) < 1e-12,
            "\(found), \(hard / 6), \(kept / 6)")
        // The case has images of both divergences, and clipped ratios.
        #expect(sides == [true, false] && clipped > 0)
    }

    @Test("alpha divergences of q = 0.5, 0.5 and p = 0.8, 0.2 or the reverse, by hand")
    func hand() throws {
        let engine = try CPUEngine(threads: 1), gradient = Storage(count: 2).all
        let terms = DistillationTerms(
            usesLabels: false, smoothing: 0, softWeight: 1, softLoss: .alphaDivergence)
        func loss(_ q: Double, _ p: Float) -> Double {
            let totals = LossTotals()
            engine.distillationLoss(
                Tensor([Float(log(q)), Float(log(1 - q))]), classes: 2, labels: [0],
                soft: Tensor([p, 1 - p]), terms: terms, gradient: gradient, partOf: nil,
                into: totals)
            return engine.read(totals).soft
        }
        // (0.25 / 0.8 + 0.25 / 0.2 - 1) / 2 = 0.28125 is more than KL = 0.8 ln 1.6 + 0.2 ln 0.4 = 0.19274.
        #expect(abs(loss(0.5, 0.8) - 0.28125) < 1e-6)
        // q (ratio - Σ q ratio): ratios 0.625 and 2.5, mean 1.5625.
        #expect(
            abs(gradient.values[0] + 0.46875) < 1e-6 && abs(gradient.values[1] - 0.46875) < 1e-6)
        // KL = 0.5 ln (0.5 / 0.8) + 0.5 ln (0.5 / 0.2) = 0.22314 is more than (0.64 / 0.5 + 0.04 / 0.5 - 1) / 2 = 0.18.
        #expect(abs(loss(0.8, 0.5) - 0.223144) < 1e-5)
        #expect(abs(gradient.values[0] - 0.3) < 1e-6 && abs(gradient.values[1] + 0.3) < 1e-6)
    }

    @Test("gradients agree with finite differences of the loss", arguments: SoftLoss.allCases)
    func differences(loss: SoftLoss) throws {
        let (all, soft) = try inputs()
        // Without the images whose ratios are clipped, where the published gradient is not the loss's, and that of the
        // excluded class.
        let kept = (0..<images).filter { n in
            let range = n * classes..<(n + 1) * classes
            let oracle = Oracle(Array(all[range]), Array(soft[range]), label: 0)
            return loss == .crossEntropy || !oracle.isBackward || !oracle.ratios.contains(5)
        }
        #expect(kept.count >= 3)
        var logits = all, targets = soft
        for n in 0..<images where !kept.contains(n) {
            let from = kept[0] * classes
            for c in 0..<classes {
                logits[n * classes + c] = all[from + c]
                targets[n * classes + c] = soft[from + c]
            }
        }
        let terms = DistillationTerms(
            usesLabels: true, smoothing: 0.1, softWeight: 0.7, softLoss: loss)
        let tensor = Tensor(logits), gradient = Storage(count: images * classes).all
        _ = try run(tensor, targets, terms, gradient: gradient)
        for draw in 0..<8 {
            let direction = FiniteDifference.direction(images * classes, draw: draw)
            let difference = try FiniteDifference(
                of: tensor, along: direction, step: 0x1p-7, roundings: 8
            ) {
                let found = try run(tensor, targets, terms)
                let value = found.hard + Double(terms.softWeight) * found.soft
                return (value, value)
            }
            let slope = gradient.values.dot(direction)
            #expect(
                abs(slope - difference.slope) <= difference.uncertainty + 0x1p-22 * abs(slope),
                "\(slope) is not \(difference.slope) ± \(difference.uncertainty)")
        }
    }

    @Test("one thread or several give the same bits")
    func threads() throws {
        let (logits, soft) = try inputs()
        let terms = DistillationTerms(
            usesLabels: true, smoothing: 0.1, softWeight: 1, softLoss: .alphaDivergence)
        var found: [([Float], Loss)] = []
        for threads in 1...4 {
            let gradient = Storage(count: images * classes).all
            let loss = try run(
                Tensor(logits), soft, terms, gradient: gradient, threads: threads)
            found.append((gradient.values, loss))
        }
        #expect(found.allSatisfy { $0.0 == found[0].0 && $0.1 == found[0].1 })
    }

    @Test(
        "a logit that is NaN or infinite gives a loss that is not finite",
        arguments: SoftLoss.allCases)
    func notFinite(loss: SoftLoss) throws {
        let (logits, soft) = try inputs()
        let terms = DistillationTerms(
            usesLabels: false, smoothing: 0.1, softWeight: 1, softLoss: loss)
        for value in [Float.nan, .infinity] {
            for place in 0..<classes {
                var wrong = logits
                wrong[place] = value
                #expect(
                    !(try run(Tensor(wrong), soft, terms).soft.isFinite), "\(value) at \(place)")
            }
        }
    }

    @Test("clipping limits every value, whatever the number of threads", arguments: [1, 2, 3])
    func clip(threads: Int) throws {
        let engine = try CPUEngine(threads: threads), storage = Storage(count: 37)
        for index in 0..<37 { storage.all[index] = Float(index - 18) / 4 }
        engine.clip(storage, to: 1)
        let expected = (0..<37).map { max(-1, min(1, Float($0 - 18) / 4)) }
        #expect(storage.all.values == expected)
    }
}
