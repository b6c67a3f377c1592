// Files of factors: CSV with a header, read line by line, so that a file of any length needs little memory. A bad line is
// refused with its number.

import Foundation
import Intake

/// One line of a file of factors.
struct FactorLine: Equatable {
    /// The number of the line, from 1.
    var number: Int
    /// `pue`, `wue`, `intensity` or `price`.
    var kind: String
    /// The zone, or `default`.
    var zone: String
    /// The begin and the end of the period in microseconds since 1970; nil for no bound.
    var fromUs, untilUs: Int64?
    /// The value, as written.
    var value: String
    /// The bounds of the value, as written; nil if the file has none.
    var low, high: String?
    /// The unit of the value.
    var unit: String
    /// `lifecycle` or `direct` for an intensity, else `none`.
    var type: String
    /// `average` or `marginal` for an intensity, else `none`.
    var signal: String
    /// The source, its licence, and the time that it describes.
    var source, licence, vintage: String

    /// Whether the line is one of a series by the hour.
    var isHourly: Bool {
        guard let fromUs, let untilUs else { return false }
        return untilUs - fromUs == 3_600_000_000
    }
}

/// Reads the lines of a file of factors.
struct FactorFile {
    /// The columns, in any order. Those before `from` are required, `type` and `signal` for intensities.
    static let columns = [
        "kind", "zone", "value", "unit", "source", "from", "until", "low", "high", "type", "signal",
        "licence", "vintage",
    ]
    /// The columns that every file has.
    static let required = columns.prefix(5)
    /// The largest number of bytes in a line.
    static let mostBytes = 8192

    private let source: String
    private let read: () throws -> [UInt8]?
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var number = 0
    private var places: [String: Int]?
    /// The time parsed last: in a series a period ends where the next one begins.
    private var lastTime: (text: String, us: Int64) = ("", 0)

    /// `source` names the file in errors; `read` returns its next bytes, nil at the end.
    init(source: String, read: @escaping () throws -> [UInt8]?) {
        self.source = source
        self.read = read
    }

    /// Opens the file `path`; only a regular file is read.
    init(path: String) throws {
        let url = URL(filePath: path)
        let file: FileHandle
        do {
            let known = try url.resourceValues(forKeys: [.isRegularFileKey])
            guard known.isRegularFile == true else {
                throw AccountingError(
                    .badFactors, "\(path) is no regular file", remedy: "name a CSV file")
            }
            file = try FileHandle(forReadingFrom: url)
        } catch let error as AccountingError {
            throw error
        } catch {
            throw AccountingError(
                .badFactors, "\(path) cannot be read: \(FileBytes.reason(error))")
        }
        self.init(source: path) {
            do {
                let bytes = try file.read(upToCount: 1 << 16).map { [UInt8]($0) }
                return bytes.flatMap { $0.isEmpty ? nil : $0 }
            } catch {
                throw AccountingError(
                    .badFactors, "\(path) cannot be read: \(FileBytes.reason(error))")
            }
        }
    }

    /// Returns the next line that is neither empty nor a comment (`#`); nil at the end. Errors: `badFactors`, naming file
    /// and line.
    mutating func next() throws -> FactorLine? {
        while let cells = try cells() {
            guard let places else {
                self.places = try header(cells)
                continue
            }
            guard cells.count == places.count else {
                throw refusal("has \(cells.count) cells; the header has \(places.count)")
            }
            return try line(cells, places)
        }
        guard places != nil else {
            throw AccountingError(
                .badFactors, "\(source) is empty",
                remedy: "the first line names the columns: \(Self.columns.joined(separator: ","))")
        }
        return nil
    }

    private func header(_ cells: [String]) throws -> [String: Int] {
        var places: [String: Int] = [:]
        for (place, name) in cells.enumerated() {
            guard Self.columns.contains(name) else {
                throw refusal(
                    "has the unknown column '\(Shown.excerpt(name, 40))'",
                    NearestName.remedy(name, known: Self.columns))
            }
            guard places.updateValue(place, forKey: name) == nil else {
                throw refusal("names the column \(name) twice")
            }
        }
        if let missing = Self.required.first(where: { places[$0] == nil }) {
            throw refusal(
                "lacks the column \(missing)",
                "the first line names the columns: \(Self.columns.joined(separator: ","))")
        }
        return places
    }

