// ByteStream: reads the content of a file from start to end through a small buffer, and decompresses gzip. The amount
// of memory depends on the bytes that the file really has, not on the size that a header declares.

/// A file's content, read from start to end; gzip is recognised by its first two bytes.
final class ByteStream {
    /// The file's path, for messages.
    let path: ByteName
    /// Whether the file is compressed.
    let isCompressed: Bool
    /// The number of content bytes that were read or skipped so far.
    private(set) var place = 0
    private let file: InputFile
    private let inflater: Inflater?
    private var buffer = [UInt8](repeating: 0, count: GzipFile.pieceBytes)
    /// The range of `buffer` that was filled but not read yet.
    private var ready = 0..<0
    private var isAtEnd = false

    /// Opens a file.
    ///
    /// Errors: `unreadable`.
    init(_ path: ByteName) throws(DatasetError) {
        self.path = path
        file = try InputFile(path)
        var start = [UInt8](repeating: 0, count: 2)
        isCompressed = try file.read(into: &start) == 2 && start == GzipFile.magic
        try file.seek(to: 0)
        inflater = isCompressed ? try Inflater(path: path.description) : nil
    }

    /// The size of the content in bytes; nil if the file is compressed, because then the size is
    /// unknown.
    var size: Int? { isCompressed ? nil : file.state.size }

    /// The size of the file in bytes, compressed or not.
    var fileBytes: Int { file.state.size }

    /// Returns the next `count` bytes, or fewer if the content ends before.
    ///
    /// Errors: those of `GzipFile.read`.
    func take(atMost count: Int) throws(DatasetError) -> [UInt8] {
        var taken: [UInt8] = []
        try append(atMost: count, to: &taken)
        return taken
    }

    /// Appends the next `count` bytes to `taken`, or fewer if the content ends before.
    ///
    /// Errors: those of `GzipFile.read`.
    func append(atMost count: Int, to taken: inout [UInt8]) throws(DatasetError) {
        // `count` may come from a header that is wrong. So memory is reserved for at most the rest
        // of the file, or for at most 1 MiB if the file is compressed.
        let known = size.map { max(0, $0 - place) } ?? 1 << 20
        taken.reserveCapacity(taken.count + min(count, known))
        var rest = count
        while rest > 0, try fill() {
            let piece = ready.prefix(rest)
            taken += buffer[piece]
            advance(piece.count)
            rest -= piece.count
        }
    }

    /// Skips `count` bytes, or fewer if the content ends before; returns the number of skipped
    /// bytes.
    ///
    /// Errors: those of `GzipFile.read`.
    func skip(_ count: Int) throws(DatasetError) -> Int {
        var rest = count - min(count, ready.count)
        advance(min(count, ready.count))
        if let size, rest > 0 {
            let jump = min(rest, max(0, size - place))
            place += jump
            try file.seek(to: place)
            return count - rest + jump
        }
        while rest > 0, try fill() {
            let piece = min(rest, ready.count)
            advance(piece)
            rest -= piece
        }
        return count - rest
    }

    /// Returns the position of the next byte that is not 0. Nil if only zeros follow; then the
    /// content was read to its end, and gzip's checksum was verified.
    func firstNonZero() throws(DatasetError) -> Int? {
        while try fill() {
            if let found = buffer[ready].firstIndex(where: { $0 != 0 }) {
                return place + found - ready.lowerBound
            }
            advance(ready.count)
        }
        return nil
    }

    /// Returns whether the content has ended; if so, gzip's checksum has been verified.
    func isEnded() throws(DatasetError) -> Bool { try !fill() }

    /// Throws if the file was changed after it was opened.
    func checkUnchanged() throws(DatasetError) {
        guard file.isUnchanged() else {
            throw DatasetError(
                .unreadable, "\(path) was changed while it was read",
                remedy: "import again when nothing writes to it")
        }
    }

    private func advance(_ count: Int) {
        ready = (ready.lowerBound + count)..<ready.upperBound
        place += count
    }

    /// Refills the buffer if all its bytes were read; returns false at the end of the content.
    private func fill() throws(DatasetError) -> Bool {
        guard ready.isEmpty, !isAtEnd else { return !ready.isEmpty }
        let count: Int
        if let inflater {
            count = try inflater.read(into: &buffer, from: file)
        } else {
            count = try file.read(into: &buffer)
        }
        isAtEnd = count == 0
        ready = 0..<count
        return count > 0
    }
}
