// Mutated archives, CIFAR and IDX files: every reader returns events or a typed error, whatever the
// bytes, and hands on no more than it may.
import Datasets
import Foundation
import TestSupport
import Testing

struct FormsFuzzTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// The files of a folder of the corpus by name.
    private func named(_ folder: String) throws -> [String: [UInt8]] {
        Dictionary(uniqueKeysWithValues: try Mutations.corpus(folder).map { ($0.name, $0.bytes) })
    }

    /// Reads a whole source; the bytes handed on are bounded.
    private func drain(_ source: any DatasetSource) throws {
        let survey = try source.survey()
        for unit in survey.units {
            try source.read(unit, classes: survey.classes) { event in
                guard case .sample(let sample) = event else { return }
                #expect(sample.classIndex >= 0 && sample.classIndex < SourceOptions.mostClasses)
                #expect(sample.encoded.count <= 64 << 20)
            }
        }
    }

    private func run(
        _ name: String, _ corpus: [[UInt8]], share: Double,
        _ source: (ByteName) -> any DatasetSource
    ) throws {
        let file = scratch.folder.appending(path: name)
        // The sizes, types and checksums of headers.
        let words = [
            "00000000000", "77777777777", "\u{80}\0\0\0\0\0\0\0\0\0\0\u{7F}", "ustar\0",
            "ustar  \0",
            "path=../../x\n", "30 path=/x\n", "20 size=99999999999\n", "000000.jpg", "000000.cls",
            "../", "\u{1F}\u{8B}",
        ]
        try Mutations(name, of: corpus, words: words, seed: 19).run(
            Mutations.cases(share: share), throwing: DatasetError.self
        ) { bytes in
            var bytes = bytes
            // Most mutated headers would be refused by their checksum alone.
            if bytes.count.isMultiple(of: 2) { Self.repairChecksums(&bytes) }
            // Truncated in place: creating a file is slower.
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: Data(bytes))
            try handle.close()
            try drain(source(ByteName(file.path)))
        }
    }

    /// Makes the checksum of every block that looks like a header right.
    private static func repairChecksums(_ bytes: inout [UInt8]) {
        for start in stride(from: 0, to: bytes.count - 511, by: 512)
        where bytes[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
            for place in 148..<156 { bytes[start + place] = UInt8(ascii: " ") }
            let sum = bytes[start..<start + 512].reduce(0) { $0 + Int($1) }
            let digits = String(sum, radix: 8)
            let field = String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "\0 "
            bytes.replaceSubrange(start + 148..<start + 156, with: Array(field.utf8.prefix(8)))
        }
    }

    @Test("mutated archives of WebDataset give events or a typed error")
    func webDataset() throws {
        let corpus = try Mutations.corpus("tar").map(\.bytes)
        _ = try scratch.file("webdataset", [])
        try run("webdataset", corpus, share: 0.04) { WebDatasetSource($0) }
    }

    @Test("mutated archives of CIFAR give events or a typed error")
    func cifarArchive() throws {
        _ = try scratch.file("cifar-archive", [])
        let archive = try #require(try named("cifar")["cifar-100-binary.tar.gz"])
        let unpacked = try GzipFile.read(try scratch.file("cifar-100.tar.gz", archive))
        let corpus = [archive, unpacked, unpacked]
        try run("cifar-archive", corpus, share: 0.01) { CIFARSource($0) }
    }

    @Test("mutated files of CIFAR and IDX give events or a typed error")
    func files() throws {
        var cifar = try named("cifar")
        cifar["cifar-100-binary.tar.gz"] = nil
        cifar["train.bin"] = cifar["test.bin"]
        for (name, bytes) in cifar { _ = try scratch.file("cifar/\(name)", bytes) }
        let folder = scratch.folder.appending(path: "cifar")
        for (name, file) in [("cifar-file", "test.bin"), ("cifar-names", "fine_label_names.txt")] {
            try mutate(name, [try #require(cifar[file])], 0.01, folder.appending(path: file)) {
                try drain(CIFARSource(ByteName(folder.path)))
            }
        }
        let idx = try named("idx"), numbers = scratch.folder.appending(path: "idx")
        for part in ["train", "t10k"] {
            for kind in ["images-idx3-ubyte", "labels-idx1-ubyte"] {
                _ = try scratch.file("idx/\(part)-\(kind)", try #require(idx["train-\(kind)"]))
            }
        }
        for (name, kind, file) in [
            ("idx-images", "images-idx3-ubyte", "t10k-images-idx3-ubyte"),
            ("idx-labels", "labels-idx1-ubyte", "train-labels-idx1-ubyte"),
        ] {
            let corpus = idx.filter { $0.key.contains(kind) }.sorted { $0.key < $1.key }
            try mutate(name, corpus.map(\.value), 0.02, numbers.appending(path: file)) {
                try drain(IDXSource(ByteName(numbers.path)))
            }
        }
    }

    private func mutate(
        _ name: String, _ corpus: [[UInt8]], _ share: Double, _ file: URL,
        _ body: () throws -> Void
    ) throws {
        try FileManager.default.removeItem(at: file)
        try Data().write(to: file)
        try Mutations(name, of: corpus, seed: 19).run(
            Mutations.cases(share: share), throwing: DatasetError.self
        ) { bytes in
            try Data(bytes).write(to: file)
            try body()
        }
    }
}
