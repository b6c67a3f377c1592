// ByteStream: the content of a file from its start to its end, plain or decompressed, with a
// small buffer. Memory is taken for what has been read, not for what a header announces.

/// A file's content, read from start to end; gzip is recognised by its first two bytes.
final class ByteStream {
    /// The file's path, for messages.
    let path: ByteName
    /// Whether the file is compressed.
    let isCompressed: Bool
    /// The bytes of content that were read or skipped.
    private(set) var place = 0
    private let file: InputFile
    private let inflater: Inflater?
    private var buffer = [UInt8](repeating: 0, count: GzipFile.pieceBytes)
    /// The part of `buffer` that is still to be read.
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

    /// The size of the content in bytes; nil if only reading it tells.
    var size: Int? { isCompressed ? nil : file.state.size }

    /// The size of the file in bytes.
    var fileBytes: Int { file.state.size }

    /// The next `count` bytes; fewer where the content ends.
    ///
    /// Errors: those of `GzipFile.read`.
    func take(atMost count: Int) throws(DatasetError) -> [UInt8] {
        var taken: [UInt8] = []
        try append(atMost: count, to: &taken)
        return taken
    }

    /// Appends the next `count` bytes to `taken`; fewer where the content ends.
    ///
    /// Errors: those of `GzipFile.read`.
    func append(atMost count: Int, to taken: inout [UInt8]) throws(DatasetError) {
        // What a header declares is not to be believed: memory is reserved for what is there, of
        // compressed content for 1 MiB.
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

    /// Passes over `count` bytes; returns how many were there.
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

    /// The next byte's place if a byte that is not 0 follows; nil if only zeros follow. Reads to
    /// the end, so that gzip's checksum is verified.
    func firstNonZero() throws(DatasetError) -> Int? {
        while try fill() {
            if let found = buffer[ready].firstIndex(where: { $0 != 0 }) {
                return place + found - ready.lowerBound
            }
            advance(ready.count)
        }
        return nil
    }

    /// Whether nothing follows; at the end of gzip data the checksum has been verified.
    func isEnded() throws(DatasetError) -> Bool { try !fill() }

    /// Throws if the file was changed since it was opened.
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

    /// Reads the next piece if the buffer is empty; false at the end.
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
