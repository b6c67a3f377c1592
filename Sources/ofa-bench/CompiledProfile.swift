// The profile of a compiled network: time, multiply-adds and bytes of every operator, beside the least time that the
// machine's peak rates allow.
import Foundation
import Tensors

/// Where the time of a compiled pass goes. All figures are of one pass.
struct CompiledProfile: Encodable {
    /// A row of a table: an operator at one place, or the sum over several.
    struct Row: Encodable, Equatable {
        /// The operator, the place, or both.
        let name: String
        /// The number of operators.
        let calls: Int
        /// Microseconds, and their share, in 0...1, of all operators' time.
        let us, share: Double
        /// Multiply-adds; bytes of weights, and of maps, each counted once.
        let macs, weightBytes, mapBytes: Int
        /// GFLOP/s, and GB/s of weights and maps together.
        let gflopPerS, gbPerS: Double
        /// The least microseconds by the roofline, and their share, in 0...1, of the measured ones.
        let floorUs, floorShare: Double
        /// What most of `floorUs` is: `compute`, `weights`, or a level of memory.
        let bound: String
    }

    /// Microseconds of the fastest whole pass without a clock, and the sum over the operators of the fastest pass with
    /// one.
    let passUs, operatorsUs: Double
    /// GB per second at which memory as large as all that a pass touches is read.
    let weightRates: Roofline.WeightRates
    /// One row for the whole pass.
    let total: Row
    /// The rows of operators, the longest first.
    let operators: [Row]
    /// The rows of places (parts of the network), in the order in which they run.
    let places: [Row]
    /// The rows of each operator at each place, in the order in which they run.
    let parts: [Row]

    private struct Line {
        let cost: StepCost
        let us: Double
        let floor: Roofline.Floor
    }

    /// Takes the operators of a pass, the microseconds of each, and of a whole pass without a clock.
    init(
        _ costs: [StepCost], microseconds: [Double], passUs: Double, _ roofline: Roofline,
        _ weights: Roofline.WeightRates
    ) {
        let lines = zip(costs, microseconds).map {
            Line(cost: $0, us: $1, floor: roofline.floor($0, weights))
        }
        let whole = lines.reduce(0) { $0 + $1.us }
        func rows(_ key: (StepCost) -> String) -> [Row] {
            var order: [String] = [], groups: [String: [Line]] = [:]
            for line in lines {
                let name = key(line.cost)
                if groups[name] == nil { order.append(name) }
                groups[name, default: []].append(line)
            }
            return order.map { Self.row($0, groups[$0] ?? [], of: whole) }
        }
        self.passUs = passUs
        operatorsUs = whole
        weightRates = weights
        total = Self.row("all operators", lines, of: whole)
        operators = rows(\.name).sorted { $0.us > $1.us }
        places = rows(\.place)
        parts = rows { "\($0.place) \($0.name)" }
    }

    private static func row(_ name: String, _ lines: [Line], of whole: Double) -> Row {
        let us = lines.reduce(0) { $0 + $1.us }, time = max(us, 1e-9)
        let floor = lines.reduce(0) { $0 + $1.floor.us }
        let macs = lines.reduce(0) { $0 + $1.cost.macs }
        let weights = lines.reduce(0) { $0 + $1.cost.weightBytes }
        let maps = lines.reduce(0) { $0 + $1.cost.mapBytes }
        var bounds: [String: Double] = [:]
        for line in lines { bounds[line.floor.bound, default: 0] += line.floor.us }
        let bound = bounds.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
        return Row(
            name: name, calls: lines.count, us: us, share: us / max(whole, 1e-9), macs: macs,
            weightBytes: weights, mapBytes: maps, gflopPerS: 2e-3 * Double(macs) / time,
            gbPerS: 1e-3 * Double(weights + maps) / time, floorUs: floor,
            floorShare: floor / time, bound: bound)
    }

    /// Prints tables by operator and by place; with `lines`, also a table of every operator at every place.
    func print(lines: Bool) throws {
        let tables = [("operator", operators), ("place", places)]
        for (title, rows) in tables + (lines ? [("place and operator", parts)] : []) {
            var table = Table(
                text: [title],
                numbers: [
                    "calls", "µs", "share", "MMAC", "weights KB", "maps KB", "GFLOP/s", "GB/s",
                    "floor µs", "floor/time", "bound",
                ])
            table.rows = (rows + [total]).map { row in
                [
                    row.name, "\(row.calls)", decimal(row.us, 1),
                    decimal(100 * row.share, 1) + " %", decimal(Double(row.macs) / 1e6, 2),
                    decimal(Double(row.weightBytes) / 1e3, 0),
                    decimal(Double(row.mapBytes) / 1e3, 0), decimal(row.gflopPerS, 1),
                    decimal(row.gbPerS, 1), decimal(row.floorUs, 1),
                    decimal(100 * row.floorShare, 0) + " %", row.bound,
                ]
            }
            try table.print()
            try Output.line()
        }
        try Output.line(
            "a whole pass without a clock \(decimal(passUs, 1)) µs, the operators together"
                + " \(decimal(operatorsUs, 1)) µs (\(decimal(100 * operatorsUs / passUs, 1)) %); memory"
                + " as large as a pass touches is read at \(decimal(weightRates.all, 1)) GB/s")
    }
}

/// Where the time of a pass goes.
enum BenchProfile: Encodable {
    /// A pass of the engine's own operators, and a compiled pass.
    case plain(PassProfile), compiled(CompiledProfile)

    /// Encodes the profile itself.
    func encode(to encoder: any Encoder) throws {
        switch self {
        case .plain(let profile): try profile.encode(to: encoder)
        case .compiled(let profile): try profile.encode(to: encoder)
        }
    }

    /// Prints the profile's tables; with `lines`, also every operator at every place.
    func print(lines: Bool) throws {
        switch self {
        case .plain(let profile): try profile.print(lines: lines)
        case .compiled(let profile): try profile.print(lines: lines)
        }
    }
}
