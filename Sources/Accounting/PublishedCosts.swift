// The published figures behind the claim that training once saves energy and carbon, by the formulas of their papers.
// Two studies have different baselines, so their figures are not divided by each other.

import Foundation
import Metering

/// The conversion of hours to energy, carbon and money in a paper.
public struct PublishedConversion: Sendable, Equatable {
    /// The power of the machine that the hours are of, in watts.
    public let watts: Double
    /// The energy of the building divided by that of its IT equipment.
    public let pue: Double
    /// Pounds of CO2e per kWh.
    public let poundsPerKWh: Double
    /// US dollars per hour; nil if the paper states none.
    public let dollarsPerHour: Double?

    /// Kilograms in a pound.
    public static let kilogramsPerPound = 0.453_592_37
    /// Strubell et al., 2019: a machine with eight P100 GPUs; the PUE of a survey (2018) and the mean of the United
    /// States (EPA, 2018).
    public static let strubell = PublishedConversion(
        watts: 1515.43, pue: 1.58, poundsPerKWh: 0.954, dollarsPerHour: nil)
    /// Cai et al., 2020: one of the 64 V100 GPUs that Strubell et al. list at 12,041.51 W, with their PUE and carbon.
    public static let onceForAll = PublishedConversion(
        watts: 12_041.51 / 64, pue: 1.58, poundsPerKWh: 0.954, dollarsPerHour: 3.06)

    /// Returns the energy of the IT equipment in kWh.
    public func itKWh(hours: Double) -> Double { watts * hours / 1000 }
    /// Returns the energy of the building in kWh.
    public func facilityKWh(hours: Double) -> Double {
        Emissions.facilityKWh(itKWh: itKWh(hours: hours), pue: pue)
    }
    /// Returns the carbon in pounds of CO2e.
    public func pounds(hours: Double) -> Double { facilityKWh(hours: hours) * poundsPerKWh }
    /// Returns the price in US dollars; nil if the paper states none.
    public func dollars(hours: Double) -> Double? { dollarsPerHour.map { $0 * hours } }
}

/// A way of getting a network for each of several devices, with its GPU hours as published by Cai et al., 2020
/// (table 1).
public struct PublishedMethod: Sendable, Equatable {
    /// The name of the method.
    public let name: String
    /// The GPU hours that do not depend on the number of devices.
    public let fixedHours: Double
    /// The GPU hours of each device.
    public let hoursPerTarget: Double

    /// The hours of once-for-all: 1,200 of training, 40 of measured accuracies for the predictor.
    public static let onceForAll = PublishedMethod(
        name: "once-for-all", fixedHours: 1240, hoursPerTarget: 0)
    /// Once-for-all with further training of each device's network, for 25 and 75 epochs.
    public static let tuned = [
        PublishedMethod(name: "once-for-all #25", fixedHours: 1240, hoursPerTarget: 25),
        PublishedMethod(name: "once-for-all #75", fixedHours: 1240, hoursPerTarget: 75),
    ]
    /// Methods that train a network for each device: designed by hand, or found by a search for each device.
    public static let others = [
        PublishedMethod(name: "MobileNetV2", fixedHours: 0, hoursPerTarget: 150),
        PublishedMethod(name: "MobileNetV3-Large", fixedHours: 0, hoursPerTarget: 180),
        PublishedMethod(name: "ProxylessNAS", fixedHours: 0, hoursPerTarget: 500),
        PublishedMethod(name: "FBNet-C", fixedHours: 0, hoursPerTarget: 576),
        PublishedMethod(name: "MnasNet", fixedHours: 0, hoursPerTarget: 40_000),
    ]

    /// Returns the GPU hours for `targets` devices.
    public func hours(targets: Int) -> Double { fixedHours + hoursPerTarget * Double(targets) }

    /// Returns the number of devices from which this method costs less than `other`; nil if it never does.
    public func breakEven(against other: PublishedMethod) -> Int? {
        BreakEven.targets(
            fixedHours - other.fixedHours, hoursPerTarget, other.hoursPerTarget)
    }
}
