// Reading gzip: whole, cut, damaged, and not gzip at all.
import Datasets
import Foundation
import Testing

@Suite struct GzipFileTests {
    let scratch: Scratch
    let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }

    init() throws { scratch = try Scratch() }

    private func code(_ path: String, limit: Int = 1 << 31) -> DatasetError.Code? {
        #expect(throws: DatasetError.self) { try GzipFile.read(path, maximumBytes: limit) }?.code
    }

    @Test("a file is unfolded whole")
    func whole() throws {
        #expect(try GzipFile.read(scratch.gzip("a", content)) == content)
        #expect(try GzipFile.read(scratch.gzip("empty", [])) == [])
        let zeros = [UInt8](repeating: 0, count: 3_000_000)
        #expect(try GzipFile.read(scratch.gzip("zeros", zeros)) == zeros)
    }

    @Test("members in a row are unfolded in a row")
    func members() throws {
        let first = try Data(contentsOf: URL(filePath: scratch.gzip("a", content)))
        let second = try Data(contentsOf: URL(filePath: scratch.gzip("b", [1, 2, 3])))
        #expect(
            try GzipFile.read(scratch.file("both.gz", [UInt8](first + second))) == content + [
                1, 2, 3,
            ])
    }

    @Test("a cut file is truncated, wherever it is cut")
    func cut() throws {
        let bytes = [UInt8](
            try Data(contentsOf: URL(filePath: scratch.gzip("a", Array(content[..<500])))))
        for count in 0..<bytes.count {
            #expect(code(try scratch.file("cut.gz", Array(bytes[..<count]))) == .truncated)
        }
    }

    @Test("a flipped bit is never silent")
    func flipped() throws {
        let whole = Array(content[..<2000])
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: scratch.gzip("a", whole))))
        // Bytes 4…9 hold a time and hints that do not touch the content.
        for place in [0, 1, 2] + Array(stride(from: 10, to: bytes.count, by: 37)) + [
            bytes.count - 1
        ] {
            var damaged = bytes
            damaged[place] ^= 1
            let path = try scratch.file("damaged.gz", damaged)
            #expect(throws: DatasetError.self) { try GzipFile.read(path) }
        }
    }

    @Test("a pipe, a device and a folder are no files to read: nothing waits for their end")
    func special() throws {
        let pipe = scratch.folder.appending(path: "pipe").path
        try #require(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, "/dev/zero", "/tmp"] {
            let error = #expect(throws: DatasetError.self) { try GzipFile.read(path) }
            #expect(error?.message.contains("\(path) is not a regular file") == true)
        }
    }

    @Test("zeros behind the end are padding; anything else is named with its place")
    func tail() throws {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: scratch.gzip("a", content))))
        for count in [1, 511, 300_000] {
            let padded = bytes + [UInt8](repeating: 0, count: count)
            #expect(try GzipFile.read(scratch.file("padded.gz", padded)) == content)
            for junk in [[UInt8(7)], Array("garbage".utf8), bytes] {
                let error = #expect(throws: DatasetError.self) {
                    try GzipFile.read(try scratch.file("junk.gz", padded + junk))
                }
                #expect(
                    error?.message.contains("after its gzip data, from byte \(padded.count) on")
                        == true, "\(error?.message ?? "")")
            }
        }
        for junk in [Array("garbage".utf8), [0x1F, 0x8C, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            let error = #expect(throws: DatasetError.self) {
                try GzipFile.read(try scratch.file("junk.gz", bytes + junk))
            }
            #expect(error?.code == .corrupt)
            #expect(
                error?.message.contains("after its gzip data, from byte \(bytes.count) on") == true,
                "\(error?.message ?? "")")
        }
    }

    @Test("other files, missing files and floods are told apart")
    func others() throws {
        #expect(code(try scratch.file("plain", content)) == .wrongFormat)
        #expect(code(scratch.folder.appending(path: "none.gz").path) == .unreadable)
        #expect(code(scratch.folder.path) == .unreadable)
        #expect(code(try scratch.gzip("flood", content), limit: 1000) == .tooLarge)
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: scratch.gzip("tail", content))))
        #expect(code(try scratch.file("tail.gz", bytes + Array("garbage".utf8))) == .corrupt)
    }
}
