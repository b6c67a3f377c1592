// The loss of a student network against the soft labels of a teacher, by cross entropy or by the adaptive alpha
// divergence of AlphaNet (Wang et al., ICML 2021, arXiv 2102.07954), and the clipping of gradient values that goes with
// the latter.

import Foundation

/// How far a student's prediction q is from a teacher's soft label p.
public enum SoftLoss: String, Codable, Sendable, CaseIterable {
    /// The cross entropy -Σ p log q: the Kullback-Leibler divergence KL(p‖q) plus the teacher's entropy.
    case crossEntropy = "cross-entropy"
    /// The larger of two alpha divergences, chosen per image: that of alpha = 1, KL(p‖q), which grows if q is small
    /// where p is large; and that of alpha = -1, (Σ q²/p - 1) / 2, which grows if q is large where p is small.
    case alphaDivergence = "alpha-divergence"

    /// The importance ratio q/p of alpha = -1 is clipped at this value, as published.
    public static let ratioLimit = 5.0
}

/// What a student network learns from.
public struct DistillationTerms: Sendable, Equatable {
    /// Whether the loss includes the cross entropy of the labels.
    public var usesLabels: Bool
    /// The share of a label's target that is distributed evenly over all classes.
    public var smoothing: Float
    /// The weight of the loss against the soft labels.
    public var softWeight: Float
    /// The loss against the soft labels.
    public var softLoss: SoftLoss

    /// Takes the terms of a loss.
    public init(usesLabels: Bool, smoothing: Float, softWeight: Float, softLoss: SoftLoss) {
        self.usesLabels = usesLabels
        self.smoothing = smoothing
        self.softWeight = softWeight
        self.softLoss = softLoss
    }
}

extension CPUEngine {
    /// Adds the mean losses over the images to `totals`, and writes the gradient with respect to the logits (images,
    /// classes) to `gradient`, divided by `partOf` images (by default by their own number). `soft` holds the soft
    /// labels (images, classes; rows sum to 1). `totals` gets the loss against labels, 0 unless `terms.usesLabels`, and
    /// the loss against soft labels without its weight.
    ///
    /// With alpha = -1, the gradient is that of -Σ q ρ log q with q and ρ = -min(q/p, 5) held constant, as published:
    /// where no ratio is clipped, it is the gradient of the divergence.
    public func distillationLoss(
        _ logits: Tensor, classes: Int, labels: [Int32], soft: Tensor, terms: DistillationTerms,
        gradient: Tensor?, partOf batch: Int?, into totals: LossTotals
    ) {
        let images = labels.count
        precondition(
            labels.allSatisfy { (0..<classes).contains(Int($0)) },
            "distillationLoss: a label is not one of \(classes) classes")
        reserve(.sums(channels: 0, images: images))
        let results = losses, share = 1 / Double(batch ?? images)
        forEachShare("distillationLoss", floats: images * classes * 3, images) { _, mine in
            for n in mine {
                let image = StudentImage(
                    UnsafePointer(logits.pointer + n * classes),
                    soft: UnsafePointer(soft.pointer + n * classes), classes: classes,
                    label: Int(labels[n]))
                results[n] = image.losses(
                    terms, gradient.map { $0.pointer + n * classes }, share: share)
            }
        }
        // Losses are added up in the order of the images, whichever thread computed them.
        var hard = 0.0, kept = 0.0
        for n in 0..<images {
            hard += results[n].0
            kept += results[n].1
            totals.add(correct: results[n].2)
        }
        totals.add(hard: hard / Double(images), soft: kept / Double(images))
    }

    /// Limits every value of an arena to -`limit`...`limit`.
    public func clip(_ arena: Storage, to limit: Float) {
        forEachShare("clip", floats: 2 * arena.count, arena.count) { _, mine in
            for index in mine {
                let value = arena.base[index]
                arena.base[index] = value > limit ? limit : value < -limit ? -limit : value
            }
        }
    }
}

/// One image's logits and its soft label.
private struct StudentImage {
    private let x, soft: UnsafePointer<Float>
    private let classes, label: Int
    /// The class of the largest logit, and the logarithm of the sum of exponentials.
    private let best: Int, logSum: Double

    init(_ x: UnsafePointer<Float>, soft: UnsafePointer<Float>, classes: Int, label: Int) {
        (self.x, self.soft, self.classes, self.label) = (x, soft, classes, label)
        var best = 0, sum = 0.0
        for c in 1..<classes where x[c] > x[best] { best = c }
        for c in 0..<classes { sum += exp(Double(x[c]) - Double(x[best])) }
        self.best = best
        logSum = log(sum) + Double(x[best])
    }

    private func logQ(_ c: Int) -> Double { Double(x[c]) - logSum }

    /// Returns min(q/p, 5); 5 if p is 0.
    private func ratio(_ q: Double, _ c: Int) -> Double {
        let p = Double(soft[c])
        return q >= SoftLoss.ratioLimit * p ? SoftLoss.ratioLimit : q / p
    }

    /// Returns the loss against the label, that against the soft label, and 1 if the top-1 prediction is correct, else
    /// 0; writes `share` times the gradient of their weighted sum.
    func losses(
        _ terms: DistillationTerms, _ gradient: UnsafeMutablePointer<Float>?, share: Double
    ) -> (Double, Double, Int) {
        let off = Double(terms.smoothing) / Double(classes), on = 1 - Double(terms.smoothing)
        var hard = 0.0, cross = 0.0, certainty = 0.0, mass = 0.0, spread = 0.0
        for c in 0..<classes {
            let log = logQ(c), p = Double(soft[c]), q = exp(log)
            hard -= (off + (c == label ? on : 0)) * log
            if p > 0 {
                cross -= p * log
                certainty += p * Foundation.log(p)
            }
            mass += p
            spread += q * ratio(q, c)
        }
        let forward = cross + certainty, backward = (spread - 1) / 2
        let isAlpha = terms.softLoss == .alphaDivergence
        let isBackward = isAlpha && !(backward <= forward)
        if let gradient {
            let weight = Double(terms.softWeight)
            for c in 0..<classes {
                let q = exp(logQ(c))
                var push =
                    weight
                    * (isBackward ? q * (ratio(q, c) - spread) : mass * q - Double(soft[c]))
                if terms.usesLabels { push += q - off - (c == label ? on : 0) }
                gradient[c] = Float(push * share)
            }
        }
        return (
            terms.usesLabels ? hard : 0,
            isAlpha ? isBackward ? backward : forward : cross, best == label ? 1 : 0
        )
    }
}
