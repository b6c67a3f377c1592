// From IT energy to energy of the building, litres of water and grams of CO2e.

import Foundation
import Metering

/// Formulas over energy of IT equipment.
public enum Emissions {
    /// Microjoules in a kilowatt-hour.
    public static let microjoulesPerKWh = 3.6e12

    /// Converts microjoules to kWh.
    public static func kilowattHours(microjoules: Int64) -> Double {
        Double(microjoules) / microjoulesPerKWh
    }

    /// Energy of the building in kWh: IT energy in kWh times the PUE.
    public static func facilityKWh(itKWh: Double, pue: Double) -> Double { itKWh * pue }

    /// Water in litres: IT energy in kWh times the WUE in litres per kWh.
    public static func litres(itKWh: Double, wue: Double) -> Double { itKWh * wue }

    /// Grams of CO2e of intervals of IT energy (kWh), each with its own carbon intensity (g/kWh).
    public static func grams(_ pieces: [(itKWh: Double, gramsPerKWh: Double)], pue: Double)
        -> Double
    {
        pieces.reduce(0) { $0 + facilityKWh(itKWh: $1.itKWh, pue: pue) * $1.gramsPerKWh }
    }
}

/// Intervals of products.
public enum ProductInterval {
    /// The product of independent factors: relative errors add as squares of logarithms.
    ///
    /// low = v · exp(−√Σ ln²(v_i/low_i)), high = v · exp(√Σ ln²(high_i/v_i)). A factor of zero
    /// makes the product zero.
    public static func logQuadrature(_ factors: [Interval]) -> Interval {
        let value = factors.reduce(1) { $0 * $1.value }
        guard value > 0 else { return Interval(exactly: 0) }
        let down = factors.reduce(0.0) { $0 + square(log($1.value / $1.low)) }
        let up = factors.reduce(0.0) { $0 + square(log($1.high / $1.value)) }
        return Interval(
            value: value, low: value * exp(-down.squareRoot()), high: value * exp(up.squareRoot()))
    }

    /// The product if every factor errs to the same side: the widest interval.
    public static func box(_ factors: [Interval]) -> Interval {
        Interval(
            value: factors.reduce(1) { $0 * $1.value },
            low: factors.reduce(1) { $0 * $1.low },
            high: factors.reduce(1) { $0 * $1.high })
    }

    private static func square(_ number: Double) -> Double { number * number }
}
