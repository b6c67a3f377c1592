// `ofa actions`: lists the log of manual changes, with the actor of each change.

import ArgumentParser
import Foundation
import Jobs
import Artifacts

/// Lists manual changes.
struct ActionsCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "actions",
        abstract:
            "Who enqueued, cancelled, paused, added, imported, pinned, moved or collected what, and when.",
        discussion: """
            Each change is logged in the transaction that makes it; entries are never changed. WHO is OFA_ACTOR or, if \
            that is not set, user@host; ROLE is the role of the database session.

            Example:
              ofa actions --limit 20
              OFA_ACTOR=anna ofa cancel 3 && ofa actions --subject "run 3" --json
            """)

    /// The subject whose changes are listed, such as `run 3`; nil for all subjects.
    @Option(
        help: ArgumentHelp("Only changes of this subject, such as \"run 3\".", valueName: "subject")
    )
    var subject: String?
    /// The maximum number of changes to print.
    @Option(help: "The most entries shown.", transform: Number.whole(1...1_000_000)) var limit = 100
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the changes, newest first.
    mutating func run() throws {
        let actions = try JobQueue(try database.connectToExisting()).actions(
            subject: subject, limit: limit)
        try Output.answer(actions.map(Document.init), output) {
            var table = Table(
                .text("AT", least: 20), .text("WHO"), .text("ROLE", .low), .text("DID"),
                .text("TO", least: 20), .text("", .medium))
            table.rows = actions.map { action in
                [
                    action.at.formatted(.iso8601), action.actor, action.role, action.verb,
                    action.subject, action.detail == "{}" ? "" : action.detail,
                ]
            }
            try Output.table(table)
        }
    }

    private struct Document: Encodable {
        let id: Int64
        let at: Date
        let actor, role, verb, subject: String
        let detail: JSONValue

        init(_ action: Action) {
            (id, at, actor, role) = (action.id, action.at, action.actor, action.role)
            (verb, subject) = (action.verb, action.subject)
            detail = JSONValue(stored: action.detail)
        }
    }
}
