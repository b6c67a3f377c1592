// IDXStream: an IDX file read from start to end, compressed or not, with memory for what is asked
// for only.

/// The values of an IDX file of unsigned bytes, in order.
final class IDXStream {
    /// The extents, outermost first.
    let dimensions: [Int]
    private let path: String
    private let stream: ByteStream

    /// Opens a file and reads its header; the size of a plain file must be what it announces.
    ///
    /// Errors: those of `ByteStream` and `IDX`.
    init(_ path: String, rank: Int) throws(DatasetError) {
        self.path = path
        stream = try ByteStream(ByteName(path))
        let header = try stream.take(atMost: IDX.headerBytes(rank))
        dimensions = try IDX.dimensions(of: header, rank: rank, source: path)
        guard let size = stream.size else { return }
        let announced = dimensions.reduce(1, *), found = size - header.count
        if found < announced { throw truncated() }
        if found > announced { throw surplus() }
    }

    /// Passes over values.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func skip(_ count: Int) throws(DatasetError) {
        guard try stream.skip(count) == count else { throw truncated() }
    }

    /// The next values.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func take(_ count: Int) throws(DatasetError) -> [UInt8] {
        let values = try stream.take(atMost: count)
        guard values.count == count else { throw truncated() }
        return values
    }

    /// Throws if anything follows, or if the file was changed while it was read.
    func finish() throws(DatasetError) {
        guard try stream.isEnded() else { throw surplus() }
        try stream.checkUnchanged()
    }

    private func truncated() -> DatasetError {
        DatasetError(
            .truncated, "\(path) is truncated: it announces \(dimensions) values and holds fewer",
            remedy: "download it again")
    }

    private func surplus() -> DatasetError {
        DatasetError(
            .wrongDimensions, "\(path) holds more data than the \(dimensions) values it announces",
            remedy: "download it again")
    }
}
