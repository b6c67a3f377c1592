// The colours of charts on light and on dark paper.
//
// Texts have a contrast of at least 4.5 to what lies behind them, marks and lines at least 3 (WCAG 2.2, 1.4.3 and 1.4.11).
// The colours of series were chosen so that any two differ by at least 19 (CIE 1976 ΔE) for readers with protanopia,
// deuteranopia (Machado, Oliveira and Fernandes, 2009, severity 1) or full colour vision. ChartsTests compute these figures.

/// The colours of charts.
enum Palette {
    /// A colour on light and on dark paper, as `#rrggbb`.
    struct Ink {
        let light, dark: String

        init(_ light: String, _ dark: String) { (self.light, self.dark) = (light, dark) }
    }

    static let paper = Ink("#ffffff", "#1c2027")
    /// Headings and names.
    static let strong = Ink("#1d2430", "#e4e8ee")
    /// Other texts.
    static let text = Ink("#4a5260", "#b8c0cc")
    /// Texts of limits and warnings.
    static let warning = Ink("#b3261e", "#ff8a80")
    /// Grid lines, which only guide the eye.
    static let grid = Ink("#e6e9ee", "#2d333d")
    /// Edges, borders and tracks.
    static let rule = Ink("#7d8796", "#7a8594")
    /// The inside of boxes.
    static let box = Ink("#f4f7fa", "#262c35")

    static let series = [
        Ink("#2072e6", "#2f71de"), Ink("#733215", "#ea6239"), Ink("#209a76", "#68e5b2"),
        Ink("#5f2b96", "#9169b8"), Ink("#b18402", "#fddc82"), Ink("#323437", "#6d7379"),
        Ink("#db5aaf", "#d184b9"), Ink("#186372", "#b5e3f1"),
    ]

    static func state(_ state: ChartState) -> Ink {
        switch state {
        case .waiting: Ink("#6b7280", "#98a2b1")
        case .running: Ink("#1f6fc9", "#5ea6f2")
        case .paused: Ink("#a87600", "#e8c04a")
        case .done: Ink("#12876a", "#3ecb9f")
        case .failed: Ink("#b3261e", "#ff8a80")
        case .cancelled: Ink("#7a5b3a", "#c9a581")
        }
    }

    /// The cells of a matrix from small to large, right and wrong. Counts on the first level have the colour `firstCount`,
    /// on the others `count`.
    static let right = [
        Ink("#5896d8", "#2a6eb4"), Ink("#2d76c1", "#498dd4"), Ink("#235b95", "#7daee0"),
        Ink("#19416a", "#b8d2ee"),
    ]
    static let wrong = [
        Ink("#e67137", "#b54b16"), Ink("#c35018", "#e46121"), Ink("#963e13", "#ec9468"),
        Ink("#6c2c0d", "#f5c5ae"),
    ]
    static let firstCount = Ink("#0d1117", "#ffffff")
    static let count = Ink("#ffffff", "#0d1117")
}
