// The line of `ofa status` about a training stage: the loss as a sparkline, and the last validation.

import Foundation
import Jobs

/// Describes how a stage trains in one line.
enum TrainingLine {
    /// The number of characters of the sparkline.
    static let cells = 32
    private static let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// Returns values as bars between the least and the largest; values that are missing are blanks.
    static func sparkline(_ values: [Double?]) -> String {
        let known = values.compactMap(\.self).filter(\.isFinite)
        guard let least = known.min(), let most = known.max() else { return "" }
        return String(
            values.map { value -> Character in
                guard let value, value.isFinite else { return " " }
                guard most > least else { return bars[0] }
                return bars[Int(((value - least) / (most - least) * 7).rounded())]
            })
    }

    /// Returns at most `limit` values: the means of neighbouring ones, where there are more. A mean leaves missing
    /// values out.
    static func thinned(_ values: [Double?], to limit: Int) -> [Double?] {
        guard values.count > limit, limit > 0 else { return values }
        return (0..<limit).map { place in
            let part = values[
                place * values.count / limit..<(place + 1) * values.count / limit
            ].compactMap(\.self).filter(\.isFinite)
            return part.isEmpty ? nil : part.reduce(0, +) / Double(part.count)
        }
    }

    /// Returns the line of a stage: `full: loss █▅▃▁ 0.412, mean of steps 871 to 900; held out at step 800: largest
    /// 91.2 %`. The sparkline has at most `cells` characters.
    static func text(_ curve: TrainingCurve, cells: Int = cells) -> String {
        let held = heldOut(curve).map { "; " + $0 } ?? ""
        return "\(curve.stage): \(loss(curve, cells: cells))\(held)"
    }

    /// Returns the loss as a sparkline of at most `cells` characters and the last value with its steps.
    static func loss(_ curve: TrainingCurve, cells: Int) -> String {
        var text = "loss \(sparkline(thinned(curve.points.map(\.loss), to: cells)))"
        text += curve.points.last?.loss.map { String(format: " %.3f", $0) } ?? " not finite"
        if let last = curve.points.last {
            text +=
                last.firstStep == last.lastStep
                ? " at step \(last.lastStep)"
                : ", mean of steps \(last.firstStep) to \(last.lastStep)"
        }
        return text
    }

    /// Returns the last validation: `held out at step 800: largest 91.2 %, smallest 88.0 %`; nil without one.
    static func heldOut(_ curve: TrainingCurve) -> String? {
        let last = curve.lastValidation
        guard let step = last.first?.step else { return nil }
        let order = ["largest", "middle", "smallest"]
        let parts = order.compactMap { name in
            last.first { $0.network == name }.map {
                String(format: "\(name) %.1f %%", 100 * $0.accuracy)
            }
        }
        return "held out at step \(step): " + parts.joined(separator: ", ")
    }
}
