// The measurements of a calibration as JSON Lines: each is checked where it stands, so that an error names its line.
import Foundation
import Intake
import Networks

extension LatencyCalibration {
    /// Reads lines with `arch` and `latency_ms`, networks of `space` that `reference` covers; `source` names the file.
    ///
    /// Errors: `malformed` naming the line and what is wrong with it.
    public static func measurements(
        _ text: String, space: SearchSpace, reference: LatencyTable, source: String
    ) throws -> [Measurement] {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        var found: [Measurement] = []
        for (place, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
            do {
                let one = try measurement(String(line))
                try one.validate()
                try space.validate(one.arch)
                _ = try ReferencePart.parts(try NetworkShape(space, one.arch), reference)
                found.append(one)
            } catch {
                let reason = (error as? DecodingError).map(SearchError.describe) ?? "\(error)"
                throw SearchError(.malformed, "\(source), line \(place + 1): \(reason)")
            }
        }
        return found
    }

    private static func measurement(_ line: String) throws -> Measurement {
        let data = Data(line.utf8)
        let first = line.first { !$0.isWhitespace }
        guard first != "[" else {
            throw SearchError(
                .malformed,
                "this is an array; write one object a line, {\"arch\": {…}, \"latency_ms\": 12.5}")
        }
        do {
            return try JSONDecoder().decode(Measurement.self, from: data)
        } catch DecodingError.keyNotFound(let key, let context) where context.codingPath.isEmpty {
            // The key that was meant may stand there under another name.
            let given = try JSONDecoder().decode([String: Ignored].self, from: data).keys.sorted()
            guard let other = NearestName.find(key.stringValue, among: given) else {
                throw SearchError(.malformed, "field \(key.stringValue) is missing")
            }
            throw SearchError(
                .malformed,
                "'\(Shown.excerpt(other))' is not known; did you mean '\(key.stringValue)'?")
        }
    }

    /// Any value.
    private struct Ignored: Decodable {
        init(from decoder: any Decoder) {}
    }

    /// What makes these measurements say less than they seem to; empty where nothing does.
    public var warnings: [String] {
        var warnings: [String] = []
        let latencies = measurements.map(\.latencyMs)
        if let least = latencies.min(), let most = latencies.max(), most - least <= 1e-6 * most {
            warnings.append(
                "all \(latencies.count) latencies are \(Self.short(least)) ms: they do not tell the networks apart, let"
                    + " alone their parts")
        } else if largestDifference < 0.02 {
            warnings.append(
                "the networks spend their time alike, so that their latencies cannot tell parts apart: measure those"
                    + " of --plan")
        } else if leaveOneOutError < 1e-4 {
            warnings.append(
                "the latencies are the reference's times \(Self.short(factor)) to the last digit: were they measured?"
            )
        }
        // Seconds for milliseconds are a thousandth of what they should be, microseconds a thousand times it.
        if !(1.0 / 900...900).contains(factor) {
            warnings.append(
                "the device takes \(Self.short(factor)) times as long as the reference: are these milliseconds, as the"
                    + " reference's are?")
        }
        return warnings
    }

    private static func short(_ value: Double) -> String { String(format: "%.4g", value) }
}
