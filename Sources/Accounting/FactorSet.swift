// Versioned factors that convert energy to carbon. Meter rows never change; with another factor
// set, carbon is computed anew from the same rows.

import Intake
import Metering
import Postgres
import Schema

/// One factor with its source.
public struct Factor: Sendable, Equatable {
    /// The kind of the factor: `pue` or `intensity`.
    public let kind: String
    /// The zone of the factor: `default` for the PUE; for an intensity, the three letters of a
    /// country, or `world`.
    public let zone: String
    /// The value of the factor with its range. If the source states no range, both bounds equal the
    /// value.
    public let interval: Interval
    /// Whether the source states a range.
    public let hasRange: Bool
    /// The unit of the factor.
    public let unit: String
    /// The scope of an intensity: `lifecycle`, `direct` or `none`.
    public let type: String
    /// The kind of mean of an intensity: `average`, `marginal` or `none`.
    public let signal: String
    /// The publisher of the data.
    public let source: String
    /// The licence of the data.
    public let licence: String
    /// The period that the data describes.
    public let vintage: String
}

/// The currently valid factors of one version.
public struct FactorSet: Sendable, Equatable {
    /// The zone of a host without `OFA_ZONE`.
    public static let usualZone = "world"

    /// The version of the set, printed with figures of carbon.
    public let version: Int
    /// A description of the set.
    public let note: String
    /// The power usage effectiveness: energy of the building divided by energy of its IT equipment.
    public let pue: Factor
    /// The carbon intensities in grams of CO2e per kWh, by zone.
    public let intensities: [String: Factor]

    /// Loads the factor set `version`, by default the newest. Errors: `unknownFactorSet`.
    public static func load(_ connection: Connection, version: Int? = nil) throws -> FactorSet {
        let sets =
            if let version { try connection.query(.factorSetGet(version: version)) } else {
                try connection.query(.factorSetNewest)
            }
        guard let set = sets.first else {
            guard let version else {
                throw AccountingError(
                    .unknownFactorSet, "there is no factor set in this database",
                    remedy: "run ofa db migrate")
            }
            throw AccountingError(
                .unknownFactorSet, "there is no factor set \(version)",
                remedy: "leave --factors out for the newest")
        }
        let number = try set.int("version")
        let factors = try connection.query(.factorList(version: number)).map { try Factor($0) }
        guard let pue = factors.first(where: { $0.kind == "pue" && $0.zone == "default" }) else {
            throw AccountingError(
                .unknownFactorSet, "factor set \(number) has no PUE",
                remedy: "use another version")
        }
        let zones = factors.filter { $0.kind == "intensity" }.map { ($0.zone, $0) }
        return FactorSet(
            version: number, note: try set.text("note"), pue: pue,
            intensities: Dictionary(zones, uniquingKeysWith: { first, _ in first }))
    }

    /// Returns the carbon intensity of a zone. Errors: `unknownZone`, which names the zones of the
    /// set.
    public func intensity(_ zone: String) throws(AccountingError) -> Factor {
        guard let factor = intensities[zone] else {
            let zones = intensities.keys.sorted()
            let near = NearestName.remedy(zone, among: zones).map { $0 + " " } ?? ""
            throw AccountingError(
                .unknownZone,
                "factor set \(version) has no carbon intensity for zone '\(Shown.excerpt(zone))'",
                remedy: "\(near)set OFA_ZONE to one of \(zones.joined(separator: ", "))")
        }
        return factor
    }

    /// Returns the zone in `OFA_ZONE`; if that is empty or not set, the zone that is stated of the machine (`ofa host set`),
    /// else `world`. Errors: `unknownZone` if this set has no intensity for the zone.
    public func zone(
        environment: [String: String], stated: String? = nil
    ) throws(AccountingError) -> String {
        let name = environment["OFA_ZONE"].flatMap { $0.isEmpty ? nil : $0 } ?? stated
        return try intensity(name ?? Self.usualZone).zone
    }
}

extension Factor {
    /// Reads a factor from a row of FactorList.
    init(_ row: Row) throws {
        let value = try row.double("value")
        let low = try row.optionalDouble("low")
        let high = try row.optionalDouble("high")
        self.init(
            kind: try row.text("kind"), zone: try row.text("zone"),
            interval: Interval(value: value, low: low ?? value, high: high ?? value),
            hasRange: low != nil,
            unit: try row.text("unit"), type: try row.text("type"), signal: try row.text("signal"),
            source: try row.text("source"), licence: try row.text("licence"),
            vintage: try row.text("vintage"))
    }
}
