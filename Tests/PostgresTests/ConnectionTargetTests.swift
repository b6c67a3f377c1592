// Tests of ConnectionTarget: what `ofa_pooled` says, URLs that are refused, and that no password is shown.
import Foundation
import Testing

@testable import Postgres

@Suite("ConnectionTarget")
struct ConnectionTargetTests {
    @Test("what is ours is taken out of the URL, the rest stays as it was")
    func urls() throws {
        let cases: [(String, String, ConnectionTarget.Pooling)] = [
            (
                "postgresql:///x?host=%2Ftmp&user=ofa", "postgresql:///x?host=%2Ftmp&user=ofa",
                .automatic
            ),
            ("postgresql:///x?ofa_pooled=1&user=ofa", "postgresql:///x?user=ofa", .always),
            ("postgres://u:p@h:6432/x?ofa_pooled=0", "postgres://u:p@h:6432/x", .never),
            ("postgresql://h/x?user=o&ofa_pooled=auto", "postgresql://h/x?user=o", .automatic),
            ("host=/tmp ofa_pooled=1 user=ofa", "host=/tmp  user=ofa", .always),
            ("postgresql://h/x", "postgresql://h/x", .automatic),
        ]
        for (url, text, pooling) in cases {
            let target = try ConnectionTarget(url)
            #expect(target.libpqText == text)
            #expect(target.pooling == pooling, "\(url)")
        }
        let error = #expect(throws: PostgresError.self) {
            try ConnectionTarget("postgresql:///x?ofa_pooled=maybe")
        }
        #expect(error?.remedy != nil)
    }

    @Test(
        "another program's URL is refused by its scheme, with the remedy",
        arguments: [
            ("jdbc:postgresql://h/x", "jdbc:"), ("mysql://h/x", "mysql:"),
            ("postgresql+psycopg2://h/x", "postgresql+psycopg2:"), ("POSTGRES://h/x", "POSTGRES:"),
            ("sqlite:x.db", "sqlite:"), ("http://h", "http:"),
        ])
    func schemes(url: String, named: String) throws {
        let error = #expect(throws: PostgresError.self) { try ConnectionTarget(url) }
        #expect(
            error?.message.contains("begins with \(named)") == true, "\(String(describing: error))")
        #expect(error?.remedy?.contains("postgresql://USER@HOST:PORT/DATABASE") == true)
    }

    @Test(
        "a URL that cannot be read is refused, and the error holds no part of its password",
        arguments: [
            "postgresql://u:s3cr@t@h/x", "postgresql://u:s3cr/t@h/x", "postgresql://u:s3cr%zzt@h/x",
            "postgresql://h/x?pasword=s3cr", "host=h password=se s3cr", "host=h password='s3cr",
            "//u:s3cr@h/x", "u:s3cr@h/x", "@s3cr", "postgresql://u:s3cr@h:port/x?x",
            "postgresql://u:s3cr\u{1}@h/x", "postgresql://u:s3cr", "postgresql://u:s3cr/x",
            "postgresql://h:0/x", "postgresql://h:70000/x", "host=h port=s3cr", "",
        ])
    func unreadable(url: String) throws {
        let error = #expect(throws: PostgresError.self) { try ConnectionTarget(url) }
        let text = error?.description ?? ""
        #expect(!text.contains("s3cr") && error?.remedy != nil, "\(text)")
        #expect(ConnectionTarget.shown(url) == "***")
    }

    @Test(
        "a password is shown as ***, and the URL without it is one of the same meaning",
        arguments: [
            (
                "postgresql://u:s3cr@h:5433/x", "postgresql://u:***@h:5433/x",
                "postgresql://u@h:5433/x"
            ),
            ("postgresql://u:s3%40cr@h/x", "postgresql://u:***@h/x", "postgresql://u@h/x"),
            ("postgresql:///x?password=s3cr&user=u", "postgresql://u:***@/x", "postgresql://u@/x"),
            ("user=u password='s3 cr' host=h", "postgresql://u:***@h/", "postgresql://u@h/"),
            (
                "host=/tmp/a password=s3cr dbname=x", "postgresql://:***@/x?host=/tmp/a",
                "postgresql:///x?host=/tmp/a"
            ),
            (
                "postgresql://u:s3cr@a:1,b:2/x?sslmode=require",
                "postgresql://u:***@/x?host=a%2Cb&port=1%2C2&sslmode=require",
                "postgresql://u@/x?host=a%2Cb&port=1%2C2&sslmode=require"
            ),
            (
                "postgresql://h/x?sslpassword=s3cr", "postgresql://h/x?sslpassword=***",
                "postgresql://h/x"
            ),
            ("postgresql://h/x", "postgresql://h/x", "postgresql://h/x"),
        ])
    func shown(url: String, shown: String, without: String) throws {
        let target = try ConnectionTarget(url)
        #expect(target.shown == shown)
        #expect(target.withoutPasswords == without)
        #expect(target.hasPassword == url.contains("s3"))
        let kept = { (target: ConnectionTarget) in
            target.settings.filter { !$0.isSecret }.sorted { $0.keyword < $1.keyword }
        }
        #expect(try kept(ConnectionTarget(without)) == kept(target))
    }
}
