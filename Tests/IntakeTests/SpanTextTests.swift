// Time spans: one number with one unit, within bounds.

import Intake
import Testing

@Suite("Spans as text")
struct SpanTextTests {
    @Test(
        "a span is a number with a unit",
        arguments: [
            ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1d", 86_400), ("2w", 1_209_600),
            ("1s", 1),
        ] as [(String, Double)])
    func span(text: String, seconds: Double) throws {
        #expect(try SpanText.seconds(text) == seconds)
    }

    @Test(
        "what is no span is refused with an example",
        arguments: [
            "", "h", "5", "0s", "0.5s", "1e3s", "-1h", "1h30m", "1 h", "1y", "11000w", "٣h",
        ])
    func refused(text: String) {
        let fault = #expect(throws: InputFault.self) { try SpanText.seconds(text) }
        #expect(fault?.remedy?.contains("12h") == true)
    }
}
