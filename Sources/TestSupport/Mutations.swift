// Fuzzing by seeded mutations of files and commands. For any bytes, a reader of external input must return a value or
// throw a typed error with a message. For the same corpus, a case depends only on the seed and the case's number, so a
// failed case can be rerun alone.

import Foundation
import Tensors

/// Mutates inputs and runs a reader on the mutated inputs.
public struct Mutations: Sendable {
    /// The total number of cases of all fuzz tests unless `OFA_FUZZ_CASES` is set. Debug builds, which are a hundred
    /// times slower, run a fiftieth as many cases.
    public static var usualCases: Int {
        #if DEBUG
            2_000
        #else
            100_000
        #endif
    }

    /// The test's name in messages and in the file that records the running case.
    public let name: String
    /// Valid inputs to mutate.
    public let corpus: [[UInt8]]
    /// Words to insert.
    public let words: [String]
    /// The seed of all mutations.
    public let seed: UInt64

    /// Takes a corpus, which must not be empty; `words` are inserted in addition to `hostileWords`.
    public init(
        _ name: String, of corpus: [[UInt8]], words: [String] = [], seed: UInt64 = 16
    ) {
        precondition(!corpus.isEmpty, "mutations need an input to mutate")
        self.name = name
        self.corpus = corpus
        self.words = words + Self.hostileWords
        self.seed = seed
    }

    /// Makes mutations of texts.
    public init(_ name: String, of texts: [String], words: [String] = [], seed: UInt64 = 16) {
        self.init(name, of: texts.map { Array($0.utf8) }, words: words, seed: seed)
    }

