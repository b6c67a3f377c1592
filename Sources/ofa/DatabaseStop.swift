// `ofa db stop`: stops the private server and reports its open connections.

import ArgumentParser
import Foundation
import Intake
import Jobs
import Postgres
import Schema

/// Stops the private server.
struct DatabaseStop: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stops the private server, if it runs.",
        discussion: """
            Prints the open connections and the running stages, and ends the connections. Nothing is lost: workers wait \
            for the server for a quarter of an hour; a stage whose end cannot be stored within its lease is repeated \
            from its last checkpoint. To let stages save a checkpoint, stop the workers first (SIGTERM or Ctrl-C).

            Example:
              ofa db stop
            """)

    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Reports open connections and stops the server.
    mutating func run() throws {
        let server = DatabaseOptions.privateServer
        if try Environment.text("OFA_DATABASE_URL") != nil {
            Output.note(
                "note: this stops the private server of \(DatabaseOptions.home), not that of OFA_DATABASE_URL"
            )
        }
        let (guests, running) = try Self.guests(of: server)
        for guest in guests {
            Output.note("ends \(guest.name) (process \(guest.process) of the server)")
        }
        if !guests.isEmpty, !running.isEmpty {
            Output.note(
                "under way: \(running.joined(separator: ", ")); workers wait for the server, which any command starts "
                    + "again, and resume from their last checkpoints")
        }
        try server.stop()
        try ServerAnswer(try server.status(), ended: guests, underWay: running).answer(output)
    }

    /// Returns the open connections and the running stages. Both lists are empty if the server cannot be queried,
    /// because a failed query must not prevent the stop.
    private static func guests(of server: PrivateServer) throws -> (
        guests: [ServerGuest], running: [String]
    ) {
        guard let url = try server.status().url else { return ([], []) }
        do {
            let connection = try Connection(url: url, applicationName: "ofa db stop")
            let running =
                try Migrator(connection).applied().isEmpty
                ? [] : try JobQueue(connection).jobs(state: .running)
            let guests = try connection.query(.serverGuests).map { row in
                let name = Shown.line(try row.text("name"))
                return ServerGuest(
                    name: name.isEmpty ? "a connection without a name" : name,
                    process: try row.int("pid"), since: try row.date("since"))
            }
            return (guests, running.map { "\($0.stage) of run \($0.runID)" })
        } catch let error as PostgresError {
            Output.note("open connections are unknown: \(error.message)")
            return ([], [])
        }
    }
}

/// A connection ended by the stop.
struct ServerGuest: Encodable {
    /// The application name of the connection.
    let name: String
    /// The server process of the connection.
    let process: Int
    /// The time at which the connection was opened.
    let since: Date
}
