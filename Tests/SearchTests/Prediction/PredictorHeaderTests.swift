// Tests of what a predictor in this program's own bytes says of itself, where a person may have changed it.
import Devices
import Foundation
import Networks
import TestSupport
import Testing

@testable import Search

@Suite("The header of a predictor")
struct PredictorHeaderTests {
    /// A predictor's bytes, and the same with another text in the header.
    private let bytes: [UInt8]

    init() throws {
        var predictor = try AccuracyPredictor.fit(
            tinyNetworks.prefix(60).enumerated().map {
                AccuracySample(config: $0.element, accuracy: 0.5 + 0.004 * Double($0.offset))
            }, space: tinySpace)
        predictor.trained = TrainedDomain(tinySpace)
        bytes = try predictor.encoded()
    }

    private func length(_ bytes: [UInt8]) -> Int {
        (0..<4).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    }

    private func changed(_ change: (String) throws -> String) rethrows -> [UInt8] {
        let end = 12 + length(bytes)
        let header = [UInt8](try change(String(decoding: bytes[12..<end], as: UTF8.self)).utf8)
        let count = (0..<4).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        return Array(bytes[..<8]) + count + header + bytes[end...]
    }

    @Test(
        "keys of others, keys twice and figures that no fit has are refused",
        arguments: [
            (
                #""fittedResolutions""#, #""extra":1,"fittedResolutions""#,
                "field extra is not known"
            ),
            (#""kendall":"#, #""kendel":1,"kendall":"#, "field quality.kendel is not known"),
            (
                #""fittedResolutions""#, #""sizes":[1],"fittedResolutions""#,
                "field sizes stands twice"
            ),
        ])
    func keys(_ old: String, _ new: String, _ told: String) throws {
        let changed = try changed { text in
            let place = try #require(text.range(of: old))
            return text.replacingCharacters(in: place, with: new)
        }
        let error = #expect(throws: SearchError.self) {
            try AccuracyPredictor(bytes: changed, source: "p")
        }
        #expect(error?.code == .malformed)
        #expect(error?.reason.contains(told) == true, "\(error?.reason ?? "")")
    }

    @Test(
        "figures are those that a fit can have",
        arguments: [("kendall", "5"), ("mae", "-1"), ("rows", "-3"), ("spearman", "1e300")])
    func figures(_ field: String, _ value: String) throws {
        let changed = try changed { text in
            try text.replacing(Regex("\"\(field)\":[-0-9.e]+"), with: "\"\(field)\":\(value)")
        }
        let error = #expect(throws: SearchError.self) {
            try AccuracyPredictor(bytes: changed, source: "p")
        }
        #expect(error?.reason.contains("figures that no fit has") == true, "\(error?.reason ?? "")")
    }

    @Test("what the supernet was trained for is part of the space")
    func trained() throws {
        let changed = try changed { text in
            let place = try #require(text.range(of: #""trained":{"depths":["#))
            let end = try #require(text[place.upperBound...].firstIndex(of: "]"))
            return text.replacingCharacters(in: place.upperBound..<end, with: "")
        }
        let error = #expect(throws: SearchError.self) {
            try AccuracyPredictor(bytes: changed, source: "p")
        }
        #expect(error?.reason.contains("trained.depths") == true, "\(error?.reason ?? "")")
    }

    @Test("eight bits are part of the bytes; floats, as in older versions, are not")
    func bits() throws {
        var predictor = try AccuracyPredictor(bytes: bytes, source: "p")
        #expect(predictor.bits == 32)
        predictor.bits = 8
        let eight = try predictor.encoded()
        #expect(try AccuracyPredictor(bytes: eight, source: "p").bits == 8)
        predictor.bits = 32
        #expect(try predictor.encoded() == bytes)
        let changed = changed {
            $0.replacing("\"definition\"", with: "\"bits\":4,\"definition\"")
        }
        let error = #expect(throws: SearchError.self) {
            try AccuracyPredictor(bytes: changed, source: "p")
        }
        #expect(error?.reason.contains("field bits is 4") == true, "\(error?.reason ?? "")")
        predictor.bits = 8
        for (kind, isRight) in [(DeviceTarget.Kind.microcontroller, true), (.phone, false)] {
            let device = DeviceTarget(name: "d", kind: kind, limits: Constraints())
            do {
                try predictor.checkBits(of: device)
                #expect(isRight)
            } catch let error as SearchError {
                #expect(!isRight && error.code == .outsideDomain)
            }
        }
    }

    @Test("a predictor of this program whose answers are no accuracies is refused")
    func scale() throws {
        let predictor = try AccuracyPredictor(bytes: bytes, source: "p")
        try predictor.checkScale(tinySpace, "p")
        // The first number behind the header is the bias.
        for bias in [5.897, -5.0, 91.2, 1e308] {
            var changed = bytes
            let start = 12 + length(bytes)
            for place in 0..<8 {
                changed[start + place] = UInt8(truncatingIfNeeded: bias.bitPattern >> (8 * place))
            }
            let other = try AccuracyPredictor(bytes: changed, source: "p")
            let error = #expect(throws: SearchError.self) { try other.checkScale(tinySpace, "p") }
            #expect(error?.code == .outsideDomain, "\(bias)")
        }
    }
}
