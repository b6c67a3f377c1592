// Files with the numbers of uses of devices.

import Devices
import Foundation

/// Reads files with the columns `device` and `count`.
enum UseRows {
    /// A row of a file.
    struct Row: Equatable {
        /// The number of the line.
        let line: Int
        /// The device, or the number of an artifact.
        let device: String
        /// The number of uses, as it is written.
        let count: String
    }

    /// Reads the rows of `text`, which is from the file `source`. The columns may stand in any order, beside others.
    static func read(_ text: String, source: String) throws -> [Row] {
        let rows = try CSVRows.read(text, source: source)
        guard let head = rows.first, let device = head.cells.firstIndex(of: "device"),
            let count = head.cells.firstIndex(of: "count")
        else {
            throw CommandFailure.failed(
                "\(source) does not begin with the columns device and count",
                remedy: "write them in its first line: device,count", code: "malformed")
        }
        return try rows.dropFirst().map { row in
            guard row.cells.count > max(device, count) else {
                throw CommandFailure.failed(
                    "\(source), line \(row.line) has \(row.cells.count) cells of \(head.cells.count)",
                    remedy: "write a device and a count in each line", code: "malformed")
            }
            return Row(line: row.line, device: row.cells[device], count: row.cells[count])
        }
    }
}