    /// Returns the cells of the next line with content, without blanks at their ends; nil at the end.
    private mutating func cells() throws -> [String]? {
        while let bytes = try bytes() {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw refusal("is no text in UTF-8")
            }
            // A byte order mark begins files of some programs.
            let line = (number == 1 && text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...])
                .trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            return try split(line)
        }
        return nil
    }

    private func split(_ line: String) throws -> [String] {
        var cells: [String] = []
        var cell = ""
        var (isQuoted, isClosed) = (false, false)
        for character in line {
            if isQuoted {
                if character == "\"" {
                    (isQuoted, isClosed) = (false, true)
                } else {
                    cell.append(character)
                }
            } else if character == "," {
                cells.append(isClosed ? cell : cell.trimmingCharacters(in: .whitespaces))
                (cell, isClosed) = ("", false)
            } else if character == "\"" {
                guard cell.allSatisfy(\.isWhitespace) || isClosed else {
                    throw refusal("has a quote within a cell", "quote the whole cell")
                }
                // Two quotes in a quoted cell stand for one.
                if isClosed { cell.append("\"") } else { cell = "" }
                (isQuoted, isClosed) = (true, false)
            } else if !isClosed {
                cell.append(character)
            } else if !character.isWhitespace {
                throw refusal("has text behind a closing quote")
            }
        }
        guard !isQuoted else { throw refusal("has a quote that is not closed") }
        cells.append(isClosed ? cell : cell.trimmingCharacters(in: .whitespaces))
        return cells
    }

    /// Returns the bytes of the next line without its end; nil at the end of the file.
    private mutating func bytes() throws -> [UInt8]? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return try taken(buffer[start..<end])
            }
            searched = buffer.count
            guard buffer.count - start <= Self.mostBytes else { return try taken(buffer[start...]) }
            guard !isAtEnd, let more = try read() else {
                isAtEnd = true
                guard start < buffer.count else { return nil }
                defer { start = buffer.count }
                return try taken(buffer[start...])
            }
            searched -= start
            buffer.removeFirst(start)
            start = 0
            buffer += more
        }
    }

    private mutating func taken(_ line: ArraySlice<UInt8>) throws -> [UInt8] {
        number += 1
        guard line.count <= Self.mostBytes else {
            throw refusal("has more than \(Self.mostBytes) bytes", "is it the right file?")
        }
        return line.last == UInt8(ascii: "\r") ? Array(line.dropLast()) : Array(line)
    }

    /// The error for a line; `what` is a sentence without its subject.
    func refusal(_ what: String, _ remedy: String? = nil, line: Int? = nil) -> AccountingError {
        AccountingError(.badFactors, "\(source):\(line ?? number): \(what)", remedy: remedy)
    }
}

extension FactorFile {
    private mutating func line(_ cells: [String], _ places: [String: Int]) throws -> FactorLine {
        func cell(_ name: String) -> String? {
            places[name].map { cells[$0] }.flatMap { $0.isEmpty ? nil : $0 }
        }
        func needed(_ name: String) throws -> String {
            guard let text = cell(name) else { throw refusal("has no \(name)") }
            return text
        }
        let word = try needed("kind")
        guard let kind = FactorKind(rawValue: word) else {
            throw refusal(
                "has the unknown kind '\(Shown.excerpt(word, 40))'",
                NearestName.remedy(word, known: FactorKind.allCases.map(\.rawValue)))
        }
        let (low, high) = (cell("low"), cell("high"))
        let value = try needed("value")
        let numbers = try [low ?? value, value, high ?? value].map { try number($0, of: kind) }
        guard (low == nil) == (high == nil) else {
            throw refusal("has one bound of two", "give low and high, or none")
        }
        guard numbers[0] <= numbers[1], numbers[1] <= numbers[2] else {
            throw refusal("has a value outside low…high")
        }
        let unit = try needed("unit")
        guard unit.wholeMatch(of: kind.unit) != nil else {
            throw refusal("has the unit '\(Shown.excerpt(unit, 40))'", "it is \(kind.unitExample)")
        }
        let basis = try basis(kind, cell("type"), cell("signal"))
        let from = try cell("from").map { try time($0, "from") }
        let until = try cell("until").map { try time($0, "until") }
        if let from, let until {
            guard from < until else { throw refusal("ends before it begins") }
            guard kind.comesByTheHour || until - from > 3_600_000_000 else {
                throw refusal("is a \(kind.rawValue) of one hour", "give it for a longer period")
            }
        }
        return FactorLine(
            number: number, kind: kind.rawValue,
            zone: try text(try needed("zone"), "zone", .name), fromUs: from, untilUs: until,
            value: value, low: low, high: high, unit: unit, type: basis.type,
            signal: basis.signal, source: try text(try needed("source"), "source", .composed),
            licence: try text(cell("licence") ?? "not stated", "licence", .composed),
            vintage: try text(cell("vintage") ?? "not stated", "vintage", .composed))
    }

