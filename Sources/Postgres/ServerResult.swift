// ServerResult: owns one libpq result and frees it in `deinit`.
import CLibPQ
import Foundation

/// Owns a PGresult.
final class ServerResult {
    private let pointer: OpaquePointer
    /// The name of the statement.
    let statement: String

    /// Takes ownership of a libpq result.
    init(_ pointer: OpaquePointer, statement: String) {
        self.pointer = pointer
        self.statement = statement
    }

    deinit { PQclear(pointer) }

    /// The libpq status of the result.
    var status: ExecStatusType { PQresultStatus(pointer) }
    /// The number of affected rows; 0 for statements that do not count them.
    var affectedRows: Int { Int(String(cString: PQcmdTuples(pointer))) ?? 0 }
    /// The command tag, such as `COMMIT`.
    var command: String { String(cString: PQcmdStatus(pointer)) }

    /// Returns the text of a field; nil if the field is NULL or absent.
    func text(row: Int32, column: Int32) -> String? {
        guard row < PQntuples(pointer), PQgetisnull(pointer, row, column) == 0 else { return nil }
        return String(cString: PQgetvalue(pointer, row, column))
    }

    /// Returns the error of this result; nil if there is none. `libpqMessage` is libpq's message
    /// for the connection, used if the result has no message.
    func error(libpqMessage: String) -> PostgresError? {
        switch status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_PIPELINE_SYNC: return nil
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            // COPY and other states of the protocol are not supported.
            return PostgresError(
                "COPY is not supported here", statement: statement, isConnectionLoss: true)
        default: break
        }
        let sqlState = field("C")
        var message = field("M") ?? ""
        if message.isEmpty { message = libpqMessage.isEmpty ? "no answer" : libpqMessage }
        if let detail = field("D") { message += " (\(detail))" }
        // An error without a SQLSTATE comes from libpq and means that the connection is broken.
        // Some SQLSTATEs say that the server closes the connection. PQstatus is not asked, because
        // it reports this only at the next call.
        return PostgresError(
            Connection.oneLine(message), remedy: PostgresError.usualRemedy(sqlState),
            statement: statement,
            sqlState: sqlState, constraint: field("n"),
            isConnectionLoss: sqlState.map(PostgresError.saysConnectionLost) ?? true)
    }

    private func field(_ code: Unicode.Scalar) -> String? {
        PQresultErrorField(pointer, Int32(code.value)).map { String(cString: $0) }
    }

    /// Returns the rows, decoded from the binary format.
    func rows() throws -> [Row] {
        let width = PQnfields(pointer)
        var names: [String: Int] = [:]
        for column in 0..<width { names[String(cString: PQfname(pointer, column))] = Int(column) }
        let columns = Columns(statement: statement, indexByName: names)
        let types = (0..<width).map { UInt32(PQftype(pointer, $0)) }
        return try (0..<PQntuples(pointer)).map { row in
            let values = try (0..<width).map { column in
                try value(row: row, column: column, type: types[Int(column)])
            }
            return Row(columns: columns, values: values)
        }
    }

    private func value(row: Int32, column: Int32, type: UInt32) throws -> SQLValue {
        if PQgetisnull(pointer, row, column) == 1 { return .null }
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(pointer, row, column),
            count: Int(PQgetlength(pointer, row, column)))
        do throws(BinaryFormat.Undecodable) {
            return try BinaryFormat.decode(bytes, type: type)
        } catch {
            let name = String(cString: PQfname(pointer, column))
            throw PostgresError(
                "column \(name): \(error.reason)",
                remedy: "Cast it in the statement, for example \(name)::text.",
                statement: statement)
        }
    }
}
