// Python literals from outside: read as JSON values, and never evaluated.
import Testing

@testable import Intake

@Suite struct JSONNodePythonTests {
    @Test(
        "dictionaries, lists, tuples, texts, numbers and constants are read as Python prints them")
    func values() throws {
        let text =
            #"{'wid': None, 'ks': [3, 5,], "t": (1, -2.5e3), u'f': True, 'g': u'a\'"', 'e': ()}"#
        #expect(
            try JSONNode(python: text)
                == .object([
                    .init(key: "wid", value: .null),
                    .init(key: "ks", value: .list([.number("3"), .number("5")])),
                    .init(key: "t", value: .list([.number("1"), .number("-2.5e3")])),
                    .init(key: "f", value: .flag(true)),
                    .init(key: "g", value: .text("a'\"")), .init(key: "e", value: .list([])),
                ]))
    }

    @Test(
        "calls, names, sets and cut texts are refused with their byte",
        arguments: [
            ("{'a': __import__('os')}", "at byte 6: no plain value"),
            ("{'a': np.int64(3)}", "at byte 6: no plain value"),
            ("{1: 2}", "a key that is no text"),
            ("{'a'}", "a colon is missing"), ("{'a': 1} + {}", "something follows the value"),
            ("{'a': [1, 2}", "']' is missing"), ("{'a", "a text does not end"),
            (#"{'a\x41': 1}"#, "an escape in a text"), ("", "no plain value"),
            (String(repeating: "[", count: 200), "it is more than 128 deep"),
        ])
    func refused(text: String, reason: String) throws {
        let fault = #expect(throws: InputFault.self) { try JSONNode(python: text) }
        #expect(fault?.reason.hasPrefix("is no Python literal") == true)
        #expect(fault?.reason.contains(reason) == true, "\(fault?.reason ?? "")")
    }

    @Test(
        "only decimal numbers are read, in Python's notations of them",
        arguments: [
            ("[0, -1, 0.5, -2.5e3, 1e-05, 1., .5]", true), ("[007]", false), ("[1_0]", false),
            ("[1-2]", false), ("[+1]", false), ("[--1]", false), ("[1.2.3]", false), ("[-]", false),
            ("[.]", false), ("[1e]", false), ("[0x10]", false), ("[1j]", false), ("[00.5]", false),
        ])
    func numbers(text: String, isRead: Bool) throws {
        if isRead {
            #expect(try JSONNode(python: text) != .null)
        } else {
            #expect(throws: InputFault.self) { try JSONNode(python: text) }
        }
    }

    @Test("a text above the rule's size is refused")
    func size() {
        #expect(throws: InputFault.self) {
            try JSONNode(python: "[1, 2, 3]", JSONRule(maxBytes: 8))
        }
    }
}
