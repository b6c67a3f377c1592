// Converts energy of IT equipment to energy of the building, litres of water and grams of CO2e.

import Foundation
import Metering

/// Formulas over the energy of IT equipment.
public enum Emissions {
    /// The number of microjoules in a kilowatt-hour.
    public static let microjoulesPerKWh = 3.6e12

    /// Converts microjoules to kWh.
    public static func kilowattHours(microjoules: Int64) -> Double {
        Double(microjoules) / microjoulesPerKWh
    }

    /// Returns the energy of the building in kWh: IT energy in kWh times the PUE.
    public static func facilityKWh(itKWh: Double, pue: Double) -> Double { itKWh * pue }

    /// Returns the water in litres: IT energy in kWh times the WUE in litres per kWh.
    public static func litres(itKWh: Double, wue: Double) -> Double { itKWh * wue }

    /// Returns the grams of CO2e of several amounts of IT energy (kWh), each with its own carbon
    /// intensity (g/kWh).
    public static func grams(_ pieces: [(itKWh: Double, gramsPerKWh: Double)], pue: Double)
        -> Double
    {
        pieces.reduce(0) { $0 + facilityKWh(itKWh: $1.itKWh, pue: pue) * $1.gramsPerKWh }
    }

    /// Returns the share of the carbon of making a machine, `total` grams, that `hours` of its `lifetimeHours` have, with
    /// `share` of its processors reserved.
    public static func embodied(
        total: Double, hours: Double, lifetimeHours: Double, share: Double = 1
    ) -> Double {
        total * hours / lifetimeHours * share
    }

    /// Returns the software carbon intensity for each device target: carbon of energy and of making the machines, by the
    /// number of targets.
    public static func sci(grams: Double, embodied: Double, targets: Int) -> Double {
        (grams + embodied) / Double(targets)
    }
}

/// Products of uncertain factors.
public enum ProductInterval {
    /// Returns the product of independent factors with its range. The error of a factor is
    /// ln(bound / value); the squares of these errors add up.
    ///
    /// low = v · exp(−√Σ ln²(v_i/low_i)), high = v · exp(√Σ ln²(high_i/v_i)). A factor of zero
    /// makes the product and its range zero.
    public static func logQuadrature(_ factors: [Interval]) -> Interval {
        let value = factors.reduce(1) { $0 * $1.value }
        guard value > 0 else { return Interval(exactly: 0) }
        let down = factors.reduce(0.0) { $0 + square(log($1.value / $1.low)) }
        let up = factors.reduce(0.0) { $0 + square(log($1.high / $1.value)) }
        return Interval(
            value: value, low: value * exp(-down.squareRoot()), high: value * exp(up.squareRoot()))
    }

    /// Returns the product with its widest range: all factors err to the same side.
    public static func box(_ factors: [Interval]) -> Interval {
        Interval(
            value: factors.reduce(1) { $0 * $1.value },
            low: factors.reduce(1) { $0 * $1.low },
            high: factors.reduce(1) { $0 * $1.high })
    }

    private static func square(_ number: Double) -> Double { number * number }
}
