// Times how a blob is stored in and read from the database, in alternation with psql's \copy of the same bytes in
// binary format.
import Artifacts
import Foundation
import Postgres
import Schema

/// Stores and reads a large blob on the benchmark's own server.
final class BlobTransfers {
    /// The medians of all rounds; speeds in MB (1e6 bytes) of the blob per second.
    struct Result {
        /// The size of the blob in bytes.
        let bytes: Int
        /// Our speeds, and those of psql.
        let put, get, psqlPut, psqlGet: Double
        /// The peak resident memory of this process in bytes; nil if unknown.
        let peakBytes: Int?

        /// The result as text.
        var lines: [String] {
            func line(_ what: String, _ ours: Double, _ psql: Double) -> String {
                "\(what) of \(megabytes(bytes)): \(decimal(ours, 0)) MB/s, psql \\copy"
                    + " \(decimal(psql, 0)) MB/s, ratio \(decimal(ours / psql, 2))"
            }
            let peak = peakBytes.map { "peak memory of this process \(megabytes($0))" }
            return [line("put", put, psqlPut), line("get", get, psqlGet)]
                + (peak.map { [$0] } ?? [])
        }
    }

    private static let rounds = 3
    /// How often the bytes are read in a round, by each side in turn.
    private static let gets = 3
    private let folder: String
    private let plain, copy: String
    private let bytes: Int

    /// Repeats the content of the file at `path` up to `megabytes`; writes the result to one file as it is, and to
    /// another in psql's binary format.
    init(_ path: String, megabytes: Int) throws {
        guard let data = FileManager.default.contents(atPath: path), !data.isEmpty else {
            throw BenchError("\(path) cannot be read, or is empty")
        }
        bytes = megabytes * 1_000_000
        folder =
            FileManager.default.temporaryDirectory.appending(
                path: "ofa-bench-\(UUID().uuidString)"
            ).path
        plain = folder + "/plain"
        copy = folder + "/copy"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        do { try write(data) } catch {
            throw BenchError("\(folder) cannot be written: \(error.localizedDescription)")
        }
    }

    deinit { remove() }

    private func remove() {
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            Output.note("cannot remove \(folder): \(error.localizedDescription)")
        }
    }

    /// Writes both files in pieces of at most `BlobCoding.chunkBytes`; the file for psql has one row per piece.
    private func write(_ data: Data) throws {
        func open(_ path: String) throws -> FileHandle {
            guard FileManager.default.createFile(atPath: path, contents: nil),
                let file = FileHandle(forWritingAtPath: path)
            else { throw CocoaError(.fileWriteUnknown) }
            return file
        }
        let plain = try open(plain), copy = try open(copy)
        // Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
        let signature = [UInt8]("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0]
        try copy.write(contentsOf: signature + [UInt8](repeating: 0, count: 8))
        func big(_ value: Int, bytes: Int) -> [UInt8] {
            (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var at = 0
        for start in stride(from: 0, to: bytes, by: BlobCoding.chunkBytes) {
            let count = min(BlobCoding.chunkBytes, bytes - start)
            var piece = Data(capacity: count)
            while piece.count < count {
                let some = data[at..<min(at + count - piece.count, data.count)]
                piece.append(some)
                at = (at + some.count) % data.count
            }
            try plain.write(contentsOf: piece)
            try copy.write(
                contentsOf: big(2, bytes: 2) + big(4, bytes: 4)
                    + big(start / BlobCoding.chunkBytes, bytes: 4) + big(count, bytes: 4))
            try copy.write(contentsOf: piece)
        }
        try copy.write(contentsOf: [0xFF, 0xFF] as [UInt8])
        try plain.close()
        try copy.close()
    }

    /// Runs the rounds, each in a new database.
    func run() throws -> Result {
        let server = try QueueServer()
        defer { server.stop() }
        Memory.resetPeak()
        var times: [[Double]] = [[], [], [], []]
        let clock = ContinuousClock()
        func time(_ kind: Int, _ body: () throws -> Void) rethrows {
            let began = clock.now
            try body()
            times[kind].append(Double(bytes) / ((clock.now - began) / .seconds(1)) / 1e6)
        }
        for round in 0..<Self.rounds {
            let name = try server.create()
            let environment = try server.environment(of: name)
            let connection = try Connection(
                url: server.url(of: name), applicationName: "ofa-bench")
            try Migrator(connection).migrate()
            try connection.script(
                """
                create table copied (ordinal int primary key, data bytea);
                alter table copied alter column data set storage external;
                """)
            let store = BlobStore(connection, maker: nil)
            var digest = Digest.of([])
            let puts: [() throws -> Void] = [
                {
                    try time(0) { digest = try store.put(file: self.plain, elementSize: 4) }
                },
                {
                    try time(2) {
                        try self.psql(
                            "\\copy copied from '\(self.copy)' (format binary)", environment)
                    }
                },
            ]
            let gets: [() throws -> Void] = [
                { try time(1) { try store.read(digest) { _ in } } },
                {
                    try time(3) {
                        try self.psql("\\copy copied to '/dev/null' (format binary)", environment)
                    }
                },
            ]
            // Our side begins the even rounds, psql the odd rounds.
            for steps in [puts] + Array(repeating: gets, count: Self.gets) {
                for step in round % 2 == 0 ? steps : steps.reversed() {
                    try step()
                    try connection.script("checkpoint")
                }
            }
            connection.close()
            try server.drop(name)
            Output.note("round \(round + 1) of \(Self.rounds)")
        }
        let medians = times.map { Statistics($0).median }
        return Result(
            bytes: bytes, put: medians[0], get: medians[1], psqlPut: medians[2],
            psqlGet: medians[3], peakBytes: Memory.peakBytes)
    }

    /// Runs one command of psql.
    private func psql(_ command: String, _ environment: [String: String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", command]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus != 127 else {
            throw BenchError("psql is not on the PATH: install the client programs of PostgreSQL")
        }
        guard process.terminationStatus == 0 else {
            throw BenchError("psql ended with exit code \(process.terminationStatus): \(command)")
        }
    }
}
