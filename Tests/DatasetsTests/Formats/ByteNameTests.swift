// Names as bytes, their texts, and the hash that splits data sets.
import Datasets
import Foundation
import Testing

@Suite struct ByteNameTests {
    @Test("names differ wherever their bytes do, and are ordered by them")
    func bytes() {
        let composed = ByteName("caf\u{E9}"), decomposed = ByteName("cafe\u{301}")
        #expect(composed != decomposed && decomposed < composed)
        #expect(ByteName("10") < ByteName("2") && ByteName("Z") < ByteName("a"))
        #expect(ByteName("x") < ByteName("x-1") && ByteName("x-1") < ByteName("x/y"))
        #expect(ByteName("").appending(ByteName("a")).appending(ByteName("b")) == ByteName("a/b"))
    }

    @Test("texts of names can be read back, whatever the bytes")
    func texts() throws {
        let hostile: [[UInt8]] = [
            [], [0], [0xFF, 0x5C, 0x78], Array("a\\xFF\n\u{1B}".utf8), [0xE9, 0x74, 0xE9],
            [0xF0, 0x9F, 0x98], [0xED, 0xA0, 0x80], [0xC0, 0x80, 0x41], Array(0...255),
        ]
        for bytes in hostile {
            let name = ByteName(bytes)
            #expect(ByteName(text: name.text) == name, "\(name)")
            #expect(
                try JSONDecoder().decode(ByteName.self, from: JSONEncoder().encode(name)) == name)
        }
        #expect(ByteName([0xE9, 0x74, 0x5C]).text == "\\xE9t\\\\")
        #expect(ByteName([0xE9, 0x1B, 0x0A]).description == "\\xE9\\u{1B}\\n")
        for wrong in ["\\", "\\x", "\\x1", "\\xZZ", "\\x+1", "\\n"] {
            #expect(ByteName(text: wrong) == nil)
        }
    }

    @Test("the hash of a name and a seed decides alone, with the stated share")
    func split() {
        let split = HashSplit(heldOut: 0.2, seed: 7)
        let names = (0..<20_000).map { ByteName("class \($0 % 10)/\($0).jpg") }
        let held = names.filter { split.part(of: $0) == .val }
        // Binomial: the deviation is 57.
        #expect(abs(held.count - 4000) < 5 * 57)
        let other = HashSplit(heldOut: 0.2, seed: 8)
        let both = held.filter { other.part(of: $0) == .val }
        #expect(abs(both.count - 800) < 5 * 28)
        #expect(names.allSatisfy { HashSplit(heldOut: 0, seed: 7).part(of: $0) == .train })
        // From an independent program: the draw of a seed must never change.
        let first = (0..<16).map { HashSplit(heldOut: 0.5, seed: 1).part(of: ByteName("a/\($0)")) }
        #expect(
            first.map { $0 == .val ? 1 : 0 } == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0])
    }
}