    /// Returns the files of a folder of `ops/fuzz/corpus`, sorted by name.
    public static func corpus(_ folder: String) throws -> [(name: String, bytes: [UInt8])] {
        var package = URL(filePath: #filePath)
        for _ in 0..<3 { package.deleteLastPathComponent() }
        let root = package.appending(path: "ops/fuzz/corpus/\(folder)")
        return try FileManager.default.contentsOfDirectory(atPath: root.path).sorted().map {
            ($0, [UInt8](try Data(contentsOf: root.appending(path: $0))))
        }
    }

    /// Inputs that have broken parsers of numbers, names and nested structures.
    public static let hostileWords = [
        "0", "-1", "064", "0x40", "1:30", "6_4", "1e999", "-1e-999", "NaN", "inf", "-0.0", "1.0",
        "9223372036854775807", "9223372036854775808", "-9223372036854775809", "4294967296",
        "99999999999999999999999999999999", "0.1e-400", "1,5", "\u{0}", "\u{1B}[31m", "\u{202E}",
        "\u{FEFF}", "e\u{301}", "装置", "\u{1F1E9}\u{1F1EA}", "\u{2028}", "''", "\"", "\"\"", "'",
        "[", "]", "{", "}", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":", "&a", "*a", "<<", "<<: *a",
        "!!int",
        "!!binary", "~", "null", "true", "yes", "no", "on", "|", ">", "- ", "? ", ": ", "# ", "%",
        "\t", "\r", "\r\n", "\n\n", "---\n", "...\n", ",", ";", "\\u0000", "\\ud800", "--", "-",
        "../..", "/dev/null", "~/x", "$(id)", "'; drop table ofa.job; --", "NULL", "%s%n",
    ]

    /// Returns `share` times the total number of cases (`OFA_FUZZ_CASES`, else `usualCases`), but at least 1.
    public static func cases(share: Double) -> Int {
        let all =
            ProcessInfo.processInfo.environment["OFA_FUZZ_CASES"].flatMap { Int($0) } ?? usualCases
        return max(1, Int(Double(all) * share))
    }

    /// The file with the number of the running case; the file remains after a failure or a crash.
    public var caseFile: URL {
        FileManager.default.temporaryDirectory.appending(path: "ofa-fuzz-\(getuid())-\(name).txt")
    }

    /// Runs `body` on `cases` mutated inputs. An `Expected` error with a message is accepted; any
    /// other error ends the run with a `MutationFailure`, which states seed, case and input.
    public func run<Expected: Error>(
        _ cases: Int, throwing expected: Expected.Type, _ body: ([UInt8]) throws -> Void
    ) throws {
        try Data().write(to: caseFile)
        let file = try FileHandle(forWritingTo: caseFile)
        for number in 0..<cases {
            let input = input(number)
            try file.seek(toOffset: 0)
            try file.write(contentsOf: Data("\(name): seed \(seed), case \(number)      \n".utf8))
            do {
                try body(input)
            } catch let error as Expected where !"\(error)".isEmpty {
                continue
            } catch {
                throw MutationFailure(
                    "\(name), seed \(seed), case \(number): \(type(of: error)) '\(error)' of "
                        + String(decoding: input.prefix(2000), as: UTF8.self).debugDescription)
            }
        }
        try file.close()
        try FileManager.default.removeItem(at: caseFile)
    }

    /// Returns the input of case `number`: an input of the corpus with one, two, four or eight
    /// mutations.
    public func input(_ number: Int) -> [UInt8] {
        var stream = RandomStream(seed: seed, number, 0xF0)
        var bytes = corpus[stream.below(corpus.count)]
        let rounds = 1 << stream.below(4)
        for _ in 0..<rounds { mutate(&bytes, &stream) }
        return bytes
    }

    private func mutate(_ bytes: inout [UInt8], _ stream: inout RandomStream) {
        func place(_ count: Int) -> Int { stream.below(max(1, count)) }
        func range(_ bytes: [UInt8], most: Int) -> Range<Int> {
            let start = min(place(bytes.count), bytes.count)
            return start..<min(bytes.count, start + 1 + place(most))
        }
        let word = Array(words[place(words.count)].utf8)
        switch place(12) {
        case 0 where !bytes.isEmpty: bytes[place(bytes.count)] ^= 1 << UInt8(place(8))
        case 1 where !bytes.isEmpty:
            bytes[place(bytes.count)] = [0, 0x22, 0x7F, 0x80, 0xFF, UInt8(place(256))][place(6)]
        case 2: bytes.removeSubrange(range(bytes, most: 16))
        case 3: bytes.insert(contentsOf: word, at: min(place(bytes.count + 1), bytes.count))
        case 4: bytes.removeSubrange(place(bytes.count + 1)..<bytes.count)
        case 5:
            let copied = Array(bytes[range(bytes, most: 64)])
            bytes.insert(contentsOf: copied, at: place(bytes.count + 1))
        case 6:
            let other = corpus[place(corpus.count)]
            bytes.replaceSubrange(range(bytes, most: 64), with: other[range(other, most: 64)])
        case 7, 8: bytes.replaceSubrange(token(bytes, place(bytes.count)), with: word)
        case 9: bytes.removeSubrange(line(bytes, place(bytes.count)))
        case 10: bytes.insert(contentsOf: bytes[line(bytes, place(bytes.count))], at: 0)
        default:
            for at in range(bytes, most: 8) { bytes[at] = UInt8(place(256)) }
        }
    }

    /// Returns the range of the word or number at an index.
    private func token(_ bytes: [UInt8], _ place: Int) -> Range<Int> {
        func isPart(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return around(bytes, place, isPart)
    }

    /// Returns the range of the line at an index, without the terminator.
    private func line(_ bytes: [UInt8], _ place: Int) -> Range<Int> {
        around(bytes, place) { $0 != UInt8(ascii: "\n") }
    }

    private func around(
        _ bytes: [UInt8], _ place: Int, _ isPart: (UInt8) -> Bool
    ) -> Range<Int> {
        var start = min(place, bytes.count), end = start
        while start > 0, isPart(bytes[start - 1]) { start -= 1 }
        while end < bytes.count, isPart(bytes[end]) { end += 1 }
        return start..<end
    }
}

/// A mutated input that gave neither a value nor an error of the expected type.
public struct MutationFailure: Error, CustomStringConvertible {
    /// Seed, case, error and input.
    public let description: String

    init(_ description: String) { self.description = description }
}
