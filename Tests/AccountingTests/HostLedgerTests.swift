// What is stated of machines: kept by time, refused whole, and which source of a figure is in force.

import Foundation
import Metering
import Postgres
import TestSupport
import Testing

@testable import Accounting
@testable import Jobs

@Suite struct HostLedgerTests {
    private let owned = HostSetting(
        zone: "DEU", currency: "EUR",
        figures: [
            .pue: 1.2, .pueLow: 1.1, .pueHigh: 1.4, .wue: 0.5, .kwhPrice: 0.31,
            .depreciationPerHour: 0.09, .embodied: 1_300_000, .embodiedLow: 900_000,
            .embodiedHigh: 1_900_000, .lifetimeHours: 35_040, .ratedWatts: 280, .hostThreads: 128,
        ], note: "rack 4")

    private let database: TemporaryDatabase

    init() throws { database = try TemporaryDatabase() }

    @Test("what is stated of a machine is read back, exactly, with its actor and time")
    func roundTrip() throws {
        let connection = try database.connect()
        let ledger = HostLedger(connection)
        let before = try ledger.this()
        #expect(before.id == nil && before.stated == nil && before.isThis)
        try ledger.set(before, owned)
        let machine = try ledger.this()
        #expect(try ledger.machines() == [machine])
        #expect(machine.stated?.setting == owned && machine.settings == 1)
        #expect(machine.stated?.actor == Actor.current)
        let actions = try JobQueue(connection).actions()
        #expect(actions.map(\.verb) == ["state"])
        #expect(actions.first?.subject == "machine \(machine.name)")
        // The same again is no new statement.
        try ledger.set(machine, owned)
        #expect(try ledger.this() == machine)
    }

