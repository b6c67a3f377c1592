// Passwords in texts that are shown or stored.
import Intake
import Testing

@Suite struct ShownPasswordsTests {
    @Test(
        "a password goes, whatever it stands in",
        arguments: [
            ("postgresql://u:s3cret@h/x", "postgresql://u:***@h/x"),
            (
                "The value 'postgres://u:s3cret@127.0.0.1:1/x' is",
                "The value 'postgres://u:***@127.0.0.1:1/x' is"
            ),
            ("//u:s3cretpw@h/x", "//u:***@h/x"),
            ("postgresql://u:s3/cr@et@h/x", "postgresql://u:***@h/x"),
            ("postgresql://u:s3 cret@h/x", "postgresql://u:***@h/x"),
            ("postgresql://u:s3%63ret\u{1}@h/x", "postgresql://u:***@h/x"),
            (
                "'--database=postgresql://u:s3cretword…', holds",
                "'--database=postgresql://u:*** holds"
            ),
            (
                "postgresql://u@h/x?password=s3cret&sslmode=require",
                "postgresql://u@h/x?password=***&sslmode=require"
            ),
            ("postgresql://h/x?sslp%61ssword=s3cret", "postgresql://h/x?sslp%61ssword=***"),
            ("host=h password=s3cret dbname=x", "host=h password=*** dbname=x"),
            ("host=h password = 's3 c\\'ret' dbname=x", "host=h password = *** dbname=x"),
            ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
        ])
    func hidden(text: String, shown: String) {
        #expect(Shown.withoutPasswords(text) == shown)
        #expect(!TextRule.kept(text, 200).contains("s3"))
    }

    @Test(
        "what is none stays",
        arguments: [
            "postgresql://u@h:5432/x", "postgresql://h:5432/x", "http://127.0.0.1:8080/metrics",
            "a=b, c/d",
            "stages.full.epochs=1", "postgresql:///x?host=/tmp", "postgresql://h:5432",
        ])
    func kept(text: String) { #expect(Shown.withoutPasswords(text) == text) }
}
