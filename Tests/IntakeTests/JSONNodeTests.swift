// JSON from outside, read with its fields.
import Testing

@testable import Intake

@Suite struct JSONNodeTests {
    private func fault(_ text: String) -> InputFault? {
        #expect(throws: InputFault.self) {
            let fields = try JSONReader(try JSONNode(text), known: ["ks", "r"])
            _ = (try fields.wholes("ks"), try fields.whole("r"))
        }
    }

    @Test("values of every kind, strings without their escapes")
    func values() throws {
        let text = #"{"a\u00e9\n": [1, -2.5e3, true, null, "\ud83d\ude00\"/"], "b": {}}"#
        #expect(
            try JSONNode(text)
                == .object([
                    .init(
                        key: "aé\n",
                        value: .list([
                            .number("1"), .number("-2.5e3"), .flag(true), .null, .text("😀\"/"),
                        ])),
                    .init(key: "b", value: .object([])),
                ]))
    }

    @Test(
        "the field that is wrong is named, an unknown one before all others",
        arguments: [
            (#"{"k": [], "x": 1}"#, "'k' is not known", "did you mean 'ks'? known are ks, r"),
            (#"{"ks": "a", "kss": 1}"#, "'kss' is not known", "did you mean 'ks'? known are ks, r"),
            (#"{"ks": [], "ks": [], "r": 1}"#, "field ks stands twice", nil),
            (#"{"ks": []}"#, "field r is missing", nil),
            (#"{"ks": "a", "r": 1}"#, "field ks is the text 'a'", "write a list of whole numbers"),
            (#"{"ks": [3, "a"], "r": 1}"#, "field ks[1] is the text 'a'", "write a whole number"),
            (
                #"{"ks": [3.5], "r": 1}"#, "field ks[0] is '3.5'",
                "write a whole number in decimal digits, such as 64"
            ),
            (#"{"ks": [], "r": null}"#, "field r is null", "write a whole number"),
            ("[1]", "is a list", "write an object with ks, r"),
            (#"{"ks": [3"#, "is not JSON at byte 9: ']' is missing", nil),
        ] as [(String, String, String?)])
    func refused(text: String, reason: String, remedy: String?) {
        let fault = fault(text)
        #expect(fault?.reason == reason)
        #expect(fault?.remedy == remedy)
    }

    @Test(
        "what a decoder passes by is found: keys twice and keys that are not written back",
        arguments: [
            (#"{"a": 1, "a": 2}"#, "field a stands twice"),
            (#"{"a": 1, "c": {"d": 1, "x": 1}}"#, "field c.x is not known"),
            (#"{"c": {"d": 1, "d": 1}}"#, "field c.d stands twice"),
            (#"{"l": [{"m": 1}, {"m": 1, "n": 2}]}"#, "field l[1].n is not known"),
            (#"{"a": 1, "gone": null, "l": [{"m": 1}]}"#, nil), (#"[1]"#, nil), (#"{}"#, nil),
        ])
    func strays(text: String, told: String?) throws {
        let written = try JSONNode(#"{"a": 1, "c": {"d": 1}, "l": [{"m": 1}, {"m": 2}]}"#)
        #expect(try JSONNode(text).stray(beside: written) == told)
    }
}
