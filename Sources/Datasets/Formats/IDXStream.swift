// IDXStream: reads an IDX file, compressed or not, from start to end. Memory is needed only for the
// values that are requested.

/// The values of an IDX file of unsigned bytes, in order.
final class IDXStream {
    /// The sizes of the dimensions, outermost first.
    let dimensions: [Int]
    private let path: String
    private let stream: ByteStream

    /// Opens a file and reads its header. If the file is not compressed, its size must fit the
    /// header.
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

    /// Skips the next `count` values.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func skip(_ count: Int) throws(DatasetError) {
        guard try stream.skip(count) == count else { throw truncated() }
    }

    /// Returns the next `count` values.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func take(_ count: Int) throws(DatasetError) -> [UInt8] {
        let values = try stream.take(atMost: count)
        guard values.count == count else { throw truncated() }
        return values
    }

    /// Throws if more data follow, or if the file was changed while it was read.
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
