// ofa-bench blobs: measures how much and how fast a file of weights is compressed, and how fast blobs are stored in and
// read from the database.
import ArgumentParser
import Foundation

/// Encodes and decodes a file in alternation with Blosc2, and stores and reads a blob in alternation with psql.
struct BlobBench: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "blobs",
        abstract: "Times the coding of blobs beside Blosc2, and put and get beside psql.",
        discussion: """
            The file is encoded and decoded in chunks on one thread. Then a blob of --megabytes, the file repeated, is \
            stored in and read from the benchmark's own PostgreSQL, in alternation with psql's \\copy of the same bytes \
            in binary format. With --peer the coding alternates with Blosc2 (bit shuffle and LZ4, one thread), which \
            needs a Python with blosc2 and numpy. "ours" and "peer" are the geometric means of both directions. \
            Example: ofa-bench blobs acc_predictor.pth --peer
            """)

    /// The file.
    @Argument(help: "A file of float32 weights.", completion: .file()) var file: String
    /// Whether Blosc2 runs in alternation.
    @Flag(help: "Run the peer, Blosc2, in alternation.") var peer = false
    /// The number of rounds.
    @Option(help: "Rounds; medians are printed.") var rounds = 5
    /// The size of the blob.
    @Option(help: "Megabytes of the blob that is stored and read; 0 leaves that out.")
    var megabytes = 500
    /// Whether to answer in JSON.
    @Flag(help: "Print one JSON document on standard output, and nothing else there.")
    var json = false

    /// Refuses invalid options.
    func validate() throws {
        guard (1...100).contains(rounds), (0...100_000).contains(megabytes) else {
            throw ValidationError("--rounds are 1 to 100, --megabytes 0 to 100000")
        }
    }

    /// Runs the benchmark.
    func run() throws {
        let script = peer ? try Peer.find("blob_codecs.py") : nil
        // The database is measured first, while this process does not hold the file in memory.
        let transfers = megabytes > 0 ? try BlobTransfers(file, megabytes: megabytes).run() : nil
        let coding = try BlobCodingRounds(file, rounds: rounds, peer: script).run()
        guard !json else {
            return try Output.json(
                coding.headline, BlobReport(coding: coding, transfers: transfers))
        }
        for line in coding.lines + (transfers?.lines ?? []) { try Output.line(line) }
    }
}

/// The fields of the JSON answer.
struct BlobReport: Encodable {
    /// The size of the file in bytes.
    let bytes: Int
    /// The medians of all rounds: stored bytes divided by the file's bytes, and the speeds in MB (1e6 bytes) of the
    /// file per second.
    let storedShare, encodeMbS, decodeMbS: Double
    /// The peer's name with its version; null if it did not run.
    let peerName: String?
    /// The peer's medians; null if it did not run.
    let peerStoredShare, peerEncodeMbS, peerDecodeMbS: Double?
    /// The size in bytes of the blob that was stored and read. This and all following fields are null with
    /// `--megabytes 0`.
    let blobBytes: Int?
    /// The median speeds in MB/s, and our speeds divided by psql's.
    let putMbS, getMbS, psqlPutMbS, psqlGetMbS, putRatio, getRatio: Double?
    /// The peak resident memory, in bytes, of this process while the blob was stored and read; null if unknown.
    let peakRssBytes: Int?

    /// Combines both results; `transfers` is nil if no blob was stored and read.
    init(coding: BlobCodingRounds.Result, transfers: BlobTransfers.Result?) {
        bytes = coding.bytes
        storedShare = coding.ours.share
        encodeMbS = coding.ours.encode
        decodeMbS = coding.ours.decode
        peerName = coding.peerName
        peerStoredShare = coding.peer?.share
        peerEncodeMbS = coding.peer?.encode
        peerDecodeMbS = coding.peer?.decode
        blobBytes = transfers?.bytes
        putMbS = transfers?.put
        getMbS = transfers?.get
        psqlPutMbS = transfers?.psqlPut
        psqlGetMbS = transfers?.psqlGet
        putRatio = transfers.map { $0.put / $0.psqlPut }
        getRatio = transfers.map { $0.get / $0.psqlGet }
        peakRssBytes = transfers?.peakBytes
    }

    private enum CodingKeys: String, CodingKey {
        case bytes, storedShare, encodeMbS, decodeMbS, peerName, peerStoredShare, peerEncodeMbS
        case peerDecodeMbS, blobBytes, putMbS, getMbS, psqlPutMbS, psqlGetMbS, putRatio, getRatio
        case peakRssBytes
    }

    /// Encodes all fields; nil is null.
    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(bytes, forKey: .bytes)
        try fields.encode(storedShare, forKey: .storedShare)
        try fields.encode(encodeMbS, forKey: .encodeMbS)
        try fields.encode(decodeMbS, forKey: .decodeMbS)
        try fields.encode(peerName, forKey: .peerName)
        try fields.encode(peerStoredShare, forKey: .peerStoredShare)
        try fields.encode(peerEncodeMbS, forKey: .peerEncodeMbS)
        try fields.encode(peerDecodeMbS, forKey: .peerDecodeMbS)
        try fields.encode(blobBytes, forKey: .blobBytes)
        try fields.encode(putMbS, forKey: .putMbS)
        try fields.encode(getMbS, forKey: .getMbS)
        try fields.encode(psqlPutMbS, forKey: .psqlPutMbS)
        try fields.encode(psqlGetMbS, forKey: .psqlGetMbS)
        try fields.encode(putRatio, forKey: .putRatio)
        try fields.encode(getRatio, forKey: .getRatio)
        try fields.encode(peakRssBytes, forKey: .peakRssBytes)
    }
}
