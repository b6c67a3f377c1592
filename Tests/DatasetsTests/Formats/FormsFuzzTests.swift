// Mutated archives, CIFAR and IDX files: every reader returns events or a typed error, whatever the
// bytes, and hands on no more than it may.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: SharedFolders.images != nil, "no folder of image fixtures"))
struct FormsFuzzTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func fixtures(_ names: [String]) throws -> [[UInt8]] {
        try names.map { [UInt8](try Data(contentsOf: FormsIndex.fixture($0))) }
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
        let names = try FormsIndex.read().webdataset.map(\.path).filter { !$0.contains("expands") }
        let corpus = try fixtures(names).filter { $0.count < 40_000 }
        _ = try scratch.file("webdataset", [])
        try run("webdataset", corpus, share: 0.04) { WebDatasetSource($0) }
    }

    @Test("mutated archives of CIFAR give events or a typed error")
    func cifarArchive() throws {
        _ = try scratch.file("cifar-archive", [])
        let unpacked = try GzipFile.read(
            FormsIndex.fixture("cifar/cifar-100-binary.tar.gz").path)
        let corpus = try fixtures(["cifar/cifar-100-binary.tar.gz"]) + [unpacked, unpacked]
        try run("cifar-archive", corpus, share: 0.01) { CIFARSource($0) }
    }

    @Test("mutated files of CIFAR and IDX give events or a typed error")
    func files() throws {
        let cifar = scratch.folder.appending(path: "cifar")
        try FileManager.default.copyItem(
            at: FormsIndex.fixture("cifar/cifar-100-binary"), to: cifar)
        let idx = scratch.folder.appending(path: "idx")
        try FileManager.default.createDirectory(at: idx, withIntermediateDirectories: true)
        for name in ["train", "t10k"] {
            for kind in ["images-idx3", "labels-idx1"] {
                try FileManager.default.copyItem(
                    at: FormsIndex.fixture("idx/train-\(kind)-ubyte"),
                    to: idx.appending(path: "\(name)-\(kind)-ubyte"))
            }
        }
        let small = try fixtures(
            ["cifar/cifar-100-binary/test.bin", "cifar/cifar-100-binary/fine_label_names.txt"])
        try mutate("cifar-file", [small[0]], 0.01, cifar.appending(path: "test.bin")) {
            try drain(CIFARSource(ByteName(cifar.path)))
        }
        try mutate("cifar-names", [small[1]], 0.01, cifar.appending(path: "fine_label_names.txt")) {
            try drain(CIFARSource(ByteName(cifar.path)))
        }
        let images = try fixtures(
            ["idx/train-images-idx3-ubyte", "idx/train-images-idx3-ubyte.gz"])
        try mutate("idx-images", images, 0.02, idx.appending(path: "t10k-images-idx3-ubyte")) {
            try drain(IDXSource(ByteName(idx.path)))
        }
        let labels = try fixtures(
            ["idx/train-labels-idx1-ubyte", "idx/train-labels-idx1-ubyte.gz"])
        try mutate("idx-labels", labels, 0.02, idx.appending(path: "train-labels-idx1-ubyte")) {
            try drain(IDXSource(ByteName(idx.path)))
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
