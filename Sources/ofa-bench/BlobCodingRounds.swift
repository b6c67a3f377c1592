// Times the coding of blobs on one thread, in alternation with Blosc2.
import Artifacts
import Foundation

/// Encodes and decodes a file in rounds.
struct BlobCodingRounds {
    /// The figures of one program: ours or Blosc2.
    struct Figures: Codable, Equatable {
        /// Stored bytes divided by the file's bytes.
        let share: Double
        /// Speeds in MB (1e6 bytes) of the file per second.
        let encode, decode: Double

        /// The medians of `rounds`, which must not be empty.
        init(_ rounds: [Figures]) {
            share = Statistics(rounds.map(\.share)).median
            encode = Statistics(rounds.map(\.encode)).median
            decode = Statistics(rounds.map(\.decode)).median
        }

        /// The figures of one round.
        init(share: Double, encode: Double, decode: Double) {
            self.share = share
            self.encode = encode
            self.decode = decode
        }
    }

    /// The result of all rounds.
    struct Result {
        /// The size of the file.
        let bytes: Int
        /// Our medians.
        let ours: Figures
        /// The medians of the peer (Blosc2), and the peer's name with its version; nil if the peer did not run.
        let peer: Figures?
        let peerName: String?

        /// Our figure and the peer's: the geometric mean of the encoding speed and the decoding speed.
        var headline: Headline {
            func mean(_ side: Figures) -> Double {
                Statistics.geometricMean([side.encode, side.decode])
            }
            return Headline(unit: "MB/s", rate: mean(ours), peer: peer.map(mean))
        }

        /// The result as text.
        var lines: [String] {
            func line(_ name: String, _ side: Figures) -> String {
                "\(name): stored \(decimal(side.share, 4)), \(decimal(side.encode, 0)) MB/s in,"
                    + " \(decimal(side.decode, 0)) MB/s out"
            }
            return [line("ours", ours)] + (peer.map { [line(peerName ?? "peer", $0)] } ?? [])
        }
    }

    /// The line that the peer's script prints about one filter.
    private struct Line: Decodable {
        let peer, filter: String
        let ratio, encodeMbS, decodeMbS: Double
    }

    private let bytes: [UInt8]
    private let path: String
    private let rounds: Int
    private let script: Peer?

    /// Reads the file.
    init(_ path: String, rounds: Int, peer: Peer?) throws {
        do {
            // The peer's script ignores up to three bytes after the last complete float32; so does this benchmark.
            let data = [UInt8](try Data(contentsOf: URL(filePath: path)))
            bytes = Array(data.prefix(data.count / 4 * 4))
        } catch {
            throw BenchError("\(path) cannot be read: \(error.localizedDescription)")
        }
        guard !bytes.isEmpty else { throw BenchError("\(path) has no float32 values") }
        self.path = path
        self.rounds = rounds
        script = peer
    }

    /// Runs the rounds.
    func run() throws -> Result {
        var ours: [Figures] = [], theirs: [Figures] = []
        var name: String?
        for _ in 0..<rounds {
            ours.append(try round())
            guard let script else { continue }
            let line = try Self.read(
                try script.output([script.script, path], environment: ["OMP_NUM_THREADS": "1"]))
            name = line.peer
            theirs.append(
                Figures(share: line.ratio, encode: line.encodeMbS, decode: line.decodeMbS))
        }
        return Result(
            bytes: bytes.count, ours: Figures(ours), peer: theirs.isEmpty ? nil : Figures(theirs),
            peerName: name)
    }

    /// Runs one round: encodes and decodes the file five times and returns the medians, as the peer's script does.
    private func round() throws -> Figures {
        let chunks = stride(from: 0, to: bytes.count, by: BlobCoding.chunkBytes).map {
            Array(bytes[$0...].prefix(BlobCoding.chunkBytes))
        }
        let coding = BlobCoding(filter: .bitshuffle, codec: .lz4)
        let clock = ContinuousClock()
        var encode: [Double] = [], decode: [Double] = []
        for _ in 0..<5 {
            let began = clock.now
            for chunk in chunks { _ = try coding.encode(chunk) }
            encode.append((clock.now - began) / .seconds(1))
        }
        let encoded = try chunks.map { try coding.encode($0) }
        for _ in 0..<5 {
            let began = clock.now
            for (chunk, stored) in zip(chunks, encoded) {
                // `isVerified`: a real read has already compared the stored bytes with their SHA-256.
                let back = try coding.decode(stored, count: chunk.count, isVerified: true)
                guard back.count == chunk.count else { throw BenchError("a chunk is cut short") }
            }
            decode.append((clock.now - began) / .seconds(1))
        }
        for (chunk, stored) in zip(chunks, encoded) {
            guard try coding.decode(stored, count: chunk.count) == chunk else {
                throw BenchError("a chunk came back otherwise")
            }
        }
        let size = Double(bytes.count), stored = encoded.reduce(0) { $0 + $1.count }
        return Figures(
            share: Double(stored) / size, encode: size / Statistics(encode).median / 1e6,
            decode: size / Statistics(decode).median / 1e6)
    }

    /// Returns the line about the bit shuffle from the script's output `text`.
    private static func read(_ text: String) throws -> Line {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            for line in text.split(separator: "\n") where line.hasPrefix("{") {
                let found = try decoder.decode(Line.self, from: Data(line.utf8))
                if found.filter == "bitshuffle" { return found }
            }
        } catch {
            throw BenchError("the peer printed what cannot be read: \(text.prefix(200))")
        }
        throw BenchError("the peer printed nothing about the bit shuffle: \(text.prefix(200))")
    }
}
