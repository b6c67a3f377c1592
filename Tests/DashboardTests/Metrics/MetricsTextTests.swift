// The text format of Prometheus: escaping, order, numbers.

import Testing

@testable import Dashboard

@Suite struct MetricsTextTests {
    private let jobs = MetricFamily("ofa_jobs", .gauge, labels: ["kind", "queue"], "Jobs.\nA \\.")
    private let ends = MetricFamily("ofa_ends_total", .counter, "Ends.")

    @Test("families and samples are sorted, texts are escaped")
    func format() {
        var text = MetricsText()
        text.add(jobs, ["b", "x"], 2)
        text.add(jobs, ["a", "say \"hi\" \\ \n\u{1B}[31m"], 0.5)
        text.add(ends, [], 3_000_000)
        #expect(
            text.text == #"""
                # HELP ofa_ends_total Ends.
                # TYPE ofa_ends_total counter
                ofa_ends_total 3000000
                # HELP ofa_jobs Jobs.\nA \\.
                # TYPE ofa_jobs gauge
                ofa_jobs{kind="a",queue="say \"hi\" \\ \n\#u{FFFD}[31m"} 0.5
                ofa_jobs{kind="b",queue="x"} 2

                """#)
    }

    @Test("numbers that are not finite are left out, and a family without samples too")
    func finite() {
        var text = MetricsText()
        text.add(ends, [], .nan)
        text.add(jobs, ["a", "b"], .infinity)
        #expect(text.text.isEmpty && text.names.isEmpty)
        text.add(jobs, ["a", "b"], 1)
        #expect(text.names == ["ofa_jobs"])
    }

    @Test("of two samples with the same labels the later one is written")
    func twice() {
        var text = MetricsText()
        text.add(jobs, ["a", "b"], 1)
        text.add(jobs, ["a", "b"], 2)
        #expect(text.text.hasSuffix("\nofa_jobs{kind=\"a\",queue=\"b\"} 2\n"))
    }

    @Test(
        "a number reads back as it was",
        arguments: [
            (0, "0"), (-2, "-2"), (0.1, "0.1"), (1e15, "1000000000000000"), (1e16, "1e+16"),
            (123_456_789_012, "123456789012"),
            (2.5e-9, "2.5e-09"),
        ])
    func numbers(value: Double, text: String) {
        #expect(MetricsText.number(value) == text && Double(text) == value)
    }
}
