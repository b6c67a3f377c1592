// Finds the four files of an MNIST-like data set in a folder, under the names that mirrors and
// tools use. The files may be compressed, and may be in the subfolder `raw`. Their names may have a
// dash or a dot before `idx3`, and a prefix such as EMNIST's.

import Foundation
import Intake

/// The files of one data set.
public struct IDXFolder: Sendable, Equatable {
    /// The images to train on.
    public let trainImages: String
    /// The labels of `trainImages`.
    public let trainLabels: String
    /// The images for the final measurement.
    public let testImages: String
    /// The labels of `testImages`.
    public let testLabels: String

    private static let parts = ["train images", "train labels", "test images", "test labels"]

    /// Finds the files in `folder` or in its subfolder `raw`.
    ///
    /// Errors: `unreadable`, with the names of missing or found files; `wrongFormat` if the folder
    /// holds several data sets, or if the compressed and the uncompressed form of a file differ;
    /// those of `ByteStream` when these are compared.
    public init(_ folder: String) throws(DatasetError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
            throw DatasetError(.unreadable, "there is no folder \(folder)")
        }
        guard isFolder.boolValue else {
            throw DatasetError(.unreadable, "\(folder) is a file, not a folder")
        }
        let beside = Self.files(in: folder), below = Self.files(in: "\(folder)/raw")
        func hasWhole(_ files: [String: [String: [String]]]) -> Bool {
            files.contains { $0.value.count == Self.parts.count }
        }
        // A stray file in the folder does not hide a data set in `raw/`.
        let isBelow = beside.isEmpty || !hasWhole(beside) && hasWhole(below)
        let found = isBelow ? below : beside
        let whole = found.filter { $0.value.count == Self.parts.count }
        guard whole.count <= 1 else {
            let names = whole.keys.sorted().map { "\($0)train-…" }.joined(separator: ", ")
            throw DatasetError(
                .wrongFormat, "\(folder) holds several data sets (\(names))",
                remedy: "make one folder for each")
        }
        guard let (prefix, files) = whole.first else {
            throw DatasetError(.unreadable, Self.missing(in: folder, found))
        }
        let forms = Self.parts.map { part in
            (files[part] ?? []) + (isBelow ? [] : below[prefix]?[part] ?? [])
        }
        for forms in forms { try Self.checkSame(forms) }
        let paths = forms.map { $0.first ?? "" }
        (trainImages, trainLabels, testImages, testLabels) = (
            paths[0], paths[1], paths[2], paths[3]
        )
    }

    /// Returns the paths by prefix and part. A file may exist in compressed and in uncompressed form; the compressed
    /// form, which has a checksum, comes first.
    private static func files(in folder: String) -> [String: [String: [String]]] {
        var found: [String: [String: [String]]] = [:]
        for name in names(in: folder) {
            guard let parsed = IDXName(name) else { continue }
            found[parsed.prefix, default: [:]][parsed.part, default: []].append("\(folder)/\(name)")
        }
        return found
    }

    /// Checks that the compressed and the uncompressed form of a file have the same content;
    /// unpacking tools may keep both. Errors: `wrongFormat` if they differ, because either form
    /// could be meant.
    private static func checkSame(_ forms: [String]) throws(DatasetError) {
        guard let first = forms.first, forms.count > 1 else { return }
        for other in forms.dropFirst() where try !haveSameContent(first, other) {
            throw DatasetError(
                .wrongFormat, "\(first) and \(other) are forms of one file but differ",
                remedy: "keep one of them")
        }
    }

    /// Returns whether two files have the same content. Compares piece by piece, because the files may be larger than
    /// the memory.
    private static func haveSameContent(
        _ one: String, _ other: String
    ) throws(DatasetError) -> Bool {
        let first = try ByteStream(ByteName(one)), second = try ByteStream(ByteName(other))
        while true {
            let piece = try first.take(atMost: GzipFile.pieceBytes)
            guard try second.take(atMost: GzipFile.pieceBytes) == piece else { return false }
            if piece.isEmpty { return true }
        }
    }

    /// Returns the dimensions of the images, (count, height, width), from the files' headers.
    ///
    /// Errors: those of `IDX`; `wrongDimensions` if the test images differ in size from the
    /// training images.
    public func dimensions() throws -> (train: [Int], test: [Int]) {
        let train = try IDX.dimensions(path: trainImages, rank: 3)
        let test = try IDX.dimensions(path: testImages, rank: 3)
        guard train[1...] == test[1...] else {
            throw DatasetError(
                .wrongDimensions,
                "\(trainImages) has images of \(train[1])×\(train[2]) pixels, \(testImages) of"
                    + " \(test[1])×\(test[2]): they do not belong together")
        }
        return (train, test)
    }

    /// Returns the same as `dimensions`, after checking the label files and the sizes of
    /// uncompressed image files.
    ///
    /// Errors: those of `dimensions` and of reading labels; `wrongDimensions` if the counts of
    /// labels and images differ; `truncated` if values are missing.
    public func checked() throws -> (train: [Int], test: [Int]) {
        let found = try dimensions()
        for (images, labels, dimensions) in [
            (trainImages, trainLabels, found.train), (testImages, testLabels, found.test),
        ] {
            let count = try IDX(path: labels, rank: 1).dimensions[0]
            guard count == dimensions[0] else {
                throw DatasetError(
                    .wrongDimensions,
                    "\(images) has \(dimensions[0]) images, \(labels) \(count) labels: they do not belong together"
                )
            }
            guard try !GzipFile.isGzip(images) else { continue }
            let size = try FileManager.default.attributesOfItem(atPath: images)[.size] as? Int ?? 0
            let whole = IDX.headerBytes(3) + dimensions.reduce(1, *)
            guard size >= whole else {
                throw DatasetError(
                    .truncated, "\(images) has \(size) bytes, and its header announces \(whole)",
                    remedy: "download it again")
            }
        }
        return found
    }

    /// Returns a warning if all training labels are the same, else nil.
    public func warning() throws -> String? {
        let labels = try IDX(path: trainLabels, rank: 1).values
        guard let first = labels.first, labels.allSatisfy({ $0 == first }) else { return nil }
        return
            "warning: all \(labels.count) labels of \(trainLabels) are \(first): nothing can be learnt"
    }

    /// Returns the names in a folder, compressed files first; none if the folder is unreadable.
    private static func names(in folder: String) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted {
                ($0.hasSuffix(".gz") ? 0 : 1, $0) < ($1.hasSuffix(".gz") ? 0 : 1, $1)
            }
        } catch {
            return []
        }
    }

    private static func missing(in folder: String, _ found: [String: [String: [String]]])
        -> String
    {
        let best = found.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }
        if let best {
            let lacking = parts.filter { best.value[$0] == nil }
            return "\(folder) lacks the \(lacking.joined(separator: ", "))"
                + " (such as \(best.key)\(usualName(lacking[0])))"
        }
        let names = names(in: folder).sorted()
        let some = names.prefix(5).map { Shown.excerpt($0, 40) }.joined(separator: ", ")
        let holds =
            names.isEmpty ? "it is empty" : "it holds \(some)\(names.count > 5 ? ", …" : "")"
        return "\(folder) has no IDX files such as \(usualName(parts[0])); \(holds)"
    }

    private static func usualName(_ part: String) -> String {
        let rank = part.hasSuffix("images") ? 3 : 1
        let split = part.hasPrefix("train") ? "train" : "t10k"
        return "\(split)-\(rank == 3 ? "images" : "labels")-idx\(rank)-ubyte.gz"
    }
}

