// The published schedule: a linear warm-up, then a cosine to zero over the remaining steps.

import Foundation

/// The learning rate of every step of a phase.
public struct LearningRateSchedule: Sendable, Equatable {
    /// The rate after the warm-up.
    public let peak: Double
    /// Steps of the warm-up and of the whole phase.
    public let warmupSteps, steps: Int

    /// Takes the peak and the numbers of steps. `steps` counts the warm-up too; a longer warm-up is shortened to
    /// `steps`.
    public init(peak: Double, warmupSteps: Int, steps: Int) {
        self.peak = peak
        self.warmupSteps = min(warmupSteps, steps)
        self.steps = steps
    }

    /// Returns the rate of step `step`, counted from 0.
    public func rate(at step: Int) -> Double {
        if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
        let progress = Double(step - warmupSteps) / Double(max(steps - warmupSteps, 1))
        return 0.5 * peak * (1 + cos(.pi * min(progress, 1)))
    }
}
