// Draws what networks cost over the number of devices, cut from one supernet and trained alone, as self-contained SVG.
// Equal figures give equal bytes.

import Accounting
import Charts
import Foundation

/// The plot of what one supernet saved: a line for each way, a thin one for each seed, and the break-evens.
public struct SavingsPlot: Sendable {
    /// The costs of one way: at no device, and for each device.
    private struct Line {
        let name: String
        let place: Int
        let mean: (start: Double, each: Double)
        let seeds: [(start: Double, each: Double)]
    }

    private let lines: [Line]
    private let isEnergy: Bool
    /// The number of devices that were measured, the break-evens with the places of their lines, and the number of devices
    /// at the right end.
    private let measured: Int
    private let crossings: [(place: Int, targets: Int)]
    private let most: Int
    /// How the costs were measured, and over how many seeds.
    private let captions: [String]
    private let size: FrontPlot.Size

    private var width: Double { size == .wide ? 680 : 340 }
    private var left: Double { size == .wide ? 64 : 52 }
    private var right: Double { width - 20 }
    private var top: Double { 34 + 18 * Double(lines.count) }
    private var bottom: Double { top + 290 }

    /// Prepares the plot of `savings`: of energy, or of time if an energy is unknown. Nil if both are unknown.
    public init?(_ savings: SupernetSavings, _ size: FrontPlot.Size = .wide) {
        self.size = size
        measured = savings.devices.count
        let energy = Self.lines(savings, \.energy)
        isEnergy = energy != nil
        guard measured > 0, let lines = energy ?? Self.lines(savings, \.seconds),
            !lines.isEmpty
        else { return nil }
        self.lines = lines
        let cut = lines.first { savings.ways[$0.place].way == .cut }
        crossings = lines.compactMap { line in
            guard let cut, line.place != cut.place else { return nil }
            return BreakEven.targets(cut.mean.start, cut.mean.each, line.mean.each).map {
                (place: line.place, targets: $0)
            }
        }
        captions = Self.captions(savings, isEnergy: isEnergy, seeds: lines[0].seeds.count)
        let last = crossings.map(\.targets).max() ?? 0
        most = max(measured + 2, min(last + max(2, last / 4), 20 * measured))
    }

    /// Returns how energies were measured with the widest range of their sums, how many seeds the lines are of, and what
    /// is missing.
    private static func captions(_ savings: SupernetSavings, isEnergy: Bool, seeds: Int)
        -> [String]
    {
        let all = savings.seeds.count
        let count = (seeds < all ? "\(seeds) of " : "") + "\(all) seed\(all == 1 ? "" : "s")"
        guard isEnergy, let tier = savings.tier else { return [count] }
        let ranges = savings.ways.compactMap(\.all.energyRange).filter { $0.value > 0 }
        let low = ranges.map { $0.low / $0.value }.min() ?? 1
        let high = ranges.map { $0.high / $0.value }.max() ?? 1
        let times = [low, high].map { "×" + ReportText.decimal($0, 2) }
        let gaps = ([savings.supernet] + savings.ways.map(\.devices)).map(\.gapSeconds)
            .reduce(0, +)
        return [
            "energy \(tier.words), range \(times[0]) to \(times[1]); \(count)"
        ] + (gaps > 0 ? ["the energy of \(ReportText.duration(gaps)) is missing"] : [])
    }

    /// Returns the lines in kilojoules or hours, all of the seeds of which the costs of every way are known; nil if there
    /// is no such seed.
    private static func lines(
        _ savings: SupernetSavings, _ figure: KeyPath<SupernetSavings.Amount, ArmComparison.Spread?>
    ) -> [Line]? {
        let unit = figure == \.energy ? 1000.0 : 3600.0
        let count = Double(max(savings.devices.count, 1))
        guard let fixed = savings.supernet[keyPath: figure] else { return nil }
        let all = [fixed] + savings.ways.compactMap { $0.devices[keyPath: figure] }
        let whole = savings.seeds.indices.filter { place in
            all.allSatisfy { $0.values[place] != nil }
        }
        var lines: [Line] = []
        for (place, way) in savings.ways.enumerated() {
            guard let sums = way.devices[keyPath: figure] else { return nil }
            let seeds = whole.map { place in
                (
                    start: way.way == .cut ? (fixed.values[place] ?? 0) / unit : 0,
                    each: (sums.values[place] ?? 0) / count / unit
                )
            }
            guard !seeds.isEmpty else { return nil }
            let known = Double(seeds.count)
            lines.append(
                Line(
                    name: way.name, place: place,
                    mean: (
                        seeds.reduce(0) { $0 + $1.start } / known,
                        seeds.reduce(0) { $0 + $1.each } / known
                    ), seeds: seeds))
        }
        return lines
    }

    private static let colours = ["#2f6fde", "#d6453d", "#e8912a"]

    private static let style = """
        <style>
        .ofa-savings{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11.5px}
        .ofa-savings .paper{fill:#fff}.ofa-savings text{fill:#4a5260}.ofa-savings .grid{stroke:#e6e9ee}
        .ofa-savings .line{fill:none;stroke-width:2}.ofa-savings .seed{fill:none;stroke-width:1;opacity:.35}
        .ofa-savings .even{stroke-dasharray:5 4}
        @media (prefers-color-scheme:dark){.ofa-savings .paper{fill:#1c2027}.ofa-savings text{fill:#b8c0cc}
        .ofa-savings .grid{stroke:#2d333d}}
        </style>
        """

