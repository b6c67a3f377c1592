// Reads the results of a bundle's runner. They come from another machine, so every field is checked.

import Intake

/// The timings that a bundle's runner made.
public struct BundleResults: Sendable {
    /// What the bundle was made for. The same bundle can be planned again from this description.
    public let source: DeviceBundle.Source
    /// The SHA-256 of the bundle's manifest in hexadecimal.
    public let manifest: String
    /// The runtime with its version, its execution provider, and the machine.
    public let runtime, provider, machine: String
    /// Threads of a model.
    public let threads: Int
    /// The timings in milliseconds by the name of the model: `repeats` of each visit, visit by visit.
    public let milliseconds: [String: [Double]]
    /// Timed runs of a model in one visit. Between two visits of a model all other models run.
    public let repeats: Int

    /// Which timings count.
    public enum Runs: String, Codable, Sendable {
        /// All runs of a visit but the first.
        case repeated
        /// The first run of each visit.
        case first
        /// All runs; for results with one run a visit, or with too few visits.
        case all
    }

    /// The choices of runs with enough timings; the first choice is the one for whole networks.
    var runs: [Runs] {
        let visits = (milliseconds.values.map(\.count).min() ?? 0) / repeats
        return repeats > 1 && visits >= Self.leastTimings ? [.repeated, .first] : [.all]
    }

    /// The form of the file.
    private static let format = "ofa-bundle-results-1"
    /// The size limit suffices for a hundred timings of each model, at all image sizes of a space.
    private static let rule = JSONRule(maxBytes: 256 << 20)
    /// The least number of timings of a model.
    private static let leastTimings = 5
    /// The range of a timing in milliseconds.
    private static let range = 1e-9...1e9
    private static let fields = [
        "format", "manifest", "bundle", "runtime", "provider", "threads", "warmup", "repeats",
        "rounds", "machine", "complete", "percentiles", "milliseconds",
    ]

    /// Reads the file `source` with content `json`.
    ///
    /// Errors: `malformed`, naming the file and the field.
    public init(_ json: String, source: String) throws {
        do {
            let top = try JSONReader(try JSONNode(json, Self.rule), known: Self.fields)
            guard try top.text("format") == Self.format else {
                throw InputFault(
                    "field format is not \(Self.format)",
                    remedy: "import the results.json that a bundle's run.py wrote")
            }
            guard try top.required("complete") == .flag(true) else {
                throw InputFault(
                    "the measurement is not complete", remedy: "run run.py again: it continues")
            }
            self.source = try Self.source(try top.required("bundle"))
            manifest = try top.text("manifest")
            (runtime, provider) = (try top.text("runtime"), try top.text("provider"))
            machine = try top.text("machine")
            threads = try top.whole("threads", in: 1...4096)
            // A file without the field is taken as one run a visit.
            repeats = try top["repeats"] == nil ? 1 : top.whole("repeats", in: 1...100_000)
            guard case .object(let members) = try top.required("milliseconds") else {
                throw InputFault("field milliseconds is no object")
            }
            let names = members.map(\.key)
            let reader = try JSONReader(
                .object(members), path: "milliseconds", known: names)
            var found: [String: [Double]] = [:]
            for name in names {
                let values = try reader.reals(name)
                if let wrong = values.first(where: { !Self.range.contains($0) }) {
                    throw InputFault(
                        "field milliseconds.\(Shown.excerpt(name, 80)) has the timing \(wrong)",
                        remedy: "a timing is positive: measure again")
                }
                found[name] = values
            }
            milliseconds = found
        } catch let error as InputFault {
            throw DeviceError(.malformed, "\(source): \(error.reason)", remedy: error.remedy)
        }
    }

    private static func source(_ node: JSONNode) throws(InputFault) -> DeviceBundle.Source {
        let fields = try JSONReader(
            node, path: "bundle", known: DeviceBundle.Source.CodingKeys.allCases.map(\.rawValue))
        let version = DeviceBundle.Source.currentVersion
        guard try fields.whole("version") == version else {
            throw InputFault(
                "field bundle.version is not \(version), which this version of ofa makes",
                remedy: "make the bundle anew and measure again")
        }
        let resolutions = try fields.wholes("resolutions")
        guard Set(resolutions).count == resolutions.count else {
            throw InputFault(
                "field bundle.resolutions names a size twice", remedy: "write each size once")
        }
        return DeviceBundle.Source(
            device: try fields.text("device"), space: try fields.text("space"),
            spaceHash: try fields.text("space_hash"),
            batch: try fields.whole("batch", in: 1...65536),
            resolutions: resolutions,
            networks: try fields.whole("networks", in: 1...1000),
            seed: UInt64(try fields.whole("seed", in: 0...Int.max)))
    }

    /// Returns the summary of a model's timings in `runs`. Errors: `malformed` if there are fewer than five.
    func timings(of name: String, _ runs: Runs) throws -> LatencyEntry {
        let all = milliseconds[name] ?? []
        let found =
            runs == .all
            ? all
            : all.indices.filter { ($0 % repeats == 0) == (runs == .first) }.map { all[$0] }
        guard found.count >= Self.leastTimings else {
            throw DeviceError(
                .malformed,
                "there are \(found.count) timings of '\(name)', and at least \(Self.leastTimings) are needed",
                remedy: "run the bundle's run.py again: it continues")
        }
        return LatencyEntry(timings: found)
    }
}

extension JSONReader {
    /// Returns the value of a required key as a text of at most 200 characters; throws if the value is no such text.
    fileprivate func text(_ key: String) throws(InputFault) -> String {
        guard case .text(let text) = try required(key) else {
            throw InputFault("field \(key) is no text", remedy: "write a text")
        }
        guard text.count <= 200 else {
            throw InputFault("field \(key) has \(text.count) characters; at most 200 are allowed")
        }
        return text
    }
}
