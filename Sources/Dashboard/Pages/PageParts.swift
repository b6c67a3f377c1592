// PageParts: what the pages of artifacts, devices and costs have in common: links to choose from, numbers in words, and sections
// whose content may be unreadable.

import Foundation
import Intake
import Pipelines
import Postgres

/// Parts of several pages.
enum PageParts {
    /// Links of which one is chosen, after a caption.
    static func choices(
        _ caption: String, _ items: [(name: String, path: String, isChosen: Bool)]
    ) -> HTML {
        let links = items.map { item -> HTML in
            item.isChosen
                ? "<strong aria-current=\"true\">\(item.name)</strong>"
                : Parts.link(item.name, item.path)
        }
        return "<p>\(caption): \(HTML.joined(links, separator: " · "))</p>\n"
    }

    /// A paragraph of small text.
    static func note(_ text: String) -> HTML { "<p class=\"note\">\(text)</p>\n" }

    /// Formats a number of bytes: `29.2 MiB`.
    static func bytes(_ count: Int) -> String {
        guard count >= 1024 else { return "\(count) B" }
        var (value, unit) = (Double(count) / 1024, "KiB")
        for larger in ["MiB", "GiB", "TiB"] where value >= 1024 {
            (value, unit) = (value / 1024, larger)
        }
        return decimal(value, 1) + " " + unit
    }

    /// Formats a number with `digits` decimals.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    /// Formats a share in percent with its standard error: `91.23 % ± 0.28`; `unknown` without a share.
    static func percent(_ share: Double?, error: Double? = nil, _ digits: Int = 2) -> String {
        guard let share else { return "unknown" }
        return decimal(100 * share, digits) + " %"
            + (error.map { " ± " + decimal(100 * $0, digits) } ?? "")
    }

    /// Formats an amount with its unit; `unknown` without an amount.
    static func amount(_ value: Double?, _ unit: String) -> String {
        value.map { "\(ReportText.amount($0)) \(unit)" } ?? "unknown"
    }

    /// Returns what `make` makes, or the reason why it cannot be made: bytes that were collected or are damaged, or data
    /// that this version cannot read. Errors of the database are thrown.
    static func readable(_ make: () throws -> HTML) throws -> HTML {
        do {
            return try make()
        } catch let error as PostgresError {
            throw error
        } catch let error as any Remedied {
            return """
                <p class="bad">\(Shown.withoutPasswords(error.reason))</p>
                \(error.remedy.map { note(Shown.withoutPasswords($0)) } ?? .empty)
                """
        }
    }
}

/// What pages keep on this machine.
enum PageFiles {
    /// The cache of large blobs, such as shards of pictures. Tests set another.
    @TaskLocal static var cache = HomeFolder.cache
}
