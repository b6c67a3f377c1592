// TarReader: reads the members of a tar archive, plain or gzip, once from start to end. Nothing is extracted to disk,
// so the names of members can do no harm. The amount of memory depends on the bytes that the file really has, not on
// the size that a header declares.

/// A member of an archive.
struct TarMember {
    /// The name, from the tar header or from pax or GNU records.
    let name: ByteName
    /// The kind of the member.
    let kind: TarHeader.Kind
    /// The size of the member's content in bytes.
    let size: Int

    /// Whether the name, used as a path, could lead out of a folder: it is absolute, has `..`
    /// between its slashes, or contains a NUL byte.
    var isUnsafe: Bool {
        name.bytes.first == UInt8(ascii: "/") || name.bytes.contains(0)
            || name.bytes.split(separator: UInt8(ascii: "/")).contains {
                $0.elementsEqual("..".utf8)
            }
    }
}

/// Reads an archive member by member.
final class TarReader {
    /// The most bytes of a long name or of the pax records of one member.
    static let mostRecordBytes = 1 << 20

    private let stream: ByteStream
    /// The numbers of content bytes of the current member that were not read yet, and of padding
    /// bytes after them.
    private var rest = 0, padding = 0
    private var present = ByteName("")
    private var isFirst = true
    private var isEnded = false

    /// Reads the archive that `stream` holds.
    init(_ stream: ByteStream) { self.stream = stream }

    /// Returns the next member, and skips the unread rest of the current member. Nil at the end of the archive; then
    /// gzip's checksum has been verified.
    ///
    /// Errors: those of `ByteStream`; `truncated`, `wrongFormat` if it is not a tar archive, `corrupt`, `tooLarge`.
    func next() throws(DatasetError) -> TarMember? {
        try leave()
        var longName: [UInt8]?
        var records = PaxRecords()
        var isExpected = false
        while let header = try nextHeader() {
            present = ByteName(longName ?? header.name)
            rest = header.size
            padding = (TarHeader.blockBytes - rest % TarHeader.blockBytes) % TarHeader.blockBytes
            switch header.kind {
            case .longName:
                longName = Array(try recordBytes().prefix { $0 != 0 })
                isExpected = true
            case .longLink: _ = try recordBytes()
            case .records:
                guard records.add(try recordBytes()) else { throw damaged("its pax records") }
                isExpected = true
            case .globalRecords:
                var global = PaxRecords()
                guard global.add(try recordBytes()), global.path == nil, global.size == nil else {
                    throw damaged("its global pax records")
                }
            case .file, .folder, .link, .special, .sparse, .other:
                return try member(header, records, longName)
            }
            try leave()
        }
        guard !isExpected else { throw truncated() }
        return nil
    }

    private func member(
        _ header: TarHeader, _ records: PaxRecords, _ longName: [UInt8]?
    ) throws(DatasetError) -> TarMember {
        if header.isExtended { try skipSparseMap() }
        present = ByteName(records.sparseName ?? records.path ?? longName ?? header.name)
        var kind = header.kind
        if kind == .file {
            rest = records.size ?? header.size
            padding = (TarHeader.blockBytes - rest % TarHeader.blockBytes) % TarHeader.blockBytes
            if records.isSparse { kind = .sparse }
        }
        // The number of bytes that follow is known only if the archive is not compressed.
        if let size = stream.size, rest > size - stream.place { throw truncated() }
        return TarMember(name: present, kind: kind, size: rest)
    }

    /// Returns the next bytes of the current member's content, at most `count`.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func content(atMost count: Int) throws(DatasetError) -> [UInt8] {
        var bytes: [UInt8] = []
        try append(atMost: count, to: &bytes)
        return bytes
    }

    /// Appends the next bytes of the current member's content to `bytes`, at most `count`.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func append(atMost count: Int, to bytes: inout [UInt8]) throws(DatasetError) {
        let wanted = min(count, rest), before = bytes.count
        try stream.append(atMost: wanted, to: &bytes)
        guard bytes.count - before == wanted else { throw truncated() }
        rest -= wanted
    }

    /// Skips `count` bytes of the current member's content.
    ///
    /// Errors: those of `ByteStream`, `truncated`.
    func skip(_ count: Int) throws(DatasetError) {
        guard count <= rest, try stream.skip(count) == count else { throw truncated() }
        rest -= count
    }

    private func leave() throws(DatasetError) {
        // Skips `rest` and `padding` separately, because their sum could overflow.
        guard try stream.skip(rest) == rest else { throw truncated() }
        // If the archive was not closed properly, padding may be missing after the last member.
        _ = try stream.skip(padding)
        (rest, padding) = (0, 0)
    }

    /// Skips the blocks that continue the list of a sparse file's holes. Each block says whether
    /// another one follows.
    private func skipSparseMap() throws(DatasetError) {
        var block: [UInt8]
        repeat {
            block = try stream.take(atMost: TarHeader.blockBytes)
            guard block.count == TarHeader.blockBytes else { throw truncated() }
        } while block[504] != 0
    }

    private func recordBytes() throws(DatasetError) -> [UInt8] {
        guard rest <= Self.mostRecordBytes else {
            throw DatasetError(
                .tooLarge,
                "\(stream.path): the records of a member have \(rest) bytes; at most "
                    + "\(Self.mostRecordBytes) are read")
        }
        return try content(atMost: rest)
    }

    private func nextHeader() throws(DatasetError) -> TarHeader? {
        guard !isEnded else { return nil }
        let start = stream.place
        let block = try stream.take(atMost: TarHeader.blockBytes)
        defer { isFirst = false }
        if block.isEmpty {
            guard !isFirst else {
                throw DatasetError(.truncated, "\(stream.path) is an empty file")
            }
            isEnded = true
            return nil
        }
        if TarHeader.isEnd(block) {
            isEnded = true
            guard let place = try stream.firstNonZero() else { return nil }
            throw DatasetError(
                .corrupt,
                "\(stream.path) goes on behind the end of its archive, at byte \(place)",
                remedy: "if archives were joined, make one of their members")
        }
        guard TarHeader.hasChecksum(block) else {
            if isFirst {
                throw DatasetError(
                    .wrongFormat, "\(stream.path) is not a tar archive",
                    remedy: "make it with tar, or state another format")
            }
            guard block.count == TarHeader.blockBytes else { throw truncated() }
            throw DatasetError(
                .corrupt, "\(stream.path) has a corrupt tar header at byte \(start)",
                remedy: "download or make it again")
        }
        guard let header = TarHeader(block) else {
            present = ByteName(block[..<100].prefix { $0 != 0 })
            throw damaged("its size")
        }
        return header
    }

    private func truncated() -> DatasetError {
        DatasetError(
            .truncated, "\(stream.path) is truncated: it ends in member \(present)",
            remedy: "download or make it again")
    }

    private func damaged(_ what: String) -> DatasetError {
        DatasetError(
            .corrupt, "\(stream.path) has a corrupt tar header: \(what) (member \(present))",
            remedy: "download or make it again")
    }
}
