// JSON values of unknown shape, so that the metadata of artifacts can be embedded in JSON output.

import Foundation
import Intake

/// Any JSON value.
public enum JSONValue: Sendable, Equatable, Codable {
    /// null.
    case null
    /// true or false.
    case bool(Bool)
    /// An integer that fits in 64 bits.
    case int(Int64)
    /// Any other number.
    case double(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object([String: JSONValue])

    /// Parses JSON text. Of keys that appear twice in an object the first counts.
    public init(parsing text: String) throws {
        let node: JSONNode
        do { node = try JSONNode(text, Self.rule) } catch {
            // Deeper text than the rule allows, and the error of text that is no JSON.
            self = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
            return
        }
        self.init(node)
    }

    /// Stored text was checked when it was stored, so its size is not limited again.
    private static let rule = JSONRule(maxBytes: .max)

    private init(_ node: JSONNode) {
        switch node {
        case .null: self = .null
        case .flag(let value): self = .bool(value)
        case .text(let value): self = .string(value)
        case .list(let values): self = .array(values.map { Self($0) })
        case .object(let members):
            self = .object(
                Dictionary(members.map { ($0.key, Self($0.value)) }) { first, _ in first })
        case .number(let digits):
            // As JSONDecoder does, a number such as 1.0 becomes an integer.
            let number = Double(digits) ?? .nan
            self = (Int64(digits) ?? Int64(exactly: number)).map { .int($0) } ?? .double(number)
        }
    }

    /// Parses stored JSON text. Text that PostgreSQL accepts as json but `JSONDecoder` does not,
    /// such as half a surrogate pair, becomes a string.
    public init(stored text: String) {
        do { try self.init(parsing: text) } catch { self = .string(text) }
    }

    /// Decodes any JSON value.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
            return
        }
        if let value = Self.attempt({ try container.decode(Bool.self) }) {
            self = .bool(value)
            return
        }
        if let value = Self.attempt({ try container.decode(Int64.self) }) {
            self = .int(value)
            return
        }
        if let value = Self.attempt({ try container.decode(Double.self) }) {
            self = .double(value)
            return
        }
        if let value = Self.attempt({ try container.decode(String.self) }) {
            self = .string(value)
            return
        }
        if let value = Self.attempt({ try container.decode([JSONValue].self) }) {
            self = .array(value)
            return
        }
        self = .object(try container.decode([String: JSONValue].self))
    }

    /// Returns the result of `body`; nil if `body` throws because the value has another type.
    /// `init` does not use this function for the last type it tries, so that the last error is
    /// thrown.
    private static func attempt<T>(_ body: () throws -> T) -> T? {
        do { return try body() } catch { return nil }
    }

    /// Encodes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
