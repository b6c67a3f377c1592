// UnitImporter: puts the samples of some import units into shards. At any time, memory holds only the pictures that its
// threads decode and one unfinished shard for each part.
import Intake
import Synchronization
import Tensors

/// Imports the samples that a source reports. Only one thread may call an importer. The importer's own threads decode
/// the pictures, whose order in shards and records does not depend on the threads.
public final class UnitImporter {
    /// A finished shard.
    public struct Shard {
        /// The part of the data set.
        public let part: DatasetPart
        /// The bytes of the shard.
        public let bytes: [UInt8]
        /// The number of pictures in the shard.
        public let count: Int
        /// The names and digests of these pictures.
        public let names: SampleList
    }

    /// An unfinished shard.
    private struct Draft {
        var writer: PictureShardWriter
        var names = SampleList()
    }

    /// A shard is finished when it has this size; one large picture may make the shard larger, up
    /// to 64 MiB. So two jobs with two parts each usually need about 100 MB.
    private static let usualShardBytes = 24 << 20
    /// The most pictures of a shard.
    private static let mostPictures = 65_536

    /// Events are collected until there are `waitingEach` of them for each thread, or until their pictures need
    /// `mostWaitingBytes` bytes of memory.
    private static let waitingEach = 16, mostWaitingBytes = 16 << 20

    private let storage: PictureStorage
    /// One storer for each thread.
    private let storers: [PictureStorer]
    private let pool: ThreadPool
    private let digest: @Sendable ([UInt8]) -> [UInt8]
    private let emit: (Shard) throws -> ImportRecord.Shard
    private var drafts: [DatasetPart: Draft] = [:]
    private var record = ImportRecord()
    private var waiting: [SourceEvent] = []
    private var waitingBytes = 0

    /// The number of pictures imported so far.
    public private(set) var pictures = 0
    /// The number of files and archive members refused so far.
    public var refused: Int { record.refused.count }
    /// The number of bytes of all samples that were imported or refused so far.
    public private(set) var bytesRead = 0

    /// Decodes with `threads` threads, 1 to 256. `digest` returns at least 16 bytes that are equal
    /// only for equal bytes. `emit` stores a shard and the names of its pictures, and returns the
    /// digests of both.
    public init(
        _ storage: PictureStorage, threads: Int = 1,
        digest: @escaping @Sendable ([UInt8]) -> [UInt8],
        emit: @escaping (Shard) throws -> ImportRecord.Shard
    ) throws {
        self.storage = storage
        pool = try ThreadPool(threads: threads)
        storers = (0..<threads).map { _ in PictureStorer(storage, threads: threads) }
        self.digest = digest
        self.emit = emit
    }

    /// Imports the sample of one event of `DatasetSource.read`, or counts what was refused or ignored. Collects some
    /// events before it imports them, so that their pictures are decoded at the same time. Errors: those of `emit`.
    public func take(_ event: SourceEvent) throws {
        var bytes = 0
        if case .sample(let sample) = event { bytes = storers[0].weight(sample.content) }
        if waitingBytes + bytes > Self.mostWaitingBytes { try importWaiting() }
        waiting.append(event)
        waitingBytes += bytes
        guard
            waiting.count >= Self.waitingEach * pool.threads
                || waitingBytes >= Self.mostWaitingBytes
        else { return }
        try importWaiting()
    }

    /// A decoded sample.
    private struct Decoded: Sendable {
        let picture: StoredPicture
        let digest: [UInt8]
    }

    private func importWaiting() throws {
        let events = waiting
        waiting.removeAll(keepingCapacity: true)
        waitingBytes = 0
        for (event, decoded) in zip(events, decoded(events)) {
            switch event {
            case .ignored(let notice): record.ignore(notice.name, notice.reason)
            case .refused(let notice): record.refuse(notice.name, notice.reason)
            case .sample(let sample):
                bytesRead += sample.content.bytes.count
                switch decoded {
                case .success(let decoded): try add(decoded, of: sample)
                case .failure(let error as DatasetError):
                    record.refuse(sample.name, error.reason)
                case .failure(let error): throw error
                case nil: break
                }
            }
        }
    }

    /// Decodes the samples among `events` on all threads. Returns one element for each event, nil for an event that is
    /// no sample.
    private func decoded(_ events: [SourceEvent]) -> [Result<Decoded, any Error>?] {
        let storers = storers, digest = digest
        let results = Mutex([Result<Decoded, any Error>?](repeating: nil, count: events.count))
        let next = Atomic<Int>(0)
        pool.run { thread in
            while true {
                let number = next.add(1, ordering: .relaxed).oldValue
                guard number < events.count else { return }
                guard case .sample(let sample) = events[number] else { continue }
                let result = Result {
                    Decoded(
                        picture: try storers[thread].stored(sample.content),
                        digest: digest(sample.content.bytes))
                }
                results.withLock { $0[number] = result }
            }
        }
        return results.withLock { $0 }
    }

    private func add(_ decoded: Decoded, of sample: SourceSample) throws {
        let picture = decoded.picture, part = sample.part, label = sample.classIndex
        // The draft is removed from the dictionary, so that it is changed in place and not copied.
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
        draft.names.add(sample.name, digest: decoded.digest)
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

    /// Finishes the last shards and returns the record. `take` must not be called afterwards.
    public func finish() throws -> ImportRecord {
        try importWaiting()
        for part in DatasetPart.allCases {
            guard var draft = drafts.removeValue(forKey: part) else { continue }
            try finish(&draft, of: part)
        }
        return record
    }
}

extension PictureShardWriter {
    /// Returns whether a picture of `bytes` bytes still fits into the shard.
    fileprivate func hasRoom(for bytes: Int) -> Bool {
        byteCount + bytes + PictureShardLayout.entryBytes <= mostBytes
    }
}
