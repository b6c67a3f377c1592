// Versioned factors that convert energy to carbon. Meter rows never change; with another factor
// set, carbon is computed anew from the same rows.

import Intake
import Metering
import Postgres
import Schema

/// The type and signal of carbon intensities. Figures of one table have one basis, because intensities of several are not
/// comparable.
public struct IntensityBasis: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// `lifecycle`, with the making of power plants and fuels, or `direct`, of burning alone.
    public let type: String
    /// `average` of all plants, or `marginal`: of those that produce the next kWh.
    public let signal: String

    /// The basis of the seeded factors.
    public static let usual = IntensityBasis(type: "lifecycle", signal: "average")

    /// `type` is `lifecycle` or `direct`, `signal` is `average` or `marginal`.
    public init(type: String, signal: String) {
        self.type = type
        self.signal = signal
    }

    /// Parses a text such as `direct-marginal`. Throws for any other text.
    public init(_ text: String) throws(InputFault) {
        let all = ["lifecycle", "direct"].flatMap { type in
            ["average", "marginal"].map { IntensityBasis(type: type, signal: $0) }
        }
        guard let basis = all.first(where: { $0.name == text }) else {
            throw InputFault(
                "is not known", remedy: NearestName.remedy(text, known: all.map(\.name)))
        }
        self = basis
    }

    /// The basis as an option's value, such as `direct-marginal`.
    public var name: String { "\(type)-\(signal)" }
    /// The basis in words, such as `direct marginal`.
    public var description: String { "\(type) \(signal)" }

    /// Orders by name.
    public static func < (left: Self, right: Self) -> Bool { left.name < right.name }
}

/// One factor with its source.
public struct Factor: Sendable, Equatable {
    /// The kind of the factor: `pue`, `wue`, `intensity` or `price`.
    public let kind: String
    /// The zone of the factor: the three letters of a country, or `world`; `default` for a PUE, WUE or price of all zones.
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
    /// Whether this is the last hour of a series by the hour.
    public let isHourly: Bool
}

/// The factors of one version: of each kind and zone the one that is valid now, else the latest.
public struct FactorSet: Sendable, Equatable {
    /// The zone of a host without `OFA_ZONE`.
    public static let usualZone = "world"

    /// The version of the set, printed with figures of carbon.
    public let version: Int
    /// A description of the set.
    public let note: String
    /// The power usage effectiveness: energy of the building divided by energy of its IT equipment.
    public let pue: Factor
    /// The carbon intensities in grams of CO2e per kWh of the basis `basis`, by zone. A zone with a series only has its last
    /// hour.
    public let intensities: [String: Factor]
    /// The zones whose intensity of this basis is known by the hour.
    public let hourlyZones: Set<String>
    /// The type and signal of `intensities`.
    public let basis: IntensityBasis
    /// The factors of other kinds than intensity, and intensities of another basis.
    public let others: [Factor]

    /// Loads the factor set `version`, by default the newest, with intensities of `basis`: by default lifecycle averages,
    /// or those of the set's only basis. Errors: `unknownFactorSet`; `mixedFactors` if the set has several bases and no
    /// lifecycle averages.
    public static func load(
        _ connection: Connection, version: Int? = nil, basis: IntensityBasis? = nil
    ) throws -> FactorSet {
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
        let known = try Self.basis(basis, of: factors, version: number)
        let (used, others) = factors.reduce(into: ([Factor](), [Factor]())) { parts, factor in
            if factor.basis == known { parts.0.append(factor) } else { parts.1.append(factor) }
        }
        // Of a zone with a series and a longer period, the latter comes first.
        let zones = used.map { ($0.zone, $0) }
        return FactorSet(
            version: number, note: try set.text("note"), pue: pue,
            intensities: Dictionary(zones, uniquingKeysWith: { first, _ in first }),
            hourlyZones: Set(used.filter(\.isHourly).map(\.zone)), basis: known, others: others)
    }

    private static func basis(
        _ wanted: IntensityBasis?, of factors: [Factor], version: Int
    ) throws(AccountingError) -> IntensityBasis {
        let bases = Set(factors.compactMap(\.basis)).sorted()
        let names = bases.map(\.description).joined(separator: ", ")
        if let wanted {
            guard bases.contains(wanted) else {
                throw AccountingError(
                    .mixedFactors, "factor set \(version) has no \(wanted) intensities",
                    remedy: "it has \(bases.isEmpty ? "none" : names)")
            }
            return wanted
        }
        if bases.contains(.usual) { return .usual }
        guard bases.count <= 1 else {
            throw AccountingError(
                .mixedFactors,
                "factor set \(version) has intensities of several types: \(names)",
                remedy: "choose one with --intensity, such as \(bases[0].name)")
        }
        return bases.first ?? .usual
    }

    /// Returns the carbon intensity of a zone. Errors: `unknownZone`, which names the zones of the
    /// set.
    public func intensity(
        _ zone: String, choosing: String = "set OFA_ZONE to"
    ) throws(AccountingError) -> Factor {
        guard let factor = intensities[zone] else {
            if let other = others.first(where: { $0.zone == zone && $0.basis != nil })?.basis {
                throw AccountingError(
                    .unknownZone,
                    "factor set \(version) has no \(basis) carbon intensity for zone '\(zone)', but a \(other) one",
                    remedy: "--intensity \(other.name) uses it")
            }
            let zones = intensities.keys.sorted()
            let near = NearestName.remedy(zone, among: zones).map { $0 + " " } ?? ""
            throw AccountingError(
                .unknownZone,
                "factor set \(version) has no carbon intensity for zone '\(Shown.excerpt(zone))'",
                remedy: "\(near)\(choosing) one of \(zones.joined(separator: ", "))")
        }
        return factor
    }

    /// Returns the zone in `OFA_ZONE`; if that is empty or not set, the zone that is stated of the machine (`ofa host set`),
    /// else `world`. Errors: `unknownZone` if this set has no intensity for the zone.
    public func zone(
        environment: [String: String], stated: String? = nil
    ) throws(AccountingError) -> String {
        let name =
            environment["OFA_ZONE"].flatMap { $0.isEmpty ? nil : $0 } ?? stated ?? Self.usualZone
        return try known(name, choosing: "set OFA_ZONE to")
    }

    /// Returns `zone`. Errors: `unknownZone` if this set has no intensity of any type for it; the remedy begins with
    /// `choosing`.
    func known(_ zone: String, choosing: String) throws(AccountingError) -> String {
        // What a worker records is a zone, whatever the basis of figures.
        if others.contains(where: { $0.zone == zone && $0.basis != nil }) { return zone }
        return try intensity(zone, choosing: choosing).zone
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
            vintage: try row.text("vintage"), isHourly: try row.bool("hourly"))
    }

    /// The type and signal of an intensity; nil for other kinds.
    public var basis: IntensityBasis? {
        kind == "intensity" ? IntensityBasis(type: type, signal: signal) : nil
    }
}
