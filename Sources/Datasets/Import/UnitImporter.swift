// UnitImporter: turns the samples of some units into shards, one after the other. In memory are one
// picture and, for each part, the shard in the making.
import Intake

/// Imports the samples that a source tells; to be used by one thread.
public final class UnitImporter {
    /// A finished shard.
    public struct Shard {
        /// Its part.
        public let part: DatasetPart
        /// The bytes of the shard.
        public let bytes: [UInt8]
        /// The number of its pictures.
        public let count: Int
        /// Their names and digests.
        public let names: SampleList
    }

    /// A shard in the making.
    private struct Draft {
        var writer: PictureShardWriter
        var names = SampleList()
    }

    /// A shard of this size is finished; one large picture may make it larger, up to 64 MiB. Two
    /// jobs with two parts each then keep within 100 MB.
    private static let usualShardBytes = 24 << 20
    /// The most pictures of a shard.
    private static let mostPictures = 65_536

    private let storage: PictureStorage
    private let storer: PictureStorer
    private let digest: ([UInt8]) -> [UInt8]
    private let emit: (Shard) throws -> ImportRecord.Shard
    private var drafts: [DatasetPart: Draft] = [:]
    private var record = ImportRecord()

    /// The number of pictures taken so far.
    public private(set) var pictures = 0
    /// The number of files and members refused so far.
    public var refused: Int { record.refused.count }
    /// The bytes of the samples taken or refused so far.
    public private(set) var bytesRead = 0

    /// `digest` is a digest of at least 16 bytes, whose equality means equal bytes; `emit` stores a
    /// shard and its names and returns their digests.
    public init(
        _ storage: PictureStorage, digest: @escaping ([UInt8]) -> [UInt8],
        emit: @escaping (Shard) throws -> ImportRecord.Shard
    ) {
        self.storage = storage
        storer = PictureStorer(storage)
        self.digest = digest
        self.emit = emit
    }

    /// Takes one event of `DatasetSource.read`. Errors: those of `emit`.
    public func take(_ event: SourceEvent) throws {
        switch event {
        case .ignored(let notice): record.ignore(notice.name, notice.reason)
        case .refused(let notice): record.refuse(notice.name, notice.reason)
        case .sample(let sample):
            let bytes =
                switch sample.content {
                case .encoded(let bytes), .pixels(_, _, _, let bytes): bytes
                }
            bytesRead += bytes.count
            let picture: StoredPicture
            do {
                picture = try storer.stored(sample.content)
            } catch let error as DatasetError {
                return record.refuse(sample.name, error.reason)
            }
            try add(picture, of: sample, digest: digest(bytes))
        }
    }

    private func add(
        _ picture: StoredPicture, of sample: SourceSample, digest: [UInt8]
    ) throws {
        let part = sample.part, label = sample.classIndex
        // Taken out of the dictionary, so that it is changed in place.
        var draft =
            drafts.removeValue(forKey: part)
            ?? Draft(writer: PictureShardWriter(store: storage.store, channels: storage.channels))
        defer { if draft.writer.count > 0 { drafts[part] = draft } }
        if draft.writer.count > 0, !draft.writer.hasRoom(for: picture.bytes.count) {
            try finish(&draft, of: part)
        }
        do {
            guard
                try draft.writer.add(
                    picture.bytes, height: picture.height, width: picture.width, label: label)
            else { return }
        } catch let error as DatasetError {
            return record.refuse(sample.name, error.reason)
        }
        draft.names.add(sample.name, digest: digest)
        pictures += 1
        if let warning = picture.warnings.first { record.warn(sample.name, warning) }
        var own = record.parts[part] ?? ImportRecord.Part(channels: storage.channels)
        record.parts[part] = nil
        own.classCounts[label, default: 0] += 1
        own.sums.add(picture.sums)
        own.heights = ImportRecord.Part.joined(own.heights, picture.height...picture.height)
        own.widths = ImportRecord.Part.joined(own.widths, picture.width...picture.width)
        record.parts[part] = own
        if draft.writer.byteCount >= Self.usualShardBytes
            || draft.writer.count >= Self.mostPictures
        {
            try finish(&draft, of: part)
        }
    }

    private func finish(_ draft: inout Draft, of part: DatasetPart) throws {
        let count = draft.writer.count, names = draft.names
        draft.names = SampleList()
        let stored = try emit(
            Shard(part: part, bytes: draft.writer.finish(), count: count, names: names))
        record.parts[part]?.shards.append(stored)
    }

    /// Finishes the last shards and returns what was found. Nothing may be taken afterwards.
    public func finish() throws -> ImportRecord {
        for part in DatasetPart.allCases {
            guard var draft = drafts.removeValue(forKey: part) else { continue }
            try finish(&draft, of: part)
        }
        return record
    }
}

extension PictureShardWriter {
    /// Whether a picture of `bytes` bytes still fits into the shard.
    fileprivate func hasRoom(for bytes: Int) -> Bool {
        byteCount + bytes + PictureShardLayout.entryBytes <= mostBytes
    }
}
