// Reads measured accuracies that people have as a table: comma-separated text with a line of column names, one network a
// line, in any form of an architecture.

import Devices
import Foundation
import Intake
import Networks

/// Networks with their measured accuracies, read from a table.
public struct MeasuredNetworks: Sendable {
    /// The different networks in the order of the table; repeated measurements are averaged.
    public let samples: [AccuracySample]
    /// The number of measurements.
    public let rows: Int
    /// Whether the table has accuracies in percent.
    public let isPercent: Bool

    /// The names of the columns, without case, punctuation and what is in brackets.
    private static let names: [(column: String, words: Set<String>)] = [
        (
            "architecture",
            ["arch", "architecture", "subnetwork", "subnet", "network", "config", "net", "genes"]
        ),
        ("accuracy", ["accuracy", "acc", "top1", "top1acc", "top1accuracy"]),
        ("resolution", ["resolution", "r", "res", "imagesize", "inputsize"]),
    ]

    /// Reads the networks of `space` in the table `text`. The columns are found by their names (such as `arch`,
    /// `Sub-network`; `accuracy`, `Top-1 Acc (%)`; `resolution`); other columns are ignored. A resolution is needed only
    /// for architectures that state none.
    ///
    /// Accuracies are in percent if `percent` says so. If `percent` is nil, they are if the column's name has a percent sign
    /// and an accuracy is above 1, or if all accuracies are above 1. Errors: `malformed` and `invalidOption`, naming `source`, the line and its fault.
    public init(
        csv text: String, space: SearchSpace, percent: Bool? = nil, source: String
    ) throws {
        let table: [CSVRows.Row]
        do { table = try CSVRows.read(text, source: source) } catch let error as DeviceError {
            throw SearchError(.malformed, error.reason, remedy: error.remedy)
        }
        guard let head = table.first, table.count > 1 else {
            throw SearchError(
                .malformed, "\(source) has no measurements",
                remedy:
                    "write a line of column names, arch,resolution,accuracy, and a line for each network"
            )
        }
        let places = try Self.columns(head, source)
        var found: [(line: Int, config: SubnetConfig, accuracy: Double)] = []
        for row in table.dropFirst() {
            do {
                let config = try Self.config(row, places, columns: head.cells.count, space)
                let accuracy = try Self.accuracy(row.cells[places[1]])
                found.append((row.line, space.canonical(config), accuracy))
            } catch let error as any Remedied {
                throw SearchError(
                    .malformed, "\(source), line \(row.line): \(error.reason)",
                    remedy: error.remedy)
            }
        }
        let isPercent = try Self.isPercent(
            found.map { ($0.line, $0.accuracy) }, head.cells[places[1]], percent, source)
        self.isPercent = isPercent
        rows = found.count
        var numbers: [SubnetConfig: Int] = [:]
        var sums: [(config: SubnetConfig, sum: Double, count: Double)] = []
        for one in found {
            let place = numbers[one.config] ?? sums.count
            if place == sums.count {
                numbers[one.config] = place
                sums.append((one.config, 0, 0))
            }
            sums[place].sum += isPercent ? one.accuracy / 100 : one.accuracy
            sums[place].count += 1
        }
        samples = sums.map { AccuracySample(config: $0.config, accuracy: $0.sum / $0.count) }
    }

    /// Returns the indices of the columns of architecture, accuracy and resolution; -1 for a missing resolution.
    private static func columns(_ head: CSVRows.Row, _ source: String) throws -> [Int] {
        let words = head.cells.map { cell in
            cell.lowercased().replacing(/[(\[].*/, with: "").filter { $0.isLetter || $0.isNumber }
        }
        return try names.map { column, known in
            let places = words.indices.filter { known.contains(words[$0]) }
            if places.isEmpty, column == "resolution" { return -1 }
            guard places.count == 1 else {
                throw SearchError(
                    .malformed,
                    "\(source), line \(head.line): "
                        + (places.isEmpty
                            ? "no column of \(column): it has \(Shown.excerpt(head.cells.joined(separator: ", ")))"
                            : "several columns of \(column): "
                                + places.map { Shown.excerpt(head.cells[$0]) }.joined(
                                    separator: ", ")),
                    remedy: "name the columns arch, accuracy and resolution")
            }
            return places[0]
        }
    }

    private static func config(
        _ row: CSVRows.Row, _ places: [Int], columns: Int, _ space: SearchSpace
    ) throws -> SubnetConfig {
        guard row.cells.count == columns else {
            throw InputFault(
                "has \(row.cells.count) cells for \(columns) columns",
                remedy: "quote an architecture that contains commas: \"{'ks': [3, 5], …}\"")
        }
        var resolution: Int?
        if places[2] >= 0, !row.cells[places[2]].isEmpty {
            do throws(InputFault) {
                resolution = try DecimalNumber.whole(row.cells[places[2]], in: 1...4096)
            } catch { throw InputFault("the resolution \(error.reason)", remedy: error.remedy) }
        }
        return try space.architecture(row.cells[places[0]], resolution: resolution)
    }

    private static func accuracy(_ cell: String) throws(InputFault) -> Double {
        do throws(InputFault) { return try DecimalNumber.real(cell, in: 0...100) } catch {
            throw InputFault("the accuracy \(error.reason)", remedy: error.remedy)
        }
    }

    private static func isPercent(
        _ found: [(line: Int, accuracy: Double)], _ name: String, _ given: Bool?, _ source: String
    ) throws -> Bool {
        let over = found.first { $0.accuracy > 1 }, under = found.first { $0.accuracy <= 1 }
        if let given {
            guard !given, let over else { return given }
            throw SearchError(
                .invalidOption,
                "\(source), line \(over.line): accuracy \(DecimalNumber.text(over.accuracy)) is above 1",
                remedy: "say that these are percent: --percent")
        }
        if let over, let under, !name.contains("%") {
            throw SearchError(
                .invalidOption,
                "\(source): accuracy \(DecimalNumber.text(under.accuracy)) in line \(under.line), and"
                    + " \(DecimalNumber.text(over.accuracy)) in line \(over.line): a share or percent?",
                remedy: "say that all are percent with --percent")
        }
        if over == nil, name.contains("%") {
            throw SearchError(
                .invalidOption,
                "\(source): column \(Shown.excerpt(name)) has no value above 1: percent or shares?",
                remedy: "say it with --percent, or name the column accuracy")
        }
        return over != nil
    }
}
