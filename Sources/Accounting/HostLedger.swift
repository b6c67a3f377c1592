// Reads and writes what is stated of machines (tables ofa.host and ofa.host_setting).

import Foundation
import Jobs
import Postgres
import Schema

/// A machine that workers run on, with what is stated of it.
public struct Machine: Sendable, Equatable {
    /// Figures with the time from which they hold.
    public struct Stated: Sendable, Equatable {
        /// The figures.
        public let setting: HostSetting
        /// When they begin to hold, and when they were written.
        public let validFrom, recordedAt: Date
        /// The person or program that stated them.
        public let actor: String
    }

    /// How a machine was metered last.
    public struct Metered: Sendable, Equatable, Codable {
        /// The electricity zone, the names of the counters and models, and the letter of the tier.
        public let zone, method, tier: String
        /// The begin of the last hour with energy.
        public let hour: Date
    }

    /// Its number; nil if the database does not know the machine yet.
    public let id: Int?
    /// Its identity and its name.
    public let identity, name: String
    /// When it was seen first; nil if the database does not know the machine yet.
    public let firstSeenAt: Date?
    /// What is stated of it now; nil if nothing is.
    public let stated: Stated?
    /// How it was metered last; nil if it was not.
    public let metered: Metered?
    /// How many times figures were stated.
    public let settings: Int
    /// The begin of the newest setting, which may lie in the future, as the database writes it.
    let newest: String?

    /// Whether this program runs on it.
    public var isThis: Bool { identity == HostIdentity.current.identity }

    /// A machine that the database does not know yet.
    public init(_ host: HostIdentity) {
        (id, firstSeenAt, stated, metered, settings, newest) = (nil, nil, nil, nil, 0, nil)
        (identity, name) = (host.identity, host.name)
    }

    init(_ row: Row) throws {
        id = try row.int("id")
        identity = try row.text("identity")
        name = try row.text("name")
        firstSeenAt = try row.date("first_seen_at")
        settings = try row.int("settings")
        newest = try row.optionalText("newest")
        stated = try row.optionalJSON("setting").map { text in
            Stated(
                setting: try JSONDecoder().decode(HostSetting.self, from: Data(text.utf8)),
                validFrom: try row.date("valid_from"), recordedAt: try row.date("recorded_at"),
                actor: try row.text("actor"))
        }
        metered = try row.optionalText("method").map { method in
            Metered(
                zone: try row.text("zone"), method: method, tier: try row.text("tier"),
                hour: try row.date("hour"))
        }
    }
}

/// What one database knows of machines.
public struct HostLedger {
    private let connection: Connection

    /// Reads and writes the database of `connection`.
    public init(_ connection: Connection) {
        self.connection = connection
    }

    /// Returns the machines, sorted by name.
    public func machines() throws -> [Machine] {
        try connection.query(.hostList).map { try Machine($0) }
    }

    /// Returns the machine that this program runs on, whether the database knows it or not.
    public func this() throws -> Machine {
        try machines().first(where: \.isThis) ?? Machine(HostIdentity.current)
    }

    /// States `setting` of `machine` from `begin` on (nil: from now on); returns from when it holds. Earlier statements are
    /// kept, for the time before. Nothing is written if the figures are the same and no begin is given.
    ///
    /// Errors: `badSetting` for figures that contradict each other, `unknownZone` for a zone without carbon intensity,
    /// `changed` if others were stated since `machine` was read, or from the same time on.
    @discardableResult
    public func set(_ machine: Machine, _ setting: HostSetting, from begin: Date? = nil) throws
        -> Date
    {
        if let (key, fault) = setting.contradiction {
            throw AccountingError(.badSetting, "\(key) \(fault.reason)", remedy: fault.remedy)
        }
        if let zone = setting.zone {
            _ = try FactorSet.load(connection).known(zone, choosing: "state the zone as")
        }
        if begin == nil, let stated = machine.stated, stated.setting == setting {
            return stated.validFrom
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(setting), as: UTF8.self)
        return try connection.transaction { connection in
            let row = try connection.queryOne(
                .hostSet(
                    identity: machine.identity, name: machine.name, actor: Actor.current,
                    setting: text, validFrom: begin, previous: machine.newest))
            guard let from = try row.optionalDate("valid_from") else {
                throw AccountingError(
                    .changed,
                    "nothing is stated of machine \(machine.name): other figures were stated meanwhile, or hold from the same time on",
                    remedy: "look at ofa host show, and state them again")
            }
            try connection.note("state", "machine \(machine.name)", ["figures": text])
            return from
        }
    }
}
