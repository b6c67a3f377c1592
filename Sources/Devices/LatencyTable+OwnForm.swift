// Reads latency tables in this program's own JSON, as `ofa artifacts get` writes them. A file may have been edited by
// hand, so it is validated like the other formats.
import Intake

extension LatencyTable {
    /// The size limit suffices for a table of all image sizes with percentiles.
    private static let rule = JSONRule(maxBytes: 64 << 20)
    /// The range of a correction's factor.
    private static let scales = 0.001...1000.0
    /// The range of a correction's constants in milliseconds.
    private static let additions = -TableNumber.value.upperBound...TableNumber.value.upperBound

    /// Reads latencies by image size and part of a network, and corrections, if any, by space and image size.
    ///
    /// Errors: `malformed`, naming `source` and, if there is one, the faulty field.
    init(ownForm json: String, source: String) throws(DeviceError) {
        do throws(InputFault) {
            let top = try JSONReader(
                try JSONNode(json, Self.rule), known: ["entries", "corrections"])
            var entries: [Int: [String: LatencyEntry]] = [:]
            try Self.each(try top.required("entries"), "entries") {
                size, parts, path throws(InputFault) in
                let size = try Self.size(size, path)
                entries[size] = [:]
                try Self.each(parts, path) { name, fields, path throws(InputFault) in
                    entries[size]?[name] = try Self.entry(fields, path)
                }
            }
            self.init(entries: entries)
            guard let corrections = top["corrections"], corrections != .null else { return }
            try Self.each(corrections, "corrections") { space, sizes, path throws(InputFault) in
                try Self.each(sizes, path) { size, fields, path throws(InputFault) in
                    let size = try Self.size(size, path)
                    guard entries[size] != nil else {
                        throw InputFault("field \(path) corrects an image size without entries")
                    }
                    self[correctionOf: space, size] = try Self.correction(fields, path)
                }
            }
        } catch {
            throw DeviceError(.malformed, "\(source): \(error.reason)", remedy: error.remedy)
        }
        do {
            try checkCorrections()
        } catch {
            let known = error as? any Remedied
            throw DeviceError(
                .malformed, "\(source): \(known?.reason ?? "\(error)")", remedy: known?.remedy)
        }
    }

    /// Calls `body` with the key, value and path of each member of an object that serves as a dictionary; a repeated
    /// key is an error.
    private static func each(
        _ node: JSONNode, _ path: String,
        _ body: (String, JSONNode, String) throws(InputFault) -> Void
    ) throws(InputFault) {
        guard case .object(let members) = node else {
            throw InputFault("field \(path) is no object")
        }
        var seen: Set<String> = []
        for member in members {
            let field = "\(path).\(Shown.excerpt(member.key, 40))"
            let key: String
            do throws(InputFault) {
                key = try TextRule.name.checked(member.key)
            } catch {
                throw InputFault("the name of field \(field) \(error.reason)", remedy: error.remedy)
            }
            guard seen.insert(key).inserted else { throw InputFault("field \(field) stands twice") }
            try body(key, member.value, field)
        }
    }

    /// Reads an image size from a key.
    private static func size(_ key: String, _ path: String) throws(InputFault) -> Int {
        do throws(InputFault) {
            return try DecimalNumber.whole(key, in: TableNumber.size)
        } catch {
            throw InputFault(
                "the image size of field \(path) \(error.reason)", remedy: error.remedy)
        }
    }

    private static func entry(_ node: JSONNode, _ path: String) throws(InputFault) -> LatencyEntry {
        let fields = try JSONReader(node, path: path, known: ["count", "mean", "std", "spread"])
        var entry = LatencyEntry(
            count: try fields.whole("count", in: TableNumber.count),
            mean: try fields.real("mean", in: TableNumber.value),
            std: try fields.real("std", in: TableNumber.value))
        guard let node = fields["spread"], node != .null else { return entry }
        let spread = try JSONReader(
            node, path: "\(path).spread", known: ["p10", "p50", "p90", "p99", "outliers"])
        entry.spread = LatencyEntry.Percentiles(
            p10: try spread.real("p10", in: TableNumber.value),
            p50: try spread.real("p50", in: TableNumber.value),
            p90: try spread.real("p90", in: TableNumber.value),
            p99: try spread.real("p99", in: TableNumber.value),
            outliers: try spread.whole("outliers", in: 0...TableNumber.count.upperBound))
        return entry
    }

    private static func correction(
        _ node: JSONNode, _ path: String
    ) throws(InputFault) -> LatencyCorrection {
        let fields = try JSONReader(node, path: path, known: ["scale", "perBlockMs", "fixedMs"])
        return LatencyCorrection(
            scale: try fields.real("scale", in: scales),
            perBlockMs: try fields.real("perBlockMs", in: additions),
            fixedMs: try fields.real("fixedMs", in: additions))
    }
}
