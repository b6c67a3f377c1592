// `ofa budget` as its users type it.
import Foundation
import TestSupport
import Testing

@Suite struct BudgetCommandTests {
    @Test("budgets are set, listed with what was used, replaced and lifted")
    func whole() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let set = try place.list("budget", "set", "1", "--max-kwh", "0.5", "--max-gco2e", "120")
        #expect(set.count == 1)
        #expect(set[0]["run"] as? Int == 1 && set[0]["pipeline"] is NSNull)
        #expect(set[0]["subject"] as? String == "run 1")
        #expect(set[0]["max_kwh"] as? Double == 0.5 && set[0]["max_gco2e"] as? Double == 120)
        #expect(set[0]["used_kwh"] as? Double == 0 && set[0]["reached_at"] is NSNull)
        #expect(set[0]["soft"] as? Bool == false && set[0]["held_runs"] as? Int == 0)
        let two = try place.list("budget", "set", "tiny", "--max-kwh", "1e-3", "--soft")
        #expect(two.map { $0["pipeline"] as? String } == [nil, "tiny"])
        let replaced = try place.list("budget", "set", "1", "--max-kwh", "2")
        #expect(replaced.count == 2)
        #expect(replaced[1]["max_kwh"] as? Double == 2 && replaced[1]["max_gco2e"] is NSNull)
        let table = try place.ofa("budget").output
        #expect(table.contains("all runs named tiny") && table.contains("warn"), "\(table)")
        let status = try place.document("status", "1")
        #expect(status["held"] is NSNull && (status["warnings"] as? [String])?.isEmpty == true)
        #expect(try place.list("budget", "lift", "1").count == 1)
        let again = try place.ofa("budget", "lift", "1")
        #expect(again.status == 2 && again.errors.contains("run 1 has no budget"))
        let actions = try place.list("actions").compactMap { $0["verb"] as? String }
        #expect(actions.filter { $0.hasSuffix("budget") }.count == 4, "\(actions)")
    }

    @Test("money has a currency; a name that no run has had is said")
    func money() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let set = try place.list("budget", "set", "tiny", "--max-money", "12.50EUR")
        #expect(set[0]["max_money"] as? Double == 12.5 && set[0]["currency"] as? String == "EUR")
        #expect(set[0]["used_money"] as? Double == 0 && set[0]["note"] is NSNull)
        #expect(set[0]["seconds_without_money"] as? Double == 0)
        #expect((set[0]["other_currencies"] as? [String])?.isEmpty == true)
        #expect(set[0]["max_kwh"] is NSNull)
        let table = try place.ofa("budget").output
        #expect(table.contains("USED MONEY") && table.contains("12.5 EUR"), "\(table)")
        for wrong in ["12.5", "12.5eur", "EUR", "-1EUR", "nanEUR"] {
            let refused = try place.ofa("budget", "set", "tiny", "--max-money=\(wrong)")
            #expect(refused.status == 64, "\(wrong): \(refused.errors)")
        }
        for wrong in ["3EURO", "12.5eur", "12.5"] {
            let refused = try place.ofa("budget", "set", "tiny", "--max-money", wrong)
            #expect(refused.errors.contains("three capital letters"), "\(refused.errors)")
        }
        #expect(try place.ofa("budget", "set", "tiny", "--max-kwh", "1").errors.isEmpty)
        let early = try place.ofa("budget", "set", "tinny", "--max-kwh", "1")
        #expect(early.status == 0)
        #expect(early.errors.contains("no run is named tinny yet"), "\(early.errors)")
    }

    @Test("a budget without a limit, of an unknown run, or of no amount is refused")
    func refused() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let none = try place.ofa("budget", "set", "1")
        #expect(none.status == 64 && none.errors.contains("a budget needs a limit"))
        #expect(try place.ofa("budget", "set", "1", "--max-kwh", "0").status == 64)
        #expect(try place.ofa("budget", "set", "1", "--max-gco2e", "nan").status == 64)
        let unknown = try place.ofa("budget", "set", "7", "--max-kwh", "1")
        #expect(unknown.status != 0 && unknown.errors.contains("there is no run 7"))
        #expect(try place.list("budget").isEmpty)
    }
}