extension ImageShard {
    /// Where the labels of an IDX file start.
    public enum FirstLabel: UInt8, Sendable {
        /// The first class is 0, as in MNIST.
        case zero
        /// The first class is 1, as in the letters of EMNIST.
        case one

        /// Chooses `one` if no label is 0 and the largest label is `classes`, because that label
        /// would be out of range if labels started at 0.
        init(_ labels: [UInt8], classes: Int) {
            self = labels.min() ?? 0 >= 1 && Int(labels.max() ?? 0) == classes ? .one : .zero
        }
    }
}

/// The name of a file of the MNIST family, such as `emnist-letters-train-images-idx3-ubyte.gz`.
struct IDXName {
    /// The part of the name before `train`, `t10k` or `test`.
    let prefix: String
    /// `train images`, `train labels`, `test images` or `test labels`.
    let part: String

    // Names are compared with these texts: compiling a regular expression would take longer than reading a small file.
    private static let ends: [(text: String, part: String)] = ["train", "t10k", "test"].flatMap {
        split in
        ["images", "labels"].flatMap { kind in
            ["-idx1", "-idx3", ".idx1", ".idx3"].map { rank in
                ("\(split)-\(kind)\(rank)-ubyte", "\(split == "train" ? split : "test") \(kind)")
            }
        }
    }

    /// Splits a file's name into prefix and part; nil if the name is not of the MNIST family.
    init?(_ name: String) {
        let plain = name.hasSuffix(".gz") ? name.dropLast(3) : name[...]
        guard let end = Self.ends.first(where: { plain.hasSuffix($0.text) }) else { return nil }
        prefix = String(plain.dropLast(end.text.count))
        part = end.part
    }
}
