// WebDatasetShard: the samples of one archive in order. A key that comes back later means that the
// archive is not sorted; a sample that lacks something is therefore reported only at the end, when
// it is known that the rest of it does not follow.
import Intake

/// Reads one archive of WebDataset.
struct WebDatasetShard {
    /// The archive below the root, for events; its own name if the root is the archive.
    let file: ByteName
    /// The part; nil if the hash decides.
    let part: DatasetPart?
    private let options: SourceOptions
    private var seen: Set<Digest> = []
    /// Samples that lack something, in order, and their places.
    private var lacking: [(key: ByteName, reason: String)] = []
    private var lackingPlaces: [Digest: Int] = [:]

    /// The most samples of an archive: of each 16 bytes are kept.
    static let mostSamples = 2_000_000
    /// The most samples lacking something that are reported at the end only.
    private static let mostLacking = 10_000
    private static let notAdjacent = "its members are not adjacent: sort the archive by name"

    /// 128 bits stand for a key: two of an honest archive never have the same.
    private struct Digest: Hashable {
        let first, second: UInt64

        init(_ key: ByteName) {
            var digest = NameDigest()
            digest.add(key.bytes)
            first = digest.value
            var other = NameDigest()
            other.add(CollectionOfOne(1))
            other.add(key.bytes)
            second = other.value
        }
    }

    /// Reads an archive of `part`.
    init(file: ByteName, part: DatasetPart?, options: SourceOptions) {
        self.file = file
        self.part = part
        self.options = options
    }

    /// Gives the samples of the archive in `stream` to `body`.
    ///
    /// Errors: those of `TarReader`; what `body` throws.
    mutating func read(_ stream: ByteStream, _ body: SourceVisitor) throws {
        let reader = TarReader(stream)
        var present: WebDatasetSample?
        var isStopped = false
        func visit(_ event: SourceEvent) throws {
            isStopped = true
            try body(event)
            isStopped = false
        }
        do {
            while let member = try reader.next() {
                if member.kind == .folder { continue }
                switch WebDatasetSample.parse(member.name) {
                case .passed(let reason):
                    try visit(.ignored(file, key: member.name, reason))
                case .member(let key, let field):
                    if present?.key != key {
                        if let present { try finish(present, visit) }
                        present = try begin(key)
                    }
                    let most = options.mostPictureBytes
                    let isUsed = try present?.add(member, field: field, from: reader, most: most)
                    if isUsed == false {
                        try visit(.ignored(file, key: member.name, "field that is not used"))
                    }
                }
            }
            if let present { try finish(present, visit) }
        } catch {
            // What came before a fault of the archive is told; a visitor that threw is not asked.
            if !isStopped { try tellLacking(visit) }
            throw error
        }
        try tellLacking(visit)
        try stream.checkUnchanged()
        if seen.isEmpty { try visit(.refused(file, "no sample in the archive")) }
    }

    private mutating func begin(_ key: ByteName) throws(DatasetError) -> WebDatasetSample {
        guard seen.insert(Digest(key)).inserted else {
            return WebDatasetSample(key: key, fault: Self.notAdjacent)
        }
        guard seen.count <= Self.mostSamples else {
            throw DatasetError(
                .tooLarge, "\(file) has more than \(Self.mostSamples) samples",
                remedy: "make several archives of it")
        }
        return WebDatasetSample(key: key)
    }

    private mutating func finish(_ sample: WebDatasetSample, _ visit: SourceVisitor) throws {
        if sample.fault == Self.notAdjacent, let place = lackingPlaces[Digest(sample.key)] {
            lacking[place].reason = Self.notAdjacent
            return
        }
        if let lack = sample.lack {
            lackingPlaces[Digest(sample.key)] = lacking.count
            lacking.append((sample.key, lack))
            if lacking.count >= Self.mostLacking { try tellLacking(visit) }
            return
        }
        try visit(event(sample))
    }

    private func event(_ sample: WebDatasetSample) -> SourceEvent {
        do throws(InputFault) {
            let (picture, classIndex) = try sample.finished()
            return .sample(
                SourceSample(
                    file: file, key: sample.key,
                    part: part ?? options.split.part(of: file.appending(sample.key)),
                    classIndex: classIndex, content: .encoded(picture)))
        } catch {
            return .refused(file, key: sample.key, error.reason)
        }
    }

    private mutating func tellLacking(_ visit: SourceVisitor) throws {
        let told = lacking
        (lacking, lackingPlaces) = ([], [:])
        for (key, reason) in told { try visit(.refused(file, key: key, reason)) }
    }
}
