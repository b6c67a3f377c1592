// The number of targets from which training once and specialising costs less than training a network for each target.

import Foundation
import Metering

/// The break-even of a fixed cost F and a cost s per target against a cost m per target: F / (m − s)
/// targets, rounded up.
public struct BreakEven: Sendable, Equatable {
    /// The cost that does not depend on the number of targets (F).
    public let fixed: Interval
    /// The additional cost of each target (s).
    public let perTarget: Interval
    /// The cost of a network that is trained for one target alone (m).
    public let alone: Interval
    /// Whether one meter or model measured all three costs, so that its error scales them alike.
    public let isOneMeter: Bool

    /// The three costs have one unit and are at least 0.
    public init(
        fixed: Interval, perTarget: Interval, alone: Interval, isOneMeter: Bool = false
    ) {
        (self.fixed, self.perTarget, self.alone) = (fixed, perTarget, alone)
        self.isOneMeter = isOneMeter
    }

    /// The number of targets from which the fixed cost pays; nil if it never does.
    public var targets: Int? {
        Self.targets(fixed.value, perTarget.value, alone.value)
    }

    /// The fewest targets that the ranges of the costs allow; nil if it never pays within them.
    public var fewest: Int? {
        isOneMeter
            ? common.compactMap(\.self).min()
            : Self.targets(fixed.low, perTarget.low, alone.high)
    }

    /// The most targets that the ranges of the costs allow; nil if within them it may never pay.
    public var most: Int? {
        isOneMeter
            ? (common.contains(nil) ? nil : common.compactMap(\.self).max())
            : Self.targets(fixed.high, perTarget.high, alone.low)
    }

    /// The numbers of targets at the lower bounds, the values and the upper bounds of the costs.
    private var common: [Int?] {
        [
            Self.targets(fixed.low, perTarget.low, alone.low), targets,
            Self.targets(fixed.high, perTarget.high, alone.high),
        ]
    }

    /// Returns ⌈fixed / (alone − perTarget)⌉; nil if `alone` is at most `perTarget`.
    public static func targets(_ fixed: Double, _ perTarget: Double, _ alone: Double) -> Int? {
        let gain = alone - perTarget
        guard gain > 0 else { return nil }
        let exact = fixed / gain
        // A quotient that rounding put above a whole number is that number.
        let whole = (exact - exact * 1e-12).rounded(.up)
        return whole < 1e15 ? Int(whole) : nil
    }
}

extension BreakEven {
    /// The JSON form of a break-even.
    public struct Document: Sendable, Encodable {
        let against: String
        let unit: String
        let fixed, fixed_low, fixed_high: Double
        let per_target, per_target_low, per_target_high: Double
        let alone, alone_low, alone_high: Double
        let targets, targets_low, targets_high: Int?
        let never, may_never: Bool
        let one_meter: Bool
        let tier: MeteringTier?
    }

    /// Returns the break-even as a JSON document. `against` names what it is compared with, `unit` is the unit of the
    /// costs, and `tier` their worst measurement tier.
    public func document(against: String, unit: String, tier: MeteringTier?) -> Document {
        Document(
            against: against, unit: unit, fixed: fixed.value, fixed_low: fixed.low,
            fixed_high: fixed.high, per_target: perTarget.value, per_target_low: perTarget.low,
            per_target_high: perTarget.high, alone: alone.value, alone_low: alone.low,
            alone_high: alone.high, targets: targets, targets_low: fewest, targets_high: most,
            never: targets == nil, may_never: most == nil, one_meter: isOneMeter, tier: tier)
    }
}
