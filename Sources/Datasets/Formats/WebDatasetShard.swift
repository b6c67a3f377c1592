// WebDatasetShard: reads the samples of one archive in order. In an archive that is not sorted, a key may come again
// after other keys. So incomplete samples are reported only at the end, when it is known whether further members with
// their keys came later.
import Intake

/// Reads one archive of WebDataset.
struct WebDatasetShard {
    /// The archive's path below the root, for events; the archive's name if the root is the
    /// archive.
    let file: ByteName
    /// The part; nil if `HashSplit` decides.
    let part: DatasetPart?
    private let options: SourceOptions
    private var seen: Set<Digest> = []
    /// Samples that lack a picture or a label, in order, and their indices in this list.
    private var lacking: [(key: ByteName, reason: String)] = []
    private var lackingPlaces: [Digest: Int] = [:]

    /// The most samples of an archive; 16 bytes are stored for each sample.
    static let mostSamples = 2_000_000
    /// When this many incomplete samples have been collected, they are reported before the end of the archive.
    private static let mostLacking = 10_000
    private static let notAdjacent = "its members are not adjacent: sort the archive by name"

    /// A digest of a key in 128 bits: two keys practically never have the same digest by chance.
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

    /// Prepares to read an archive of `part`.
    init(file: ByteName, part: DatasetPart?, options: SourceOptions) {
        self.file = file
        self.part = part
        self.options = options
    }

    /// Reads the archive in `stream`. Calls `body` with the samples, and with what is refused or
    /// ignored.
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
            // If the archive has a fault, incomplete samples before the fault are reported. But if
            // `visit` threw the error, `visit` is not called again.
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
