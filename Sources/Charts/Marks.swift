// Marks of series and states. Every series has its own colour, shape and dashes, and every state its own icon, so that
// nothing is told by colour alone.

/// The shape of a mark.
public enum ChartShape: Int, Sendable, CaseIterable {
    case circle, diamond, square, triangle, cross, plus, wedge, bar

    /// Returns the shape of the series with this number.
    public static func series(_ place: Int) -> ChartShape { allCases[place % allCases.count] }

    /// Returns the mark with its centre at a point.
    func markup(_ style: String, _ x: Double, _ y: Double, _ r: Double, _ tip: String?) -> String {
        let n = ChartText.number
        if self == .circle {
            return Drawing.element(
                "circle", "class=\"\(style)\" cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"\(n(r))\"", tip)
        }
        let (big, flat) = (n(1.25 * r), n(0.9 * r))
        let half = n(1.8 * r), arm = n(0.7 * r), thin = n(0.4 * r)
        let d =
            switch self {
            case .circle, .diamond:
                "M\(n(x)) \(n(y - 1.25 * r))l\(big) \(big)l-\(big) \(big)l-\(big) -\(big)z"
            case .square: "M\(n(x - 0.9 * r)) \(n(y - 0.9 * r))h\(half)v\(half)h-\(half)z"
            case .triangle: "M\(n(x)) \(n(y - 1.2 * r))l\(big) \(n(2.1 * r))h-\(n(2.5 * r))z"
            case .wedge: "M\(n(x)) \(n(y + 1.2 * r))l\(big) -\(n(2.1 * r))h-\(n(2.5 * r))z"
            case .cross:
                "M\(n(x)) \(n(y - 0.4 * r))l\(arm) -\(arm)l\(thin) \(thin)l-\(arm) \(arm)"
                    + "l\(arm) \(arm)l-\(thin) \(thin)l-\(arm) -\(arm)l-\(arm) \(arm)"
                    + "l-\(thin) -\(thin)l\(arm) -\(arm)l-\(arm) -\(arm)l\(thin) -\(thin)z"
            case .plus:
                "M\(n(x - 0.35 * r)) \(n(y - 1.05 * r))h\(arm)v\(arm)h\(arm)v\(arm)h-\(arm)v\(arm)h-\(arm)"
                    + "v-\(arm)h-\(arm)v-\(arm)h\(arm)z"
            case .bar: "M\(n(x - 1.4 * r)) \(n(y - 0.45 * r))h\(n(2.8 * r))v\(flat)h-\(n(2.8 * r))z"
            }
        return Drawing.element("path", "class=\"\(style)\" d=\"\(d)\"", tip)
    }
}

/// The look of series by their numbers.
enum SeriesLook {
    /// Returns the CSS class of the colour.
    static func colour(_ place: Int) -> String { "s\(place % Palette.series.count)" }

    /// Returns the dashes of the line; nil for a solid line.
    static func dashes(_ place: Int) -> String? {
        let all: [String?] = [nil, "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 4", "9 3 2 3 2 3"]
        // The colours come again after eight series, with other dashes.
        return all[(place + place / Palette.series.count) % all.count]
    }
}

/// The state of a stage, a job or an attempt.
public enum ChartState: String, Sendable, CaseIterable {
    /// Not started: waiting for other stages, a time or a worker.
    case waiting
    /// Started and not ended.
    case running
    /// Held back by an operator or a budget.
    case paused
    /// Ended with success.
    case done
    /// Ended with an error.
    case failed
    /// Ended by a request, or without a result because it was no longer needed.
    case cancelled

    /// Returns the path of the icon, about ten pixels wide, with its centre at a point.
    func icon(_ x: Double, _ y: Double) -> String {
        func at(_ dx: Double, _ dy: Double) -> String {
            "M\(ChartText.number(x + dx)) \(ChartText.number(y + dy))"
        }
        return switch self {
        case .waiting: at(-4, 0) + "a4 4 0 1 0 8 0a4 4 0 1 0 -8 0"
        case .running: at(-3, -4) + "l7 4l-7 4z"
        case .paused: at(-2.5, -4) + "v8m5 -8v8"
        case .done: at(-4, 0) + "l3 3.5l6 -7"
        case .failed: at(-3.5, -3.5) + "l7 7m0 -7l-7 7"
        case .cancelled: at(-4, 0) + "h8"
        }
    }
}

extension Drawing {
    /// Adds an interval along y: a line with ends. Nothing is drawn of an interval without width.
    mutating func interval(_ style: String, x: Double, from low: Double, to high: Double) {
        let n = ChartText.number
        guard low != high else { return }
        path(
            "bar \(style)",
            "M\(n(x)) \(n(high))V\(n(low))M\(n(x - 3.5)) \(n(high))h7M\(n(x - 3.5)) \(n(low))h7")
    }

    /// Adds an interval along x.
    mutating func interval(_ style: String, y: Double, from low: Double, to high: Double) {
        let n = ChartText.number
        guard low != high else { return }
        path(
            "bar \(style)",
            "M\(n(low)) \(n(y))H\(n(high))M\(n(low)) \(n(y - 3.5))v7M\(n(high)) \(n(y - 3.5))v7")
    }

    /// Adds the icon of a state.
    mutating func icon(_ state: ChartState, _ x: Double, _ y: Double) {
        path("icon \(state.rawValue)", state.icon(x, y))
    }
}
