// Tables in files as people have them: names, folders, quotes, encodings, and the reason for each that is refused.
import Foundation
import Testing

@testable import Devices

@Suite struct LatencyTableFilesTests {
    /// A folder of these files, read as a table.
    private func table(_ files: [String: String], folders: [String] = []) throws -> LatencyTable {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "lut-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        for (name, text) in files {
            try Data(text.utf8).write(to: folder.appending(path: name))
        }
        for name in folders {
            try FileManager.default.createDirectory(
                at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        return try LatencyTable(contentsOf: folder.path)
    }

    private func message(_ files: [String: String], folders: [String] = []) -> String {
        #expect(throws: DeviceError.self) { try table(files, folders: folders) }?.message ?? ""
    }

    private func message(_ text: String, _ name: String = "16.csv", unit: String = "ms") -> String {
        message(Array(text.utf8), name, unit: unit)
    }

    private func message(_ bytes: [UInt8], _ name: String = "16.csv", unit: String = "ms") -> String
    {
        #expect(throws: DeviceError.self) {
            try LatencyTable(bytes: bytes, name: name, unit: unit, source: name)
        }?.message ?? ""
    }

    @Test("a size is what a name says that is nothing else; a card's name is none")
    func sizes() {
        for (name, size) in [
            ("192.csv", 192), ("192_lookup_table.yaml", 192), ("224.YML", 224), ("96.json", 96),
        ] {
            #expect(LatencyTable.resolution(of: name) == size)
        }
        for name in [
            "1080ti.csv", "192-gpu.csv", "192_gpu_lookup_table.yaml", "0192.csv", "5000.csv",
            "192.csv.bak", "a192.csv", "192_lookup_table.txt", "0.csv",
        ] {
            #expect(LatencyTable.resolution(of: name) == nil, "\(name)")
        }
    }

