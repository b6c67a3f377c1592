// What a chart is: a value that is drawn as SVG, alone or inside a page, wide or narrow. Equal values give equal bytes.

import Foundation

/// The width of a chart. A page holds both sizes and shows the one that fits the screen: text in a wide chart would be
/// too small on a telephone.
public enum ChartSize: Sendable, CaseIterable {
    /// 680 pixels wide, for screens of more than 760 pixels.
    case wide
    /// 340 pixels wide, for telephones.
    case narrow

    /// The width in pixels.
    var width: Double { self == .wide ? 680 : 340 }
}

/// The form of a chart's markup.
public enum ChartForm: Sendable {
    /// A document of its own: it has the style sheet and a visible title.
    case standalone
    /// A part of a page that has `Charts.stylesheet` and a heading.
    case embedded
}

/// A value that can be drawn.
public protocol Chart: Sendable {
    /// The name of the chart.
    var title: String { get }
    /// What the chart shows, in a sentence for readers who do not see it.
    var summary: String { get }
    /// Returns the drawing in one size.
    func drawing(_ size: ChartSize) -> Drawing
}

/// What all charts share.
public enum Charts {
    /// The style sheet of all charts, for light and dark screens. Its rules apply to charts only. A page that holds
    /// embedded charts includes it once; no chart has style attributes, scripts or references to other files.
    public static let stylesheet = Stylesheet.text
}

extension Chart {
    /// Returns the chart as an SVG element. `id` makes the ids of its title and its description unique in the page; without
    /// it they have no ids, and the title and the description are the first children of the element.
    public func svg(
        _ form: ChartForm = .standalone, _ size: ChartSize = .wide, id: String? = nil
    ) -> String {
        markup(form, size, id: id, isPaired: false)
    }

    /// Returns the embedded chart in both sizes, of which the style sheet shows the one that fits the screen.
    public func pair(id: String? = nil) -> String {
        let ids = id.map { ($0 + "-wide", $0 + "-narrow") }
        return markup(.embedded, .wide, id: ids?.0, isPaired: true)
            + markup(.embedded, .narrow, id: ids?.1, isPaired: true)
    }

    private func markup(_ form: ChartForm, _ size: ChartSize, id: String?, isPaired: Bool)
        -> String
    {
        let drawing = drawing(size)
        let head = form == .standalone && !title.isEmpty ? 30.0 : 0
        let width = ChartText.number(drawing.width)
        let height = ChartText.number(drawing.height + head)
        // The children of an image are hidden from assistive technology, so a chart with links is a group.
        let role = drawing.hasLinks ? "group" : "img"
        let names = id.map {
            String($0.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) })
        }
        let labels = names.map { " aria-labelledby=\"\($0)-title \($0)-desc\"" } ?? ""
        func named(_ part: String) -> String { names.map { " id=\"\($0)-\(part)\"" } ?? "" }
        let kinds =
            ["ofa-chart", size == .wide ? "wide" : "narrow", drawing.fit.rawValue]
            + (isPaired ? ["paired"] : [])
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\""
                + " height=\"\(height)\" role=\"\(role)\" class=\"\(kinds.joined(separator: " "))\"\(labels)>",
            "<title\(named("title"))>\(ChartText.escaped(title))</title>",
            "<desc\(named("desc"))>\(ChartText.escaped(summary))</desc>",
        ]
        if form == .standalone { lines.append("<style>\n\(Charts.stylesheet)</style>") }
        lines.append("<rect class=\"paper\" width=\"\(width)\" height=\"\(height)\" rx=\"6\"/>")
        if head > 0 {
            var heading = Drawing(width: drawing.width)
            heading.text(
                16, 22, title, style: "head", fit: drawing.width - 32, size: ChartText.headSize)
            lines += heading.parts + ["<g transform=\"translate(0 \(ChartText.number(head)))\">"]
        }
        lines += drawing.parts
        return (lines + (head > 0 ? ["</g>"] : []) + ["</svg>"]).joined(separator: "\n") + "\n"
    }
}
