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

    /// Returns the line of a stage: `full: loss █▅▃▁ 0.412, mean of steps 871 to 900; held out at step 800: largest
    /// 91.2 %`.
    static func text(_ curve: TrainingCurve) -> String {
        var text = "\(curve.stage): loss \(sparkline(curve.points.map(\.loss)))"
        text += curve.points.last?.loss.map { String(format: " %.3f", $0) } ?? " not finite"
        if let last = curve.points.last {
            text +=
                last.firstStep == last.lastStep
                ? " at step \(last.lastStep)"
                : ", mean of steps \(last.firstStep) to \(last.lastStep)"
        }
        let last = curve.lastValidation
        guard let step = last.first?.step else { return text }
        let order = ["largest", "middle", "smallest"]
        let parts = order.compactMap { name in
            last.first { $0.network == name }.map {
                String(format: "\(name) %.1f %%", 100 * $0.accuracy)
            }
        }
        return text + "; held out at step \(step): " + parts.joined(separator: ", ")
    }
}
