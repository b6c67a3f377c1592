// CIFARVariant: the two data sets CIFAR-10 and CIFAR-100 in their binary version, as distributed by
// the University of Toronto (https://www.cs.toronto.edu/~kriz/cifar.html). A record is one or two
// label bytes, then 1,024 red, 1,024 green and 1,024 blue bytes, row by row.
import Foundation

/// CIFAR-10 or CIFAR-100.
enum CIFARVariant: CaseIterable {
    /// CIFAR-10: ten classes, five files to train on.
    case ten
    /// CIFAR-100: a hundred classes (the fine labels), one file to train on.
    case hundred

    /// The height and width of an image in pixels.
    static let side = 32
    /// Bytes of one channel of an image.
    static let plane = side * side

    /// `CIFAR-10`.
    var name: String { self == .ten ? "CIFAR-10" : "CIFAR-100" }
    /// The number of classes.
    var classCount: Int { self == .ten ? 10 : 100 }
    /// Label bytes before the pixels; the last one is the class.
    var labelBytes: Int { self == .ten ? 1 : 2 }
    /// Bytes of one record.
    var recordBytes: Int { labelBytes + 3 * Self.plane }
    /// The other variant.
    var other: CIFARVariant { self == .ten ? .hundred : .ten }
    /// The file with the names of the classes.
    var namesFile: String { self == .ten ? "batches.meta.txt" : "fine_label_names.txt" }
    /// The name of the folder in the archive.
    var folder: String { self == .ten ? "cifar-10-batches-bin" : "cifar-100-binary" }
    /// The name of the archive.
    var archive: String { self == .ten ? "cifar-10-binary.tar.gz" : "cifar-100-binary.tar.gz" }

    /// The names of the data files, in their order, and their parts.
    var files: [(name: String, part: DatasetPart)] {
        switch self {
        case .ten:
            (1...5).map { ("data_batch_\($0).bin", .train) } + [("test_batch.bin", .test)]
        case .hundred: [("train.bin", .train), ("test.bin", .test)]
        }
    }

    /// The names of files and folders by which the variant is recognised.
    var signs: Set<ByteName> {
        Set((files.map(\.name) + [namesFile, folder, archive]).map { ByteName($0) })
    }

    /// The names of files and folders of the Python version, which is not supported.
    static let pythonSigns: [(name: ByteName, variant: CIFARVariant)] =
        (1...5).map { (ByteName("data_batch_\($0)"), .ten) }
        + [
            (ByteName("test_batch"), .ten), (ByteName("batches.meta"), .ten),
            (ByteName("cifar-10-batches-py"), .ten), (ByteName("cifar-10-python.tar.gz"), .ten),
            (ByteName("cifar-100-python"), .hundred),
            (ByteName("cifar-100-python.tar.gz"), .hundred),
        ]

    /// Returns the error for a file of the Python version.
    func python(_ path: ByteName) -> DatasetError {
        DatasetError(
            .wrongFormat,
            "\(path): this is the Python version of \(name) (pickle files can run code when loaded)",
            remedy: "use \(archive)")
    }

    /// The number of records in a file of `bytes` bytes.
    ///
    /// Errors: `truncated` if the file is empty, `wrongDimensions` if the last record is
    /// incomplete.
    func records(bytes: Int, file: ByteName) throws(DatasetError) -> Int {
        guard bytes > 0 else { throw DatasetError(.truncated, "\(file) is an empty file") }
        let (count, rest) = bytes.quotientAndRemainder(dividingBy: recordBytes)
        if rest == 0 { return count }
        let looksLikeOther = bytes % other.recordBytes == 0
        throw DatasetError(
            .wrongDimensions,
            "\(file): \(Self.grouped(bytes)) bytes are not a multiple of "
                + Self.grouped(recordBytes)
                + (looksLikeOther
                    ? ", but a multiple of \(Self.grouped(other.recordBytes)): "
                        + "looks like \(other.name)" : ""),
            remedy: looksLikeOther ? "put the files of one version together" : "download it again")
    }

    /// Returns the class and the pixels of record `index`; the pixels have shape (height, width,
    /// channels).
    ///
    /// Errors: `wrongDimensions` if the label is out of range.
    func decode(
        _ record: [UInt8], index: Int, file: ByteName
    ) throws(DatasetError) -> (classIndex: Int, pixels: [UInt8]) {
        let label = Int(record[labelBytes - 1])
        guard label < classCount else {
            throw DatasetError(
                .wrongDimensions,
                "\(file): record \(index): \(self == .hundred ? "fine " : "")label \(label) is not "
                    + "in 0...\(classCount - 1)", remedy: "download it again")
        }
        var pixels = [UInt8](repeating: 0, count: 3 * Self.plane)
        for channel in 0..<3 {
            let start = labelBytes + channel * Self.plane
            for place in 0..<Self.plane { pixels[3 * place + channel] = record[start + place] }
        }
        return (label, pixels)
    }

    /// Returns the class names in a file, one name per line; empty lines are skipped.
    ///
    /// Errors: `wrongDimensions` if there is not one name per class, or a name occurs twice.
    func names(_ bytes: [UInt8], file: ByteName) throws(DatasetError) -> [ByteName] {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { line in
            line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        }
        let names = lines.filter { !$0.isEmpty }.map { ByteName($0) }
        guard names.count == classCount else {
            throw DatasetError(
                .wrongDimensions,
                "\(file): \(names.count) class names for \(classCount) classes",
                remedy: "download it again")
        }
        guard Set(names).count == names.count else {
            throw DatasetError(.wrongDimensions, "\(file) has the name of a class twice")
        }
        return names
    }

    private static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return String(
            digits.enumerated().flatMap { place, digit in
                place > 0 && (digits.count - place) % 3 == 0 ? [",", digit] : [digit]
            })
    }
}
