// Moments: one form, and no day that the calendar lacks.

import Foundation
import Intake
import Testing

@Suite("Moments as text")
struct MomentTextTests {
    @Test(
        "a moment is read as it says, to the fraction, in its zone",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-29T10:00:00Z", 1_795_946_400),
            ("2026-11-29T10:00:00+01:00", 1_795_942_800),
            ("2024-02-29T23:59:59-05:30", 1_709_270_999),
            ("2026-11-29T11:00+01:00", 1_795_946_400),
            ("2000-03-01T00:00:00.25Z", 951_868_800.25), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, Double)])
    func moment(text: String, seconds: Double) throws {
        #expect(try MomentText.read(text).timeIntervalSince1970 == seconds)
    }

    @Test("every day of four hundred years is the day that Foundation says")
    func days() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        for day in stride(from: 0, to: 146_097, by: 7) {
            let date = Date(timeIntervalSince1970: Double(day) * 86_400)
            let parts = calendar.dateComponents([.year, .month, .day], from: date)
            let text = String(
                format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
            #expect(try MomentText.read(text, orDay: true) == date, "\(text)")
        }
    }

    @Test(
        "what is no moment is refused with an example",
        arguments: [
            "", "now", "2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z", "2026-12-01T24:00:00Z",
            "2026-12-01T03:60:00Z", "2026-12-01T03:00:60Z", "2026-12-01T03:00:00+99:00",
            "2026-12-01T03:00:00+01:60", "12026-12-01T03:00:00Z", "0001-01-01T00:00:00Z",
            "2026-12-01T03:00:00", "2026-12-01T03:00", "2026-12-01T03:00.5Z", "2026-12-01",
            "2026-1-1T00:00:00Z", " 2026-12-01T03:00:00Z",
            "2026-12-01T03:00:00z", "٢٠٢٦-12-01T03:00:00Z",
        ])
    func refused(text: String) {
        let fault = #expect(throws: InputFault.self) { try MomentText.read(text) }
        #expect(fault?.remedy?.contains("2026-12-01T03:00:00Z") == true)
    }

    @Test("a local time is refused, because in one night a year it comes twice")
    func local() throws {
        for text in ["2026-10-25T02:30", "2026-10-25T02:30:00", "2026-10-25 02:30"] {
            let fault = #expect(throws: InputFault.self) { try MomentText.zoned(text) }
            #expect(fault?.remedy?.contains("comes twice") == true, "\(text)")
        }
        let other = #expect(throws: InputFault.self) { try MomentText.zoned("tomorrow") }
        #expect(other?.remedy?.contains("comes twice") == false)
        // Both hours of that night that are called half past two.
        let first = try MomentText.zoned("2026-10-25T02:30+02:00")
        #expect(try MomentText.zoned("2026-10-25T02:30+01:00") == first + 3600)
    }
}
