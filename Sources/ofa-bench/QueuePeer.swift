// QueuePeer: measures published PostgreSQL queues on the same server, with a Python script from the folder OFA_PEERS.
import Foundation

/// Runs the peers' script, which drains a queue of each peer.
struct QueuePeer {
    /// One line of the script: the result of one queue.
    struct Line: Codable, Equatable {
        /// The queue's name.
        let peer: String
        /// The number of jobs drained.
        let jobs: Int
        /// Jobs per second, and bytes of write-ahead log per job.
        let jobsPerS, walBytesPerJob: Double
    }

    /// The peers' script.
    let script: Peer
    /// The peers to run: pgqueuer, procrastinate or all.
    let peers: String

    /// Drains `jobs` jobs with each peer; each peer has its own empty database.
    func drain(_ server: QueueServer, jobs: Int) throws -> [Line] {
        let names = peers == "all" ? ["pgqueuer", "procrastinate"] : [peers]
        return try names.flatMap { name in
            let text = try script.output(
                [script.script, "--jobs", "\(jobs)", "--peer", name],
                environment: try server.environment(of: try server.create()))
            return try Self.read(text)
        }
    }

    /// Reads the script's lines of JSON.
    static func read(_ text: String) throws -> [Line] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try text.split(separator: "\n").filter { $0.hasPrefix("{") }.map {
                try decoder.decode(Line.self, from: Data($0.utf8))
            }
        } catch {
            throw BenchError("the peer printed what cannot be read: \(text.prefix(200))")
        }
    }
}
