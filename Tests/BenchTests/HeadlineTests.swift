// The four fields that scripts find in every JSON answer of the benchmarks.
import Foundation
import Testing

@testable import ofa_bench

@Suite struct HeadlineTests {
    private struct Report: Encodable { let loadAverage = 0.5 }

    private func object(_ headline: Headline) throws -> [String: Any] {
        let text = try Output.encoded(headline, Report())
        return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("with a peer: both figures, and how many times as good ours is")
    func both() throws {
        let found = try object(Headline(ms: [10, 40], peer: [40, 160]))
        #expect(found["unit"] as? String == "ms" && found["load_average"] as? Double == 0.5)
        for (name, value) in [("ours", 20.0), ("peer", 80), ("ratio", 4)] {
            // The geometric mean goes through a logarithm and back: a few roundings.
            let got = try #require(found[name] as? Double)
            #expect(abs(got - value) <= 8 * value.ulp, "\(name): \(got)")
        }
    }

    @Test("without a peer its fields are there, and null")
    func alone() throws {
        for headline in [Headline(ms: [5]), Headline(unit: "images/s", rate: 12)] {
            let found = try object(headline)
            #expect(found["ours"] is Double && found["unit"] is String)
            #expect(found["peer"] is NSNull && found["ratio"] is NSNull)
        }
    }
}