    @Test("a later statement leaves the former in place for its time; one of the future waits")
    func byTime() throws {
        let connection = try database.connect()
        let ledger = HostLedger(connection)
        try ledger.set(try ledger.this(), owned)
        try ledger.set(
            try ledger.this(), HostSetting(zone: "FRA"), from: Date() + 86_400)
        #expect(try ledger.this().stated?.setting == owned)
        #expect(try ledger.this().settings == 2)
        let past = Date(timeIntervalSince1970: 1_600_000_000)
        try ledger.set(try ledger.this(), HostSetting(zone: "SWE"), from: past)
        #expect(try ledger.this().stated?.setting == owned)
        try connection.script("SET ofa.clock_offset = '2 days'")
        #expect(try ledger.this().stated?.setting == HostSetting(zone: "FRA"))
        let zones = try connection.query(
            Statement(name: "Z", sql: "select zone from ofa.host_setting order by valid_from")
        ).map { try $0.text("zone") }
        #expect(zones == ["SWE", "DEU", "FRA"])
        #expect(throws: PostgresError.self) {
            try connection.script("update ofa.host_setting set zone = 'USA'")
        }
    }

    @Test("two that state at once: the second is told, and nothing of it is written")
    func atOnce() throws {
        let (one, other) = (
            HostLedger(try database.connect()), HostLedger(try database.connect())
        )
        try one.set(try one.this(), owned)
        let seen = try other.this()
        try one.set(try one.this(), HostSetting(zone: "FRA"))
        let error = #expect(throws: AccountingError.self) {
            try other.set(seen, HostSetting(zone: "SWE"))
        }
        #expect(error?.code == .changed)
        #expect(try one.this().stated?.setting.zone == "FRA")
        // Nor may a statement take the place of another.
        let past = Date(timeIntervalSince1970: 1_600_000_000)
        try one.set(try one.this(), HostSetting(zone: "SWE"), from: past)
        let same = #expect(throws: AccountingError.self) {
            try one.set(try one.this(), HostSetting(zone: "USA"), from: past)
        }
        #expect(same?.code == .changed)
        #expect(try one.this().settings == 3)
    }

    @Test(
        "figures that contradict each other are refused by name, here and by the table",
        arguments: [
            (HostSetting(figures: [.pue: 1.2, .pueLow: 1.3, .pueHigh: 1.4]), "pue_low is above"),
            (HostSetting(figures: [.pue: 1.2, .pueLow: 1.1, .pueHigh: 1.15]), "pue_high is below"),
            (HostSetting(figures: [.pueLow: 1.1]), "pue_low needs pue, pue_low and pue_high"),
            (
                HostSetting(figures: [.embodied: 5, .embodiedHigh: 7]),
                "embodied_high_g needs embodied_g"
            ),
            (HostSetting(figures: [.kwhPrice: 0.3]), "kwh_price is stated without a currency"),
            (HostSetting(currency: "EUR"), "currency is stated without a price"),
            (
                HostSetting(
                    currency: "EUR", figures: [.rentalPerCPUHour: 0.1, .depreciationPerHour: 0]),
                "depreciation_per_hour is stated beside rental_per_cpu_hour"
            ),
        ])
    func contradictions(setting: HostSetting, message: String) throws {
        let connection = try database.connect()
        let ledger = HostLedger(connection)
        let error = #expect(throws: AccountingError.self) {
            try ledger.set(try ledger.this(), setting)
        }
        #expect(error?.code == .badSetting)
        #expect(error?.reason.hasPrefix(message) == true, "\(error?.reason ?? "")")
        let text = String(decoding: try JSONEncoder().encode(setting), as: UTF8.self)
        let refused = #expect(throws: PostgresError.self) {
            try connection.query(
                .hostSet(
                    identity: "x", name: "x", actor: "me", setting: text, validFrom: nil,
                    previous: nil))
        }
        #expect(refused?.sqlState == "23514")
        #expect(try ledger.machines().isEmpty)
    }

    @Test("a zone without carbon intensity is refused, and nothing is written")
    func unknownZone() throws {
        let ledger = HostLedger(try database.connect())
        let error = #expect(throws: AccountingError.self) {
            try ledger.set(try ledger.this(), HostSetting(zone: "deu"))
        }
        #expect(error?.code == .unknownZone && error?.remedy?.contains("'DEU'") == true)
        // The zones are to be stated: OFA_ZONE is of a process.
        #expect(error?.remedy?.contains("state the zone as one of ") == true)
        #expect(error?.remedy?.contains("OFA_ZONE") == false)
        #expect(try ledger.machines().isEmpty)
    }

    @Test("the environment is before what is stated, that before the model and the factor set")
    func sources() throws {
        let factors = try FactorSet.load(try database.connect())
        func figures(_ setting: HostSetting, _ environment: [String: String]) throws -> [String:
            HostFigure]
        {
            let host = HostDescription(
                name: "n", cpuModel: "m", vCPUs: 2, isVirtual: true, memoryBytes: 0,
                rating: ThermalDesign(watts: 155, threads: 32, source: "data sheet of 7302"))
            let all = HostFigure.all(
                of: setting, factors: factors, processor: host, environment: environment)
            return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        }
        func told(_ figure: HostFigure?) -> [String?] {
            switch figure?.value {
            case .text(let text): [text, figure?.source]
            case .number(let number): ["\(number.value)", figure?.source]
            case nil: [nil, figure?.source]
            }
        }
        let none = try figures(HostSetting(), [:])
        #expect(told(none["zone"]) == ["world", "default"])
        #expect(told(none["pue"]) == ["1.3", "factor set 1"])
        #expect(told(none["rated_watts"]) == ["155.0", "data sheet of 7302"])
        #expect(told(none["wue"]) == [nil, nil])
        #expect(told(none["kwh_price"]) == [nil, nil])
        let stated = try figures(owned, [:])
        #expect(told(stated["zone"]) == ["DEU", "stated"])
        #expect(told(stated["rated_watts"]) == ["280.0", "stated"])
        #expect(stated["kwh_price"]?.unit == "EUR/kWh")
        #expect(
            stated["embodied_g"]?.value
                == .number(Interval(value: 1_300_000, low: 900_000, high: 1_900_000)))
        let told2 = try figures(owned, ["OFA_ZONE": "FRA", "OFA_TDP_WATTS": "65"])
        #expect(told(told2["zone"]) == ["FRA", "OFA_ZONE"])
        #expect(told(told2["rated_watts"]) == ["65.0", "OFA_TDP_WATTS"])
        #expect(told(told2["host_threads"]) == ["128.0", "stated"])
        #expect(try factors.zone(environment: [:], stated: "DEU") == "DEU")
        #expect(try factors.zone(environment: ["OFA_ZONE": "FRA"], stated: "DEU") == "FRA")
    }
}
