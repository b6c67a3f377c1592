// Tests of the API: its signatures, which older and newer programs call alike, and who may call it.
import Foundation
import Postgres
import TestSupport
import Testing

@testable import Schema

@Suite("API")
struct APITests {
    @Test("the signatures of the API are those of sql/api_1.txt: a change of one is a decision")
    func signatures() throws {
        let database = try TemporaryDatabase()
        let found = try database.connect().query(
            Statement(
                name: "Signatures",
                sql: """
                    select proname || '(' || pg_get_function_arguments(oid) || ') '
                      || pg_get_function_result(oid) as signature
                    from pg_proc where pronamespace = 'ofa_api_1'::regnamespace order by 1
                    """)
        ).map { try $0.text("signature") }
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../sql/api_1.txt")
        let known = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(
            String.init)
        let change = found.difference(from: known)
        #expect(
            change.isEmpty,
            """
            A worker of the version before calls these: add a function, or an API 2, instead of changing one.
            \(change.map { "\($0)" }.joined(separator: "\n"))
            """)
    }

    @Test("every function of the API runs as the owner and finds nothing but what it names")
    func definer() throws {
        let database = try TemporaryDatabase()
        let others = try database.connect().query(
            Statement(
                name: "Others",
                sql: """
                    select proname from pg_proc where pronamespace = 'ofa_api_1'::regnamespace
                      and not (prosecdef and 'search_path=pg_catalog, pg_temp' = any (proconfig))
                    """)
        ).map { try $0.text("proname") }
        #expect(others == [])
    }
}
