// Blocks of 8 kB as a measure of work: how many a statement touches does not depend on the machine's speed.
import Foundation
import Postgres
import Testing

extension Connection {
    /// The blocks that a statement touches, with all that it calls; it is executed.
    func blocks(_ request: Request) throws -> Int {
        let explain = Statement(
            name: "Explain\(request.statement.name)",
            sql: "explain (analyze, buffers, format json) \(request.statement.sql)")
        let text = try queryOne(explain, request.binds).text("QUERY PLAN")
        let plans = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
        let plan = try #require(plans?.first?["Plan"] as? [String: Any])
        return try ["Shared Hit Blocks", "Shared Read Blocks"].reduce(0) {
            $0 + (try #require(plan[$1] as? Int))
        }
    }
}
