// Reads the measurements of a calibration from JSON Lines. Each line is checked as it is read, so that errors name the
// line.
import Foundation
import Intake
import Networks

extension LatencyCalibration {
    /// Reads from each line of `text` the fields `arch`, a network of `space` that `reference` covers, and
    /// `latency_ms`.
    ///
    /// Errors: `malformed`, naming `source`, the line and its fault.
    public static func measurements(
        _ text: String, space: SearchSpace, reference: LatencyTable, source: String
    ) throws -> [Measurement] {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        var found: [Measurement] = []
        for (place, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
            do {
                let one = try measurement(String(line), space)
                try one.validate()
                _ = try ReferencePart.parts(try NetworkShape(space, one.arch), reference)
                found.append(one)
            } catch {
                let known = error as? any Remedied
                throw DeviceError(
                    .malformed, "\(source), line \(place + 1): \(known?.reason ?? "\(error)")",
                    remedy: known?.remedy)
            }
        }
        return found
    }

    private static func measurement(_ line: String, _ space: SearchSpace) throws -> Measurement {
        let node = try JSONNode(line)
        if case .list = node {
            throw InputFault(
                "this is an array",
                remedy: "write one object a line, {\"arch\": {…}, \"latency_ms\": 12.5}")
        }
        let fields = try JSONReader(node, known: ["arch", "latency_ms"])
        return Measurement(
            arch: try space.architecture(try fields.required("arch"), path: "arch"),
            latencyMs: try fields.real("latency_ms", in: 0...1e12))
    }

    /// Reasons to trust the calibration less than its error suggests; empty if there are none.
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
                "the latencies are exactly \(Self.short(factor)) times the reference's: were they measured?"
            )
        }
        // Seconds or microseconds given as milliseconds are wrong by a factor of 1000.
        if !(1.0 / 900...900).contains(factor) {
            warnings.append(
                "the device takes \(Self.short(factor)) times as long as the reference: are these milliseconds, as the"
                    + " reference's are?")
        }
        return warnings
    }

    private static func short(_ value: Double) -> String { String(format: "%.4g", value) }
}