    private func number(_ text: String, of kind: FactorKind) throws -> Double {
        do throws(InputFault) { return try DecimalNumber.real(text, in: kind.range) } catch {
            throw refusal("has a value, low or high that \(error.reason)", error.remedy)
        }
    }

    private func text(_ text: String, _ column: String, _ rule: TextRule) throws -> String {
        do throws(InputFault) { return try rule.checked(text) } catch {
            throw refusal("has a \(column) that \(error.reason)", error.remedy)
        }
    }

    private func basis(_ kind: FactorKind, _ type: String?, _ signal: String?) throws
        -> (type: String, signal: String)
    {
        guard kind == .intensity else {
            guard [type, signal].allSatisfy({ $0 == nil || $0 == "none" }) else {
                throw refusal("has a type or signal, which only an intensity has")
            }
            return ("none", "none")
        }
        guard let type, ["lifecycle", "direct"].contains(type) else {
            throw refusal(
                "has the type '\(Shown.excerpt(type ?? "", 40))'",
                "an intensity is lifecycle (with plants and fuels) or direct (of burning)")
        }
        guard let signal, ["average", "marginal"].contains(signal) else {
            throw refusal(
                "has the signal '\(Shown.excerpt(signal ?? "", 40))'",
                "an intensity is average (of all plants) or marginal (of the next kWh)")
        }
        return (type, signal)
    }

    /// Parses a begin or an end: a time with a zone at a full hour of UTC, or a day, which begins in UTC.
    private mutating func time(_ text: String, _ column: String) throws -> Int64 {
        if text == lastTime.text { return lastTime.us }
        let date: Date
        do throws(InputFault) { date = try MomentText.zoned(text, orDay: true) } catch {
            throw refusal("has a time \(column) that \(error.reason)", error.remedy)
        }
        let us = Int64((date.timeIntervalSince1970 * 1e6).rounded())
        guard us % 3_600_000_000 == 0 else {
            throw refusal(
                "has a time \(column) that is \(text), no full hour of UTC",
                "energy is kept by the hour (UTC): give the mean of each hour")
        }
        lastTime = (text, us)
        return us
    }
}

/// The kinds of factors.
enum FactorKind: String, CaseIterable {
    case intensity, pue, wue, price

    /// The values that are accepted.
    var range: ClosedRange<Double> {
        switch self {
        case .intensity: 0...100_000
        case .pue: 1...10
        case .wue: 0...1000
        case .price: -1_000_000...1_000_000
        }
    }

    /// The form of the unit.
    var unit: Regex<Substring> {
        switch self {
        case .intensity: /g\/kWh/
        case .pue: /1/
        case .wue: /L\/kWh/
        case .price: /[A-Z]{3}\/kWh/
        }
    }

    /// The unit in words.
    var unitExample: String {
        switch self {
        case .intensity: "g/kWh: grams of CO2e for each kWh"
        case .pue: "1"
        case .wue: "L/kWh: litres for each kWh of IT energy"
        case .price: "the currency in three letters by kWh, such as EUR/kWh"
        }
    }

    /// Whether series by the hour are accepted.
    var comesByTheHour: Bool { self == .intensity || self == .price }
}
