// What is stated of a machine (table ofa.host_setting): where it stands, what its power and it itself cost, its embodied
// carbon and its rating. What is not stated is unknown, never zero.

import Intake
import Metering

/// Figures that are stated of a machine.
public struct HostSetting: Sendable, Equatable, Codable {
    /// A number that can be stated. Its raw value is its name in files, in JSON and in the database.
    public enum Figure: String, Sendable, CaseIterable {
        /// Energy of the building over energy of its IT equipment.
        case pue
        /// The lower bound of `pue`.
        case pueLow = "pue_low"
        /// The upper bound of `pue`.
        case pueHigh = "pue_high"
        /// Litres of water for each kWh of IT energy.
        case wue
        /// The price of a processor for an hour, of a rented machine.
        case rentalPerCPUHour = "rental_per_cpu_hour"
        /// The price of a kWh of the building, for an owned machine.
        case kwhPrice = "kwh_price"
        /// The loss of value in an hour of an owned machine.
        case depreciationPerHour = "depreciation_per_hour"
        /// Grams of CO2e of making the whole machine.
        case embodied = "embodied_g"
        /// The lower bound of `embodied`.
        case embodiedLow = "embodied_low_g"
        /// The upper bound of `embodied`.
        case embodiedHigh = "embodied_high_g"
        /// The hours for which the machine is used in its life.
        case lifetimeHours = "lifetime_hours"
        /// The rated power of a processor socket in watts.
        case ratedWatts = "rated_watts"
        /// The hardware threads of that socket.
        case hostThreads = "host_threads"

        /// The values that are accepted.
        public var range: ClosedRange<Double> {
            switch self {
            case .pue, .pueLow, .pueHigh: 1...10
            case .wue: 0...1000
            case .rentalPerCPUHour, .kwhPrice, .depreciationPerHour: 0...1e6
            case .embodied, .embodiedLow, .embodiedHigh: 0...1e12
            case .lifetimeHours: 1...1e7
            case .ratedWatts, .hostThreads: 1...100_000
            }
        }

        /// Whether only whole numbers are accepted.
        public var isWhole: Bool { self == .hostThreads }

        /// Whether the number is an amount of money.
        public var isMoney: Bool {
            [.rentalPerCPUHour, .kwhPrice, .depreciationPerHour].contains(self)
        }

        /// The unit; for money the part after the currency.
        public var unit: String {
            switch self {
            case .pue, .pueLow, .pueHigh: "1"
            case .wue: "L/kWh"
            case .rentalPerCPUHour: "processor-hour"
            case .kwhPrice: "kWh"
            case .depreciationPerHour: "hour"
            case .embodied, .embodiedLow, .embodiedHigh: "g CO2e"
            case .lifetimeHours: "h"
            case .ratedWatts: "W"
            case .hostThreads: "threads"
            }
        }

        /// Parses a value. Errors: a value that is no number, out of range or not whole.
        public func read(_ text: String) throws(InputFault) -> Double {
            guard isWhole else { return try DecimalNumber.real(text, in: range) }
            return Double(
                try DecimalNumber.whole(text, in: Int(range.lowerBound)...Int(range.upperBound)))
        }
    }

    /// The electricity zone, as in `FactorSet.intensities`; nil if it is not stated.
    public var zone: String?
    /// Three capital letters, such as EUR; nil if no price is stated.
    public var currency: String?
    /// The numbers that are stated.
    public var figures: [Figure: Double]
    /// A note for people; empty if there is none.
    public var note: String

    /// States nothing unless given.
    public init(
        zone: String? = nil, currency: String? = nil, figures: [Figure: Double] = [:],
        note: String = ""
    ) {
        self.zone = zone
        self.currency = currency
        self.figures = figures
        self.note = note
    }

    /// The names of all keys of a file.
    public static let keys = ["zone", "currency", "note"] + Figure.allCases.map(\.rawValue)

    /// The stated rating of the processor's socket.
    public var rating: StatedRating {
        StatedRating(
            watts: figures[.ratedWatts], threads: figures[.hostThreads].map { Int($0) })
    }

    /// Parses the letters of a currency.
    public static func currency(_ text: String) throws(InputFault) -> String {
        guard text.wholeMatch(of: /[A-Z]{3}/) != nil else {
            throw InputFault(
                "is '\(Shown.excerpt(text, 40))'",
                remedy: "write three capital letters, such as EUR")
        }
        return text
    }

    /// Finds the first figure that contradicts another one; nil if there is none.
    public var contradiction: (key: String, fault: InputFault)? {
        for (value, low, high) in [
            (Figure.pue, Figure.pueLow, Figure.pueHigh),
            (.embodied, .embodiedLow, .embodiedHigh),
        ] {
            if let fault = outOfOrder(value, low, high) { return fault }
        }
        let owned = [Figure.kwhPrice, .depreciationPerHour].first { figures[$0] != nil }
        if figures[.rentalPerCPUHour] != nil, let owned {
            return (
                owned.rawValue,
                InputFault(
                    "is stated beside rental_per_cpu_hour: a machine is rented or owned",
                    remedy: "leave one out; a file replaces all that was stated before")
            )
        }
        let price = Figure.allCases.first { $0.isMoney && figures[$0] != nil }
        if let price, currency == nil {
            return (
                price.rawValue,
                InputFault("is stated without a currency", remedy: "add currency, such as EUR")
            )
        }
        if price == nil, currency != nil {
            return (
                "currency",
                InputFault(
                    "is stated without a price",
                    remedy: "add rental_per_cpu_hour, or kwh_price and depreciation_per_hour")
            )
        }
        return nil
    }

    private func outOfOrder(_ value: Figure, _ low: Figure, _ high: Figure) -> (
        key: String, fault: InputFault
    )? {
        let known = [low, high].filter { figures[$0] != nil }
        guard let bound = known.first else { return nil }
        guard known.count == 2, let middle = figures[value], let least = figures[low],
            let most = figures[high]
        else {
            return (
                bound.rawValue,
                InputFault(
                    "needs \(value.rawValue), \(low.rawValue) and \(high.rawValue)",
                    remedy: "state all three, or \(value.rawValue) alone")
            )
        }
        for (isWrong, key, relation) in [
            (least > middle, low, "above"), (most < middle, high, "below"),
        ] where isWrong {
            return (
                key.rawValue,
                InputFault(
                    "is \(relation) \(value.rawValue), which is \(DecimalNumber.text(middle))")
            )
        }
        return nil
    }

    // MARK: JSON

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    /// Reads the columns of a row of ofa.host_setting; other fields are ignored.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        var figures: [Figure: Double] = [:]
        for figure in Figure.allCases {
            figures[figure] = try fields.decodeIfPresent(
                Double.self, forKey: Key(figure.rawValue))
        }
        self.init(
            zone: try fields.decodeIfPresent(String.self, forKey: Key("zone")),
            currency: try fields.decodeIfPresent(String.self, forKey: Key("currency")),
            figures: figures,
            note: try fields.decodeIfPresent(String.self, forKey: Key("note")) ?? "")
    }

    /// Writes every figure, null if it is not stated.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(zone, forKey: Key("zone"))
        try fields.encode(currency, forKey: Key("currency"))
        try fields.encode(note, forKey: Key("note"))
        for figure in Figure.allCases {
            try fields.encode(figures[figure], forKey: Key(figure.rawValue))
        }
    }
}