    @Test("JSON and YAML tables are read under every ending, by name or with sizes above the parts")
    func forms() throws {
        let entry = LatencyEntry(count: 3, mean: 1.5, std: 0.25)
        for (name, text) in [
            ("16.json", #"{"a": {"count": 3, "mean": 1.5, "std": 0.25}}"#),
            ("16.yaml", "a: {count: 3, mean: 1.5, std: 0.25}\n"),
            ("16.yml", "a:\n  count: 3\n  mean: 1.5\n  std: 0.25\n"),
            ("16_lookup_table.json", "{\n\t\"a\":{\"count\":3,\"mean\":1.5,\"std\":0.25}}\n"),
            ("t.json", #"{"16": {"a": {"count": 3, "mean": 1.5, "std": 0.25}}}"#),
            ("t.yaml", "16:\n  a: {count: 3, mean: 1.5, std: 0.25}\n"),
            ("t.csv", "resolution,key,ms,std,count\n16,a,1.5,0.25,3\n"),
        ] {
            #expect(try table([name: text]) == LatencyTable(entries: [16: ["a": entry]]), "\(name)")
        }
        // This program's own form, corrections and all.
        var own = LatencyTable(entries: [16: ["a": entry]])
        own[correctionOf: "s", 16] = LatencyCorrection(scale: 2, perBlockMs: 0, fixedMs: 0)
        let json = String(decoding: try JSONEncoder().encode(own), as: UTF8.self)
        #expect(try table(["t.json": json]) == own)
        #expect(message(["t.yaml": "a: {mean: 1}\n"]).contains("does not say its image size"))
    }

    @Test(
        "this program's own form has its keys, each once, and numbers in their ranges",
        arguments: [
            (#"{"entries": {}, "correction": {}}"#, "'correction' is not known"),
            (
                #"{"entries": {"16": {"a": {"count": 1, "mean": 1, "std": 0, "sdt": 0}}}}"#,
                "'entries.16.a.sdt'"
            ),
            (
                #"{"entries": {"16": {"a": {"count": 1, "mean": 1, "std": 0, "spread": {"p": 1}}}}}"#,
                "spread.p'"
            ),
            (
                #"{"entries": {"16": {"a": {"count": 1.5, "mean": 1, "std": 0}}}}"#,
                "entries.16.a.count"
            ),
            (
                #"{"entries": {"16": {"a": {"count": 1, "mean": -1, "std": 0}}}}"#,
                "entries.16.a.mean is"
            ),
            (
                #"{"entries": {"16": {" a": {"count": 1, "mean": 1, "std": 0}}}}"#,
                "begins with a blank"
            ),
            (
                #"{"entries": {"16": {"a\u0007": {"count": 1, "mean": 1, "std": 0}}}}"#,
                "control character"
            ),
            (
                #"{"entries": {"016": {"a": {"count": 1, "mean": 1, "std": 0}}}}"#,
                "image size of field entries.016"
            ),
            (#"{"entries": {"16": {}, "16": {}}}"#, "16"),
            (
                #"{"entries": {"16": {}}, "corrections": {"s": {"16": {"scal": 1}}}}"#,
                "corrections.s.16.scal"
            ),
            (
                #"{"entries": {"16": {}}, "corrections": {"s": {"24": {"scale": 1, "perBlockMs": 0, "fixedMs": 0}}}}"#,
                "without entries"
            ),
            (
                #"{"entries": {"16": {}}, "corrections": {"s": {"16": {"scale": 1e300, "perBlockMs": 0, "fixedMs": 0}}}}"#,
                "scale is"
            ),
        ])
    func ownForm(_ text: String, _ told: String) {
        let message = message(["t.json": text])
        #expect(message.contains("t.json") && message.contains(told), "\(message)")
    }

    @Test(
        "an image size or a part that stands twice, a tag and a syntax error are told with their line"
    )
    func yamlFaults() {
        for (text, told) in [
            (
                "20:\n  a: {mean: 1}\n\"20\":\n  a: {mean: 9}\n",
                "line 3: image size 20 stands twice"
            ),
            ("20:\n  a: {mean: 1}\n  a: {mean: 9}\n", "a stands twice"),
            ("20:\n  a: !!python/object {mean: 1}\n", "tags (!) are not read"),
            ("20:\n  a: {mean: !!float 1}\n", "tags (!) are not read"),
            ("20:\n  a: {mean: 1\n", "is not YAML"),
        ] {
            let message = message(["t.yaml": text])
            #expect(message.contains(told) && !message.contains("Context"), "\(message)")
        }
    }

    @Test("std and count may be left out in every form; other keys are named")
    func fields() throws {
        let entry = LatencyEntry(count: 1, mean: 1.5, std: 0)
        for (name, text) in [
            ("16.yaml", "a:\n  mean: 1.5\n"), ("16.json", #"{"a": {"mean": 1.5}}"#),
            ("16.csv", "key,mean\na,1.5\n"),
        ] {
            #expect(try table([name: text]).entries == [16: ["a": entry]])
        }
        #expect(
            message("a:\n  count: 1\n  mean: 2\n  var: 1\n", "16.yaml")
                == "16.yaml, line 4: a var is not known; a part has mean, std and count")
        #expect(message("a: {mena: 2}\n", "16.yaml").hasSuffix("; did you mean 'mean'?"))
        #expect(
            message("a:\n  mean: 2\n  std: -1\n", "16.yaml").hasPrefix(
                "16.yaml, line 3: a std is -1;"))
        #expect(message("key,mean,std\na,1,-1\n").hasPrefix("16.csv, line 2: std is -1;"))
        #expect(
            message("a:\n  count: 60.0\n  mean: 2\n  std: 0\n", "16.yaml").contains(
                "line 2: a count is '60.0'"))
        #expect(
            message("a:\n  count: 064\n  mean: 2\n  std: 0\n", "16.yaml").contains(
                "line 2: a count is '064'"))
        #expect(message("key,mean,var\na,1,1\n").contains("column 'var' is not known"))
    }

    @Test("cells in quotes are read as RFC 4180 has them")
    func quotes() throws {
        let text = "\u{FEFF}\"key\",\"mean\"\r\n\"a,b\",1.5\r\n\"c\"\"d\", \"2\" \r\n"
        #expect(
            try table(["16.csv": text]).entries[16]?.mapValues(\.mean) == ["a,b": 1.5, "c\"d": 2])
        #expect(
            try CSVRows.read("a,\"x\ny\"\n# no\n\n\"\",\n", source: "t")
                == [.init(line: 1, cells: ["a", "x\ny"]), .init(line: 5, cells: ["", ""])])
        #expect(message("key,mean\n\"a,1\n").hasPrefix("16.csv, line 2: a quote is not closed"))
        #expect(message("key,mean\na\"b,1\n").contains("line 2: a quote stands within a cell"))
        #expect(message("key,mean\n\"a\"b,1\n").contains("line 2: text stands behind a closing"))
    }

    @Test("semicolons, decimal commas, UTF-16, units in heads and controls are refused by name")
    func refused() {
        #expect(
            message("key;mean\na;1\n").contains("line 1: the columns are separated by semicolons"))
        #expect(message("key\tmean\na\t1\n").contains("line 1: the columns are separated by tabs"))
        #expect(message("key,mean\na,0,5\n").contains("line 2: a row has 2 cells, and this has 3"))
        #expect(message("key,mean\na,\"0,5\"\n").contains("line 2: mean is '0,5': write a decimal"))
        #expect(message("key,Latency (ms)\na,1\n").contains("column 'Latency (ms)' is not known"))
        #expect(
            message("key,mean,count\na,1,60.0\n").contains("line 2: count is '60.0': write a whole")
        )
        #expect(
            message([0xFF, 0xFE] + "key".utf16.flatMap { [UInt8($0), 0] }).contains("is UTF-16"))
        #expect(message("key".utf16.flatMap { [UInt8($0), 0] }).contains("is UTF-16"))
        #expect(message(Array("key,mean\n".utf8) + [0xE9, 0x2C]).contains("line 2: is not UTF-8"))
        #expect(
            message("key,mean\na\u{0},1\n").contains("line 2: holds the invisible character U+0000")
        )
        #expect(message("key,mean\n").contains("has no entries"))
        #expect(message("", "16.csv").contains("is empty"))
        #expect(message("a: &x {mean: 1}\nb: *x\n", "16.yaml").contains("anchors and aliases"))
        #expect(
            message("a: {mean: 1}\na: {mean: 2}\n", "16.yaml").hasPrefix(
                "16.yaml, line 1: a stands twice"))
        #expect(message("\"5000\": {a: {mean: 1}}\n", "t.yaml").contains("the image size is 5000"))
    }

    @Test(
        "hidden files, copies of editors and folders are passed over; a part twice names both files"
    )
    func folders() throws {
        let sound = "key,mean\na,1\n"
        let found = try table(
            [
                "16.csv": sound, "._16_lookup_table.yaml": "\u{5}junk", "16.csv~": "x",
                ".16.csv.swp": "x", "24.csv.swp": "x", "README.md": "text",
            ], folders: ["old.csv"])
        #expect(found.resolutions == [16])
        let twice = message(["16.csv": sound, "16-gpu.csv": "resolution,key,mean\n16,a,2\n"])
        #expect(twice.contains("/16-gpu.csv and in") && twice.contains("/16.csv: keep one"))
        #expect(twice.hasPrefix("a at image size 16 stands in "))
        #expect(message(["1080ti.csv": sound]).contains("1080ti.csv, line 1: the head must name"))
        let none = message(["notes.txt": "", "table.xlsx": ""], folders: ["old.csv"])
        #expect(none.contains("only notes.txt, old.csv, table.xlsx: name files like 192_"))
        #expect(message([:]).contains("it is empty"))
    }

    @Test("one value for all parts is noticed")
    func constant() throws {
        #expect(try table(["16.csv": "key,mean\na,1\nb,1\n"]).constant == 1)
        #expect(try table(["16.csv": "key,mean\na,1\nb,2\n"]).constant == nil)
        #expect(try table(["16.csv": "key,mean\na,1\n"]).constant == nil)
    }
}
