// The profile of a pass: time and bytes by operator and by place (part of the network), and the time outside operators.
import Foundation

/// The profile of a pass.
struct PassProfile: Encodable {
    /// The totals of one operator in one part of the network, summed over all passes.
    struct Line {
        /// The part of the network, and the operator.
        let place, name: String
        /// The number of calls.
        let calls: Int
        /// Totals of all calls: seconds, floating-point operations, and bytes read or written. The bytes are a lower
        /// bound: each call counts a byte once.
        let seconds: Double, flops: Int, bytes: Int
    }

    /// One row of a table of the profile; all figures are averages per pass.
    struct Row: Encodable, Equatable {
        /// The name of the operator, of the place, or of both.
        let name: String
        /// Calls per pass.
        let calls: Double
        /// Milliseconds, and their share of the pass in 0...1.
        let ms: Double, share: Double
        /// GFLOP, and GFLOP per second.
        let gflop: Double, gflopPerS: Double
        /// MB (1e6 bytes) read or written, a lower bound, and GB per second.
        let mb: Double, gbPerS: Double
    }

    /// Milliseconds of a profiled pass.
    let passMs: Double
    /// Milliseconds of a pass outside operators.
    let betweenOperatorsMs: Double
    /// The rows of operators, the longest first.
    let operators: [Row]
    /// The rows of places (parts of the network), in the order in which the places first ran.
    let places: [Row]
    /// The rows of each operator at each place (part of the network), in the order of their first calls.
    let parts: [Row]

    /// Summarises the lines of `passes` passes that took `seconds` in total.
    init(_ lines: [Line], passes: Int, seconds: Double) {
        let total = seconds * 1e3 / Double(passes)
        func rows(_ key: (Line) -> String) -> [Row] {
            var order: [String] = [], groups: [String: [Line]] = [:]
            for line in lines {
                if groups[key(line)] == nil { order.append(key(line)) }
                groups[key(line), default: []].append(line)
            }
            return order.map { Self.row($0, groups[$0] ?? [], passes: passes, total: total) }
        }
        passMs = total
        operators = rows(\.name).sorted { $0.ms > $1.ms }
        places = rows(\.place)
        parts = rows { "\($0.place) \($0.name)" }
        betweenOperatorsMs = total - operators.reduce(0) { $0 + $1.ms }
    }

    private static func row(_ name: String, _ lines: [Line], passes: Int, total: Double) -> Row {
        let count = Double(passes), seconds = lines.reduce(0) { $0 + $1.seconds }
        let flops = Double(lines.reduce(0) { $0 + $1.flops })
        let bytes = Double(lines.reduce(0) { $0 + $1.bytes })
        let time = max(seconds, 1e-12)
        return Row(
            name: name, calls: Double(lines.reduce(0) { $0 + $1.calls }) / count,
            ms: seconds * 1e3 / count, share: seconds * 1e3 / count / max(total, 1e-12),
            gflop: flops / count / 1e9, gflopPerS: flops / time / 1e9, mb: bytes / count / 1e6,
            gbPerS: bytes / time / 1e9)
    }

    /// Prints tables by operator and by place; with `lines`, also a table by place and operator.
    func print(lines: Bool) throws {
        let tables = [("operator", operators), ("place", places)]
        for (title, rows) in tables + (lines ? [("place and operator", parts)] : []) {
            var table = Table(
                text: [title],
                numbers: ["calls", "ms", "of pass", "GFLOP", "GFLOP/s", "MB", "GB/s"])
            table.rows = rows.map { row in
                [
                    row.name, decimal(row.calls, 0), decimal(row.ms, 2),
                    decimal(100 * row.share, 1) + " %", decimal(row.gflop, 2),
                    decimal(row.gflopPerS, 1), decimal(row.mb, 1), decimal(row.gbPerS, 1),
                ]
            }
            let share = 100 * betweenOperatorsMs / max(passMs, 1e-12)
            table.rows.append(
                ["between operators", "", decimal(betweenOperatorsMs, 2), decimal(share, 1) + " %"])
            table.rows.append(["a pass", "", decimal(passMs, 2), "100.0 %"])
            try table.print()
            try Output.line()
        }
    }
}
