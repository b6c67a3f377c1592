// The factors seeded with the schema.

import Accounting
import Metering
import Postgres
import TestSupport
import Testing

@Suite struct FactorSetTests {
    private let database: TemporaryDatabase
    private let connection: Connection

    init() throws {
        database = try TemporaryDatabase()
        connection = try database.connect()
    }

    @Test("the first set has one PUE, twelve countries and the world")
    func seeded() throws {
        let factors = try FactorSet.load(connection)
        #expect(factors.version == 1)
        #expect(factors.pue.interval == Interval(value: 1.3, low: 1.1, high: 1.58))
        #expect(factors.intensities.count == 13)
        #expect(try factors.intensity("USA").interval.value == 369.473)
        #expect(try factors.intensity("NOR").interval.value == 30.08)
        #expect(try factors.intensity("world").interval.value == 475)
        #expect(
            factors.intensities.values.allSatisfy {
                $0.type == "lifecycle" && $0.signal == "average"
            })
        #expect(try factors.intensity("USA").provenance.contains("no range stated"))
        #expect(try FactorSet.load(connection, version: 1) == factors)
    }

    @Test("the zone comes from OFA_ZONE, is the world without it, and an unknown one is an error")
    func zones() throws {
        let factors = try FactorSet.load(connection)
        #expect(try factors.zone(environment: [:]) == "world")
        #expect(try factors.zone(environment: ["OFA_ZONE": ""]) == "world")
        #expect(try factors.zone(environment: ["OFA_ZONE": "FRA"]) == "FRA")
        let error = #expect(throws: AccountingError.self) {
            try factors.zone(environment: ["OFA_ZONE": "Atlantis"])
        }
        #expect(error?.code == .unknownZone)
        #expect(error?.message.contains("FRA") == true)
    }

    @Test("a version that is not there is an error, and factors refuse to be changed")
    func versions() throws {
        let error = #expect(throws: AccountingError.self) {
            try FactorSet.load(connection, version: 99)
        }
        #expect(error?.code == .unknownFactorSet)
        #expect(throws: PostgresError.self) {
            try connection.execute(
                Statement(name: "TestChange", sql: "update ofa.factor set value = value * 2"))
        }
    }
}
