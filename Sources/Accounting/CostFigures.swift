// Figures beside energy: water, money and embodied carbon of a group of attempts, and for how much of the group each figure
// is unknown.

import Metering
import Postgres

/// An amount in whole millionths of a unit, with its range in units.
public struct CostAmount: Sendable, Equatable {
    /// The amount in millionths, such as microlitres.
    public var millionths: Int64
    /// The lower bound, in units.
    public var low: Double
    /// The upper bound, in units.
    public var high: Double

    /// The amount in units.
    public var value: Double { Double(millionths) / 1e6 }

    /// Adds amounts of the same model, whose bounds add up because their errors are not independent.
    public static func + (left: Self, right: Self) -> Self {
        CostAmount(
            millionths: left.millionths + right.millionths, low: left.low + right.low,
            high: left.high + right.high)
    }

    /// Adds amounts of which one may be unknown: the sum is that of the known ones.
    static func sum(_ left: Self?, _ right: Self?) -> Self? {
        guard let left, let right else { return left ?? right }
        return left + right
    }
}

/// The figures of a group of attempts that are computed from factors and from what is stated of machines. A figure is the sum
/// of its known parts, nil without any; the part that lacks it is stated.
public struct CostFigures: Sendable, Equatable {
    /// The energy of the building (IT energy times PUE) in microjoules; nil if no PUE is known.
    public var buildingUj: Double?
    /// The energy without a known carbon intensity or PUE, in microjoules.
    public var carbonMissingUj: Int64 = 0
    /// The energy of hours that the series of their zone lacks, counted with the zone's value of a longer period, in
    /// microjoules.
    public var standInUj: Int64 = 0
    /// Water in litres.
    public var water: CostAmount?
    /// The energy without a known WUE, in microjoules.
    public var waterMissingUj: Int64 = 0
    /// Money, by currency.
    public var money: [String: CostAmount] = [:]
    /// The time of attempts whose money is unknown, or is without that of unknown energy, in nanoseconds.
    public var moneyMissingNs: Int64 = 0
    /// The attempts' share of the carbon of making the machines, in grams of CO2e.
    public var embodied: CostAmount?
    /// The time of attempts whose embodied carbon is unknown, in nanoseconds.
    public var embodiedMissingNs: Int64 = 0

    /// Adds figures.
    public static func + (left: Self, right: Self) -> Self {
        var sum = left
        if let building = right.buildingUj { sum.buildingUj = (left.buildingUj ?? 0) + building }
        sum.carbonMissingUj += right.carbonMissingUj
        sum.standInUj += right.standInUj
        sum.water = CostAmount.sum(left.water, right.water)
        sum.waterMissingUj += right.waterMissingUj
        sum.money.merge(right.money, uniquingKeysWith: +)
        sum.moneyMissingNs += right.moneyMissingNs
        sum.embodied = CostAmount.sum(left.embodied, right.embodied)
        sum.embodiedMissingNs += right.embodiedMissingNs
        return sum
    }

    /// The money with its currency; nil if it is unknown, or in several currencies.
    public var onlyMoney: (currency: String, amount: CostAmount)? {
        money.count == 1 ? money.first.map { ($0.key, $0.value) } : nil
    }
}

extension CostFigures {
    /// Reads the figures of a row of CostBy; `energy` is the energy of that row.
    init(_ record: Row, energy: Energy) throws {
        buildingUj = try record.optionalDouble("building_uj")
        carbonMissingUj = try record.int64("carbon_missing_uj")
        standInUj = try record.int64("stand_in_uj")
        waterMissingUj = try record.int64("water_missing_uj")
        moneyMissingNs = try record.int64("money_missing_ns")
        embodiedMissingNs = try record.int64("embodied_missing_ns")
        if let litres = try record.optionalInt64("water_ul") {
            // Errors of energy and WUE are independent.
            let range = ProductInterval.logQuadrature([
                energy.relative, try record.interval(Double(litres), "water"),
            ])
            water = CostAmount(
                millionths: litres, low: range.low / 1e6, high: range.high / 1e6)
        }
        if let money = try record.optionalInt64("money_u") {
            let range = try record.interval(Double(money), "money")
            self.money[try record.text("currency")] = CostAmount(
                millionths: money, low: range.low / 1e6, high: range.high / 1e6)
        }
        if let grams = try record.optionalInt64("embodied_ug") {
            let range = try record.interval(Double(grams), "embodied")
            embodied = CostAmount(
                millionths: grams, low: range.low / 1e6, high: range.high / 1e6)
        }
    }
}

extension Row {
    /// Returns `value` with the bounds in the columns `name`_low and `name`_high. A bound that rounding moved to the other
    /// side of the value, and one that is NULL, is the value.
    func interval(_ value: Double, _ name: String) throws -> Interval {
        Interval(
            value: value, low: min(value, try optionalDouble("\(name)_low") ?? value),
            high: max(value, try optionalDouble("\(name)_high") ?? value))
    }

    /// Returns the bounds in the columns `name`_low and `name`_high as multiples of `value`; exactly 1 if that is 0.
    func relative(_ value: Double, _ name: String) throws -> Interval {
        guard value > 0 else { return Interval(exactly: 1) }
        let bounds = try interval(value, name)
        return Interval(value: 1, low: bounds.low / value, high: bounds.high / value)
    }
}

extension Energy {
    /// The energy's range as a multiple of the energy; exactly 1 for no energy.
    var relative: Interval {
        guard microjoules > 0 else { return Interval(exactly: 1) }
        let value = Double(microjoules)
        return Interval(value: 1, low: Double(low) / value, high: Double(high) / value)
    }
}
