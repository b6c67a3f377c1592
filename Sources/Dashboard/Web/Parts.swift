// Parts: what pages are made of, so that all of them look and read alike.

import Foundation

/// The parts of pages.
public enum Parts {
    /// A column of a table.
    public struct Column: Sendable {
        let name: String
        let isNumber: Bool

        /// A column of text, which is on the left.
        public static func text(_ name: String) -> Column { Column(name: name, isNumber: false) }
        /// A column of numbers, which are on the right.
        public static func number(_ name: String) -> Column { Column(name: name, isNumber: true) }
    }

    /// A section with a heading. `id` is unique in the page and the same whenever the page is rendered: a live page replaces
    /// only sections whose markup has changed.
    public static func section(_ title: String, id: String, _ body: HTML...) -> HTML {
        """
        <section id="\(id)" aria-labelledby="\(id)-title"><h2 id="\(id)-title">\(title)</h2>
        \(body)</section>

        """
    }

    /// A table; on a telephone each row becomes a list of names and values. `caption` says what the rows are, for readers
    /// who do not see the page. Without rows, `none` stands in its place.
    public static func table(
        _ caption: String, _ columns: [Column], _ rows: [[HTML]], none: String = "None."
    ) -> HTML {
        if rows.isEmpty { return "<p class=\"note\">\(none)</p>\n" }
        let head = columns.map { column -> HTML in
            "<th scope=\"col\"\(column.isNumber ? " class=\"number\"" as HTML : .empty)>\(column.name)</th>"
        }
        let lines = rows.map { row -> HTML in
            let cells = zip(columns, row).enumerated().map { place, cell -> HTML in
                let (column, value) = cell
                let kind: HTML = column.isNumber ? " class=\"number\"" : .empty
                return place == 0
                    ? "<th scope=\"row\"\(kind)>\(value)</th>"
                    : "<td data-label=\"\(column.name)\"\(kind)>\(value)</td>"
            }
            return "<tr>\(cells)</tr>\n"
        }
        return """
            <div class="scroll"><table><caption class="unseen">\(caption)</caption><thead><tr>\(head)</tr></thead>
            <tbody>
            \(lines)</tbody></table></div>

            """
    }

    /// Large figures with their names below.
    public static func tiles(_ figures: [(name: String, value: HTML)]) -> HTML {
        let items = figures.map { "<div><dt>\($0.name)</dt><dd>\($0.value)</dd></div>" as HTML }
        return "<dl class=\"tiles\">\(items)</dl>\n"
    }

    /// Names and values below each other.
    public static func list(_ facts: [(name: String, value: HTML)]) -> HTML {
        let items = facts.map { "<dt>\($0.name)</dt><dd>\($0.value)</dd>" as HTML }
        return "<dl class=\"facts\">\(items)</dl>\n"
    }

    /// The state of a run, stage, job or attempt as a coloured word with a sign, so that colour is not needed.
    public static func state(_ word: String) -> HTML {
        let signs = [
            "running": ("▸", "running"), "completed": ("✓", "good"), "done": ("✓", "good"),
            "failed": ("✗", "bad"), "discarded": ("✗", "bad"), "lost": ("✗", "bad"),
            "retryable": ("↻", "waiting"), "cancelled": ("–", "none"), "paused": ("‖", "waiting"),
            "held": ("‖", "waiting"),
        ]
        let (sign, kind) = signs[word] ?? ("·", "waiting")
        return
            "<span class=\"state \(kind)\"><span aria-hidden=\"true\">\(sign)</span> \(word)</span>"
    }

    /// A bar of a share between 0 and 1 with its percentage.
    public static func progress(_ share: Double, of name: String) -> HTML {
        let percent = Int((100 * min(max(share, 0), 1)).rounded(.down))
        return
            "<progress max=\"100\" value=\"\(percent)\" aria-label=\"progress of \(name)\"></progress> \(percent) %"
    }

    /// A moment, such as `2026-12-01 05:12:09`, with the whole of it in the markup.
    public static func time(_ date: Date?) -> HTML {
        guard let date else { return .empty }
        let text = date.formatted(.iso8601)
        let short = text.replacingOccurrences(of: "T", with: " ").replacingOccurrences(
            of: "Z", with: "")
        return "<time datetime=\"\(text)\">\(short)</time>"
    }

    /// A link inside the dashboard.
    public static func link(_ text: String, _ path: String) -> HTML {
        "<a href=\"\(path)\">\(text)</a>"
    }

    /// A form of one button; nothing on a read-only server. `what` completes the button's name for readers who do not see
    /// where it stands, as in `Cancel` `job 12`.
    public static func button(
        _ name: String, _ what: String, path: String, _ request: PageRequest
    ) -> HTML {
        guard request.mayAct else { return .empty }
        return """
            <form method="post" action="\(path)" class="inline">\(request.formToken)<button>\(name)\
            <span class="unseen"> \(what)</span></button></form>
            """
    }

    /// A duration: `950 ms`, `41 s`, `3 min 12 s`, `2 h 05 min`.
    public static func duration(_ seconds: Double?) -> String {
        guard let seconds, seconds.isFinite else { return "" }
        if seconds < 1 { return "\(Int((1000 * max(0, seconds)).rounded())) ms" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        if whole < 86_400 {
            return "\(whole / 3600) h \(String(format: "%02d", whole % 3600 / 60)) min"
        }
        return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }
}
