// Actor: the person or program that changes the queue by hand. Each manual change is recorded in
// the transaction that makes it.
import Foundation
import Intake
import Postgres
import Schema

/// The person or program that makes manual changes of the database.
public enum Actor {
    /// The value of OFA_ACTOR, or user@host if OFA_ACTOR is empty or not set; truncated to 200
    /// characters.
    public static let current = name(
        environment: ProcessInfo.processInfo.environment, user: NSUserName(),
        host: HostIdentity.current.name)

    static func name(environment: [String: String], user: String, host: String) -> String {
        let said = environment["OFA_ACTOR"] ?? ""
        return TextRule.kept(said.isEmpty ? "\(user)@\(host)" : said, 200)
    }
}

/// A manual change of the database, such as the cancellation of a run.
public struct Action: Codable, Sendable, Equatable {
    /// The number of the change; a later change has a higher number.
    public let id: Int64
    /// When the change was made.
    public let at: Date
    /// The name of the actor (`Actor.current`), and the database role of the session.
    public let actor, role: String
    /// The operation and its subject, such as `cancel` and `run 3`.
    public let verb, subject: String
    /// Further details, JSON text.
    public let detail: String
}

extension Connection {
    /// Adds an entry to the log of manual changes. Call this in the transaction that makes the
    /// change.
    public func note(_ verb: String, _ subject: String, _ detail: [String: String] = [:]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try execute(
            .actionNote(
                actor: Actor.current, verb: verb, subject: subject,
                detail: String(decoding: try encoder.encode(detail), as: UTF8.self)))
    }
}

extension JobQueue {
    /// Returns the newest `limit` manual changes, newest first; with `subject`, only changes of
    /// this subject.
    public func actions(subject: String? = nil, limit: Int = 100) throws -> [Action] {
        try ask(.actionList(subject: subject, most: limit)).map { row in
            Action(
                id: try row.int64("id"), at: try row.date("done_at"), actor: try row.text("actor"),
                role: try row.text("role"), verb: try row.text("verb"),
                subject: try row.text("subject"), detail: try row.json("detail"))
        }
    }
}
