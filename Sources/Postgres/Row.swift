// Row: one row of a result, read by column name.
import Foundation

/// The columns of a result, shared by its rows.
struct Columns: Sendable {
    let statement: String
    let indexByName: [String: Int]
}

/// One row of a result. A getter throws if the column is missing or has another type. Of the typed
/// getters, only the `optional` ones accept NULL.
public struct Row: Sendable {
    let columns: Columns
    let values: [SQLValue]

    /// Returns the value of a column.
    public func value(_ column: String) throws -> SQLValue {
        guard let index = columns.indexByName[column] else {
            throw PostgresError(
                "there is no column \(column) in the answer", statement: columns.statement)
        }
        return values[index]
    }

    /// Returns the value of an integer column.
    public func int(_ column: String) throws -> Int { Int(try int64(column)) }
    /// Returns the value of a 64-bit integer column.
    public func int64(_ column: String) throws -> Int64 { try some(optionalInt64(column), column) }
    /// Returns the value of a floating-point, numeric or integer column.
    public func double(_ column: String) throws -> Double {
        try some(optionalDouble(column), column)
    }
    /// Returns the value of a text, uuid, json or numeric column.
    public func text(_ column: String) throws -> String { try some(optionalText(column), column) }
    /// Returns the value of a boolean column.
    public func bool(_ column: String) throws -> Bool { try some(optionalBool(column), column) }
    /// Returns the value of a bytea column.
    public func bytes(_ column: String) throws -> [UInt8] {
        try some(optionalBytes(column), column)
    }
    /// Returns the text of a json or jsonb column.
    public func json(_ column: String) throws -> String { try text(column) }
    /// Returns the value of a uuid column.
    public func uuid(_ column: String) throws -> String { try text(column) }
    /// Returns the value of a timestamptz column.
    public func date(_ column: String) throws -> Date { try some(optionalDate(column), column) }

    /// Returns the value of an integer column; nil if it is NULL.
    public func optionalInt(_ column: String) throws -> Int? {
        try optionalInt64(column).map { Int($0) }
    }

    /// Returns the value of a 64-bit integer column; nil if it is NULL.
    public func optionalInt64(_ column: String) throws -> Int64? {
        switch try value(column) {
        case .null: return nil
        case .int(let value): return value
        case .text(let text):
            guard let value = Int64(text) else { throw mismatch(column, "an integer") }
            return value
        default: throw mismatch(column, "an integer")
        }
    }

    /// Returns the value of a number column; nil if it is NULL.
    public func optionalDouble(_ column: String) throws -> Double? {
        switch try value(column) {
        case .null: return nil
        case .double(let value): return value
        case .int(let value): return Double(value)
        case .text(let text):
            guard let value = Double(text) else { throw mismatch(column, "a number") }
            return value
        default: throw mismatch(column, "a number")
        }
    }

    /// Returns the value of a text, uuid, json or numeric column; nil if it is NULL.
    public func optionalText(_ column: String) throws -> String? {
        switch try value(column) {
        case .null: return nil
        case .text(let value), .json(let value), .uuid(let value): return value
        default: throw mismatch(column, "text")
        }
    }

    /// Returns the text of a json or jsonb column; nil if it is NULL.
    public func optionalJSON(_ column: String) throws -> String? { try optionalText(column) }

    /// Returns the value of a boolean column; nil if it is NULL.
    public func optionalBool(_ column: String) throws -> Bool? {
        switch try value(column) {
        case .null: return nil
        case .bool(let value): return value
        default: throw mismatch(column, "a boolean")
        }
    }

    /// Returns the value of a bytea column; nil if it is NULL.
    public func optionalBytes(_ column: String) throws -> [UInt8]? {
        switch try value(column) {
        case .null: return nil
        case .bytes(let value): return value
        default: throw mismatch(column, "bytes")
        }
    }

    /// Returns the value of a timestamptz column; nil if it is NULL.
    public func optionalDate(_ column: String) throws -> Date? {
        switch try value(column) {
        case .null: return nil
        case .timestamp(let value): return value
        default: throw mismatch(column, "a timestamp")
        }
    }

    /// Returns the value of a text[] column.
    public func textArray(_ column: String) throws -> [String] {
        guard case .textArray(let values) = try value(column) else {
            throw mismatch(column, "text[]")
        }
        return values
    }

    /// Returns the value of an integer array column.
    public func intArray(_ column: String) throws -> [Int64] {
        guard case .intArray(let values) = try value(column) else {
            throw mismatch(column, "bigint[]")
        }
        return values
    }

    /// Returns the value of a double precision[] column.
    public func doubleArray(_ column: String) throws -> [Double] {
        guard case .doubleArray(let values) = try value(column) else {
            throw mismatch(column, "double precision[]")
        }
        return values
    }

    private func some<T>(_ value: T?, _ column: String) throws -> T {
        guard let value else {
            throw PostgresError("column \(column) is NULL", statement: columns.statement)
        }
        return value
    }

    private func mismatch(_ column: String, _ wanted: String) -> PostgresError {
        let found = values[columns.indexByName[column] ?? 0]
        return PostgresError(
            "column \(column) is not \(wanted) but \(String(describing: found).prefix(60))",
            statement: columns.statement)
    }
}