    /// The plot as a standalone document, which can also be embedded in a page.
    public var svg: String {
        let ends = lines.flatMap { line in
            ([line.mean] + line.seeds).map { $0.start + Double(most) * $0.each }
        }
        let highest = max(ends.max() ?? 0, lines.map(\.mean.start).max() ?? 0)
        let x = PlotScale(from: left, to: right, low: 0, high: Double(most))
        let y = PlotScale(from: bottom, to: top, low: 0, high: highest > 0 ? 1.05 * highest : 1)
        let height = Int(bottom) + 50 + 16 * captions.count
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(height)\""
                + " width=\"\(Int(width))\" height=\"\(height)\" role=\"img\""
                + " class=\"ofa-savings \(size == .wide ? "wide" : "narrow")\">",
            "<title>\(isEnergy ? "Energy" : "Time") of networks over the number of devices</title>",
            Self.style,
            "<rect class=\"paper\" width=\"\(Int(width))\" height=\"\(height)\" rx=\"6\"/>",
        ]
        for line in lines {
            let at = 22 + 18 * Double(line.place)
            parts.append(
                "<path class=\"line\" stroke=\"\(colour(line))\" d=\"M20 \(n(at))H44\"/>")
            parts.append(PlotText.text(52, at + 4, line.name))
        }
        parts += grid(x, y)
        for line in lines { parts += draw(line, x, y) }
        parts += evens(x, y)
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// The means of the same plot as a chart of a page.
    public var chart: LineChart {
        let unit = isEnergy ? "kJ" : "h"
        let means = lines.map { line in
            let points = [0, measured, most].map { count in
                let cost = line.mean.start + Double(count) * line.mean.each
                return LineChart.Point(
                    x: Double(count), y: cost,
                    tip: "\(line.name), \(count) devices: \(ReportText.amount(cost)) \(unit)")
            }
            return LineChart.Line(line.name, [points], look: line.place, hasDots: true)
        }
        let marks = crossings.filter { $0.targets <= most }.map {
            LineChart.Mark(x: Double($0.targets), tip: "pays from \($0.targets) devices")
        }
        return LineChart(
            title: "\(isEnergy ? "Energy" : "Time") of networks over the number of devices",
            xCaption: "devices; dots: none, the \(measured) that were measured, and the last",
            panels: [
                LineChart.Panel(
                    isEnergy ? "energy, kJ" : "time of all attempts, h", means, marks: marks)
            ])
    }

    private func grid(_ x: PlotScale, _ y: PlotScale) -> [String] {
        var parts: [String] = []
        for tick in x.ticks(size == .wide ? 8 : 5) {
            let at = x(tick.value)
            parts.append("<path class=\"grid\" d=\"M\(n(at)) \(n(top))V\(n(bottom))\"/>")
            parts.append(PlotText.text(at, bottom + 18, tick.label, anchor: "middle"))
        }
        for tick in y.ticks(6) {
            let at = y(tick.value)
            parts.append("<path class=\"grid\" d=\"M\(n(left)) \(n(at))H\(n(right))\"/>")
            parts.append(PlotText.text(left - 8, at + 4, tick.label, anchor: "end"))
        }
        let middle = (top + bottom) / 2
        parts.append(
            PlotText.text(
                (left + right) / 2, bottom + 40,
                "devices; dots: the \(measured) that were measured", anchor: "middle"))
        for (place, caption) in captions.enumerated() {
            parts.append(
                PlotText.text(
                    width / 2, bottom + 57 + 16 * Double(place), caption,
                    anchor: "middle"))
        }
        parts.append(
            PlotText.text(
                16, middle, isEnergy ? "energy, kJ" : "time of all attempts, h", anchor: "middle",
                more: " transform=\"rotate(-90 16 \(n(middle)))\""))
        return parts
    }

    /// Returns the lines of one way, and a dot at the number of measured devices.
    private func draw(_ line: Line, _ x: PlotScale, _ y: PlotScale) -> [String] {
        func path(_ costs: (start: Double, each: Double), _ style: String) -> String {
            let end = costs.start + Double(most) * costs.each
            return "<path class=\"\(style)\" stroke=\"\(colour(line))\" d=\"M\(n(x(0)))"
                + " \(n(y(costs.start)))L\(n(x(Double(most)))) \(n(y(end)))\"/>"
        }
        let cost = line.mean.start + Double(measured) * line.mean.each
        let tip =
            "\(line.name), \(measured) devices: \(ReportText.amount(cost)) \(isEnergy ? "kJ" : "h")"
        return (line.seeds.count > 1 ? line.seeds.map { path($0, "seed") } : [])
            + [
                path(line.mean, "line"),
                "<circle fill=\"\(colour(line))\" cx=\"\(n(x(Double(measured))))\" cy=\"\(n(y(cost)))\" r=\"3.6\">"
                    + "<title>\(ReportText.safe(tip))</title></circle>",
            ]
    }

    /// Returns a mark at each number of devices from which the supernet pays.
    private func evens(_ x: PlotScale, _ y: PlotScale) -> [String] {
        crossings.filter { $0.targets <= most }.enumerated().flatMap { number, one in
            let at = x(Double(one.targets)), colour = Self.colours[one.place % Self.colours.count]
            return [
                "<path class=\"even\" stroke=\"\(colour)\" d=\"M\(n(at)) \(n(top))V\(n(bottom))\"/>",
                PlotText.text(
                    at + 4, top + 12 + 14 * Double(number), "pays from \(one.targets)"),
            ]
        }
    }

    private func colour(_ line: Line) -> String { Self.colours[line.place % Self.colours.count] }

    private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}
