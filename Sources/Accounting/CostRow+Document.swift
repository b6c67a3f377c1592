// The JSON form of a row of a table of costs.

import Metering

extension CostRow {
    /// The JSON form of a row. The integer fields `energy_uj`, `emission_ug`, `wall_ns` and `cpu_ns` of the rows add up
    /// exactly to those of the total.
    public struct Document: Sendable, Encodable {
        /// The row.
        public var row: CostRow
        /// The name of the JSON field that holds the row's label, such as `stage`.
        public var labelName: String
        /// The row's share of the energy of the whole table; nil if the share is unknown.
        public var share: Double?

        /// `labelName` names the JSON field that holds the row's label; `share` is the row's share of the energy of the
        /// whole table.
        public init(row: CostRow, labelName: String, share: Double? = nil) {
            self.row = row
            self.labelName = labelName
            self.share = share
        }

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(_ name: String) { stringValue = name }
            init?(stringValue: String) { self.init(stringValue) }
            init?(intValue: Int) { nil }
        }

        /// Writes the fields that `ofa cost` and `ofa report` print.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(row.label, forKey: Key(labelName))
            try fields.encode(row.attempts, forKey: Key("attempts"))
            try fields.encode(row.notCompleted, forKey: Key("not_completed"))
            try fields.encode(row.gaps, forKey: Key("gaps"))
            try fields.encode(Double(row.gapNs) / 1e9, forKey: Key("gap_seconds"))
            try fields.encode(Double(row.wallNs) / 1e9, forKey: Key("seconds"))
            try fields.encode(Double(row.cpuNs) / 1e9, forKey: Key("cpu_seconds"))
            try fields.encode(Double(row.energy.microjoules) / 1e6, forKey: Key("energy_j"))
            try fields.encode(Double(row.energy.low) / 1e6, forKey: Key("energy_j_low"))
            try fields.encode(Double(row.energy.high) / 1e6, forKey: Key("energy_j_high"))
            try fields.encode(share, forKey: Key("share"))
            try fields.encode(
                Emissions.kilowattHours(microjoules: row.energy.microjoules), forKey: Key("kwh"))
            // Carbon of energy without a factor is unknown, not 0.
            let knowsCarbon = row.knownGrams != nil
            try fields.encode(knowsCarbon ? row.grams : nil, forKey: Key("gco2e"))
            try fields.encode(knowsCarbon ? row.gramsLow : nil, forKey: Key("gco2e_low"))
            try fields.encode(knowsCarbon ? row.gramsHigh : nil, forKey: Key("gco2e_high"))
            try fields.encode(row.tier, forKey: Key("tier"))
            try fields.encode(row.methods, forKey: Key("methods"))
            try fields.encode(row.wallNs, forKey: Key("wall_ns"))
            try fields.encode(row.cpuNs, forKey: Key("cpu_ns"))
            try fields.encode(row.energy.microjoules, forKey: Key("energy_uj"))
            try fields.encode(knowsCarbon ? row.emissionUg : nil, forKey: Key("emission_ug"))
            try encode(row.figures, in: &fields)
        }

        private func encode(
            _ figures: CostFigures, in fields: inout KeyedEncodingContainer<Key>
        ) throws {
            func encode(_ amount: CostAmount?, _ name: String) throws {
                try fields.encode(amount?.value, forKey: Key(name))
                try fields.encode(amount?.low, forKey: Key(name + "_low"))
                try fields.encode(amount?.high, forKey: Key(name + "_high"))
            }
            try fields.encode(
                figures.buildingUj.map { $0 / Emissions.microjoulesPerKWh },
                forKey: Key("facility_kwh"))
            try fields.encode(
                Double(figures.carbonMissingUj) / 1e6, forKey: Key("energy_j_without_carbon"))
            try fields.encode(
                Double(figures.standInUj) / 1e6, forKey: Key("energy_j_without_hourly_intensity"))
            try encode(figures.water, "litres")
            try fields.encode(
                Double(figures.waterMissingUj) / 1e6, forKey: Key("energy_j_without_litres"))
            try encode(figures.onlyMoney?.amount, "money")
            try fields.encode(figures.onlyMoney?.currency, forKey: Key("currency"))
            try fields.encode(figures.money.keys.sorted(), forKey: Key("currencies"))
            try fields.encode(
                Double(figures.moneyMissingNs) / 1e9, forKey: Key("seconds_without_money"))
            try encode(figures.embodied, "embodied_gco2e")
            try fields.encode(
                Double(figures.embodiedMissingNs) / 1e9, forKey: Key("seconds_without_embodied"))
        }
    }
}
