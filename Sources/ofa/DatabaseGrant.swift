// `ofa db grant`: lets a database role work with the database, or only read it. The role need not own the schema.
import ArgumentParser
import Jobs
import Postgres
import Schema

extension RoleAccess: EnumerableFlag {
    /// Returns the help of each flag.
    public static func help(for value: RoleAccess) -> ArgumentHelp? {
        switch value {
        case .read: "It reads everything and changes nothing."
        case .work: "It also works, enqueues, cancels, pauses, and imports artifacts."
        }
    }
}

/// Grants privileges to a role.
struct DatabaseGrant: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Lets a database role work, or only read.",
        discussion: """
            Run it as the owner of the schema, once per role; the role must exist (CREATE ROLE, createuser). Only the \
            owner can migrate, restore and drop history; a worker of another role reports what it leaves to the owner.

            Example:
              createuser board && ofa db grant board --work
            """)

    /// The role.
    @Argument(help: "The role's name.") var role: String
    /// The access to grant: `work` or `read`.
    @Flag(exclusivity: .exclusive) var access: RoleAccess
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    private struct Answer: Encodable {
        let role, access: String
    }

    /// Grants the access and prints it.
    mutating func run() throws {
        let connection = try database.connectToExisting()
        let (role, access) = (role, access)
        do {
            try connection.transaction {
                try access.grant(to: role, $0)
                try $0.note("grant", "role \(role)", ["access": access.rawValue])
            }
        } catch let error as PostgresError where error.sqlState == "42704" {
            throw CommandFailure.notFound(
                "there is no role \(role)", remedy: "create it first: createuser \(role)")
        }
        try Output.answer(Answer(role: role, access: access.rawValue), output) {
            try Output.line("\(role) may \(access == .work ? "work" : "look") here")
        }
    }
}
