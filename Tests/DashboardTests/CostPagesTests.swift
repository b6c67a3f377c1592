// Pages of costs. Tests/CommandTests/DashboardPagesTests has those of a run that was metered.
import Foundation
import Jobs
import Postgres
import Testing

@testable import Dashboard
@testable import Pipelines

@Suite struct CostPagesTests {
    private let filled: PageDatabase

    init() throws { filled = try PageDatabase() }

    @Test("a ledger without attempts says so, and nothing is 0")
    func empty() throws {
        let text = try filled.page("/cost").body.text
        #expect(text.contains("No attempt has ended yet."))
        #expect(text.contains("No costs are recorded."))
        #expect(!text.contains("0 J") && !text.contains("0 g"))
        let networks = try filled.page("/cost/networks").body.text
        #expect(networks.contains("No run has specialised for a device yet."))
    }

    @Test("budgets are bars with their share, and a table; names are text")
    func budgets() throws {
        let queue = JobQueue(filled.connection)
        try filled.change(
            "update ofa.run set name = '<script>' where id = \(filled.run)")
        _ = try queue.setBudget(
            .pipeline("<script>"), .init(microjoules: 3_600_000_000_000, micrograms: 5_000_000),
            isSoft: true)
        let text = try filled.page("/cost").body.text
        for part in ["all runs named &lt;script&gt;", "1 kWh", "5 g", "warn", "0.0 %"] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(!text.contains("<script"))
    }

    @Test("sums are chosen by links, which keep the period")
    func links() throws {
        let text = try filled.page("/cost?by=host&since=2026-01-02").body.text
        #expect(text.contains("<strong aria-current=\"true\">host</strong>"))
        #expect(text.contains("href=\"/cost?by=zone&amp;since=2026-01-02\""))
        #expect(text.contains("<strong aria-current=\"true\">2026-01-02</strong>"))
    }

    @Test(
        "an unknown sum, a text that is no day, and a run that measured no savings are not found",
        arguments: [
            "/cost?by=moon", "/cost?by=attempt", "/cost?since=yesterday",
            "/cost/savings/999", "/cost/savings/x",
        ])
    func unknown(_ path: String) throws {
        let error = #expect(throws: (any Error).self) { try filled.page(path) }
        #expect(error.map(Problem.status) == 404, "\(path)")
    }
}
