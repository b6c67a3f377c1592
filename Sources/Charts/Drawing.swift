// The markup of a drawing: texts, paths, boxes, tips and links. Geometry is in attributes, colours are in classes.

/// The markup of a chart in one size, without its frame.
public struct Drawing: Sendable {
    /// The width and the height in pixels.
    let width: Double
    var height = 0.0
    /// The elements, one a line.
    private(set) var parts: [String] = []
    /// Whether a part is a link.
    private(set) var hasLinks = false
    /// How the chart fits the page.
    var fit = Fit.stretched

    /// How a chart fits the page.
    enum Fit: String {
        /// Scaled to the width of the page, up to a limit.
        case stretched
        /// As large as it is drawn, or smaller if the page is narrower.
        case natural
        /// As large as it is drawn; a wider chart scrolls in its container.
        case scrolls
    }

    /// Which part of a text lies at its position.
    enum Anchor: String {
        case start, middle, end
    }

    init(width: Double) { self.width = width }

    /// Adds markup as it is.
    mutating func add(_ markup: String) { parts.append(markup) }

    /// Adds a text, whose class is `style`. A text wider than `fit` pixels is cut and has the whole text as its tip.
    mutating func text(
        _ x: Double, _ y: Double, _ words: String, anchor: Anchor = .start, style: String? = nil,
        fit: Double? = nil, size: Double = ChartText.size, isUpright: Bool = false
    ) {
        let shown = fit.map { ChartText.fit(words, $0, size: size) } ?? words
        let style = style.map { " class=\"\($0)\"" } ?? ""
        let at = (ChartText.number(x), ChartText.number(y))
        let turn = isUpright ? " transform=\"rotate(-90 \(at.0) \(at.1))\"" : ""
        let end = anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
        let tip = shown == words ? nil : words
        parts.append(
            "<text\(style) x=\"\(at.0)\" y=\"\(at.1)\"\(turn)\(end)>\(ChartText.escaped(shown))"
                + "\(Self.tip(tip))</text>")
    }

    /// Adds a path.
    mutating func path(
        _ style: String, _ d: String, dashes: String? = nil, tip: String? = nil
    ) {
        let dashes = dashes.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        parts.append(Self.element("path", "class=\"\(style)\" d=\"\(d)\"\(dashes)", tip))
    }

    /// Adds a box with a corner radius.
    mutating func rect(
        _ style: String, _ x: Double, _ y: Double, _ width: Double, _ height: Double,
        radius: Double = 0, tip: String? = nil
    ) {
        let n = ChartText.number
        let corner = radius > 0 ? " rx=\"\(n(radius))\"" : ""
        parts.append(
            Self.element(
                "rect",
                "class=\"\(style)\" x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(max(0, width)))\""
                    + " height=\"\(n(max(0, height)))\"\(corner)", tip))
    }

    /// Adds a mark of a series or a state.
    mutating func mark(
        _ style: String, _ shape: ChartShape, _ x: Double, _ y: Double, radius: Double,
        tip: String? = nil
    ) {
        parts.append(shape.markup(style, x, y, radius, tip))
    }

    /// Adds what `draw` draws as one group with a tip, which is a link if `href` is the address of a page.
    mutating func group(tip: String? = nil, href: String? = nil, _ draw: (inout Drawing) -> Void) {
        let link = href.flatMap { Self.isSafe($0) ? $0 : nil }
        parts.append(
            (link.map { "<a href=\"\(ChartText.escaped($0))\">" } ?? "<g>") + Self.tip(tip))
        draw(&self)
        parts.append(link == nil ? "</g>" : "</a>")
        if link != nil { hasLinks = true }
    }

    /// Returns an element with its tip.
    static func element(_ name: String, _ attributes: String, _ tip: String?) -> String {
        guard let tip else { return "<\(name) \(attributes)/>" }
        return "<\(name) \(attributes)>\(Self.tip(tip))</\(name)>"
    }

    private static func tip(_ tip: String?) -> String {
        tip.map { "<title>\(ChartText.escaped($0))</title>" } ?? ""
    }

    /// Returns whether an address is a path or a page of the web. Others, such as `javascript:`, could run code.
    static func isSafe(_ href: String) -> Bool {
        if href.hasPrefix("//") { return false }
        let starts = ["/", "#", "?", "./", "../", "https://", "http://"]
        return starts.contains { href.hasPrefix($0) }
    }
}
