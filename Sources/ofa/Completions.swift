// Shell completion of names and numbers. The shell waits for the candidates, so nothing is started, migrated or
// printed, and there are no candidates without a running database.
import Accounting
import ArgumentParser
import Artifacts
import Foundation
import Intake
import Jobs
import Networks
import Pipelines
import Postgres

extension CompletionKind {
    /// The published search spaces by name.
    static var spaces: CompletionKind { .list(SearchSpace.published.map(\.name)) }
    /// The kinds of stages.
    static var stageKinds: CompletionKind { .list(StageKind.allCases.map(\.rawValue)) }
    /// The kinds of artifacts.
    static var artifactKinds: CompletionKind { .list(ArtifactRole.allCases.map(\.rawValue)) }
    /// The devices by name.
    static var devices: CompletionKind {
        stored { try DeviceStore($0).list().map(\.target.name) }
    }
    /// The machines by name.
    static var machines: CompletionKind { stored { try HostLedger($0).machines().map(\.name) } }
    /// The numbers of the newest runs.
    static var runs: CompletionKind { stored { try JobQueue($0).runs().map { "\($0.id)" } } }
    /// The numbers of up to 200 jobs.
    static var jobs: CompletionKind {
        stored { try JobQueue($0).jobs(limit: 200).map { "\($0.id)" } }
    }
    /// The queues by name.
    static var queues: CompletionKind {
        stored { ["default"] + (try JobQueue($0).queues().map(\.name)) }
    }
    /// The keys of permits.
    static var keys: CompletionKind { stored { try JobQueue($0).permits().map(\.key) } }
    /// The recurring runs by name.
    static var recurring: CompletionKind { stored { try JobQueue($0).recurring().map(\.name) } }
    /// Artifacts by number and name.
    static var artifacts: CompletionKind {
        stored { connection in
            try ArtifactStore(connection).list().flatMap { ["\($0.id)", $0.name] }
        }
    }

    private static func stored(
        _ names: @escaping @Sendable (Connection) throws -> [String]
    ) -> CompletionKind {
        .custom { words, _, prefix in Completions.offer(words, prefix, names) }
    }
}

/// Queries the candidates of a completion from the database.
enum Completions {
    /// Returns those of `names` that start with `prefix`; none if the database does not answer within a few seconds.
    static func offer(
        _ words: [String], _ prefix: String, _ names: (Connection) throws -> [String]
    ) -> [String] {
        do {
            guard let url = try url(words) else { return [] }
            let connection = try Connection(
                url: url, applicationName: "ofa",
                limits: SessionLimits(statementTimeoutSeconds: 2, connectTimeoutSeconds: 2))
            var seen: Set<String> = []
            return try names(connection).filter { name in
                name.hasPrefix(prefix) && !name.contains(where: \.isWhitespace)
                    && name == Shown.line(name) && seen.insert(name).inserted
            }
        } catch {
            // A completion prints no message.
            return []
        }
    }

    /// Returns the database's URL: from the command line, else from the environment, else that of the private server.
    /// Returns nil if the private server is not running.
    private static func url(_ words: [String]) throws -> String? {
        var options = DatabaseOptions()
        options.database = words.firstIndex(of: "--database").flatMap { place in
            place + 1 < words.count ? words[place + 1] : nil
        }
        return try options.given ?? DatabaseOptions.privateServer.status().url
    }
}
