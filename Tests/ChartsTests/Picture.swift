// Reads drawings back: the elements of an SVG document, and where its texts stand.

import Foundation
import FoundationXML
import Testing

@testable import Charts

/// The elements of an SVG document.
final class Picture: NSObject, XMLParserDelegate {
    /// An element with its attributes, its own text and the text of its tip.
    struct Element {
        let name: String
        let attributes: [String: String]
        let parent: Int?
        var text = ""

        var kind: String { attributes["class"] ?? "" }
        func number(_ name: String) -> Double { Double(attributes[name] ?? "") ?? .nan }
    }

    private(set) var elements: [Element] = []
    private var open: [Int] = []

    /// Reads a document; fails if it is not well-formed.
    init(_ svg: String) throws {
        super.init()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = self
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        elements.append(Element(name: name, attributes: attributes, parent: open.last))
        open.append(elements.count - 1)
    }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) { open.removeLast() }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
        if let last = open.last { elements[last].text += text }
    }

    /// The elements whose classes contain all of these.
    func of(_ kinds: String...) -> [Element] {
        elements.filter { element in
            let classes = element.kind.split(separator: " ").map(String.init)
            return kinds.allSatisfy(classes.contains)
        }
    }

    /// The texts that are drawn.
    var texts: [String] { elements.filter { $0.name == "text" }.map(\.text) }
    /// The tips, without the title of the document.
    var tips: [String] {
        elements.filter { $0.name == "title" && $0.parent != 0 }.map(\.text)
    }
    /// The elements that have a tip.
    var tipped: [Element] {
        elements.filter { $0.name == "title" && $0.parent != 0 }.compactMap { title in
            title.parent.map { elements[$0] }
        }
    }

    /// The horizontal texts with their ends in pixels and their base lines.
    var places: [(text: String, from: Double, to: Double, y: Double)] {
        elements.filter { $0.name == "text" && $0.attributes["transform"] == nil }.map { element in
            let size =
                element.kind.contains("head")
                ? ChartText.headSize
                : element.kind.contains("small") ? ChartText.smallSize : ChartText.size
            let width = ChartText.width(element.text, size: size), x = element.number("x")
            let from =
                switch element.attributes["text-anchor"] {
                case "middle": x - width / 2
                case "end": x - width
                default: x
                }
            return (element.text, from, from + width, element.number("y"))
        }
    }
}

/// Charts of every kind.
enum Samples {
    /// Returns a chart of every kind, in which all words are `word`.
    static func all(_ word: String) -> [any Chart] {
        [
            lines(word), scatter(word), bars(word), timeline(word), graph(word), matrix(word),
            Sparkline(title: word, [1, nil, .nan, 3, 2]),
        ]
    }

    /// Charts of every kind without any value.
    static var empty: [any Chart] {
        [
            LineChart(title: "t", xCaption: "x", panels: []),
            LineChart(title: "", xCaption: "x", panels: [.init("y", [.init("a", [[]], look: 0)])]),
            ScatterChart(title: "t", xCaption: "x", yCaption: "y", series: []),
            ScatterChart(
                title: "t", xCaption: "x", yCaption: "y",
                series: [.init("a", [.init(x: .nan, y: 1), .init(x: 1, y: .infinity)], colour: 0)],
                hasDiagonal: true, limit: .init(.nan, label: "limit")),
            BarChart(title: "t", caption: "x", bars: []),
            BarChart(
                title: "t", caption: "x",
                bars: [.init("a", [nil], text: "unknown"), .init("b", [.nan], text: "unknown")]),
            TimelineChart(title: "t", rows: []), TimelineChart(title: "t", rows: [.init("a", [])]),
            GraphChart(title: "t", nodes: [], edges: [.init(from: 0, to: 1)]),
            MatrixChart(
                title: "t", rowCaption: "r", columnCaption: "c", names: [],
                cells: [.init(row: 0, column: 0, text: "1", share: .nan, isRight: true, tip: "")]),
            Sparkline(title: "t", []), Sparkline(title: "t", [nil, .nan]),
        ]
    }

    /// Charts of every kind with one value, or with equal values.
    static var flat: [any Chart] {
        let now = Date(timeIntervalSince1970: 1_764_558_000)
        let values = [0, 7, -7, 1e300, -1e300, .leastNonzeroMagnitude, 1e17]
        let pairs = values.flatMap { value -> [any Chart] in
            [
                LineChart(
                    title: "t", xCaption: "x",
                    panels: [
                        .init("y", [.init("a", [[.init(x: value, y: value)]], look: 0)]),
                        .init(
                            "y",
                            [
                                .init(
                                    "a", [[.init(x: value, y: value), .init(x: value, y: value)]],
                                    look: 9)
                            ]),
                    ]),
                ScatterChart(
                    title: "t", xCaption: "x", yCaption: "y",
                    series: [.init("a", [.init(x: value, y: value)], join: .steps, colour: 0)],
                    hasDiagonal: true),
                BarChart(title: "t", caption: "x", bars: [.init("a", [value], text: "v")]),
                Sparkline(title: "t", [value, value]),
            ]
        }
        let single: [any Chart] = [
            TimelineChart(
                title: "t",
                rows: [
                    .init("a", [.init(from: now, to: now, state: .done, label: "attempt 1")])
                ], now: now),
            GraphChart(title: "t", nodes: [.init(kind: "k", name: "n")], edges: []),
            MatrixChart(
                title: "t", rowCaption: "r", columnCaption: "c", names: ["a"],
                cells: [.init(row: 0, column: 0, text: "1", share: 1, isRight: true, tip: "")]),
        ]
        return pairs + single
    }

    static func lines(_ word: String) -> LineChart {
        let points = (0..<20).map {
            LineChart.Point(x: Double($0), y: $0 == 7 ? nil : Double($0 * $0), deviation: 3)
        }
        return LineChart(
            title: word, xCaption: word,
            panels: [
                .init(
                    word,
                    (0..<3).map { .init(word, [points], look: $0, hasDots: $0 == 1) },
                    marks: [.init(x: 7, tip: word)]),
                .init(word, [.init(word, [points], look: 0)]),
            ],
            phases: [
                .init(word, from: 0, to: 9, tip: word), .init(word, from: 9, to: 19, tip: word),
            ])
    }

    static func scatter(_ word: String) -> ScatterChart {
        let points = (1..<30).map { ScatterChart.Point(x: Double($0), y: 90 + sqrt(Double($0))) }
        let chosen = ScatterChart.Point(x: 12, y: 93.2, deviation: 0.4, tip: word)
        return ScatterChart(
            title: word, xCaption: word, yCaption: word,
            series: [
                .init(word, points, join: .steps, colour: 0),
                .init(word, [chosen], look: .mark, colour: 1),
                .init(word, [points[3]], look: .hollow, colour: 2),
            ], limit: .init(20, label: word), ties: [(chosen, points[3])])
    }

    static func bars(_ word: String) -> BarChart {
        BarChart(
            title: word, caption: word, parts: [word, word],
            bars: [
                .init(word, [3, 4], text: word, low: 6, high: 9, tip: word),
                .init(word, [nil, nil], text: word), .init(word, [2, nil], text: word, limit: 1),
                .init(word, [-1, nil], text: word, href: "/cost?by=\(word)"),
            ])
    }

    static func timeline(_ word: String) -> TimelineChart {
        func at(_ minute: Double) -> Date {
            Date(timeIntervalSince1970: 1_764_558_000 + 60 * minute)
        }
        let states = ChartState.allCases.enumerated().map { place, state in
            TimelineChart.Bar(
                from: at(Double(place * 10)),
                to: state == .running ? nil : at(Double(place * 10 + 14)), state: state,
                label: word, href: "/jobs/1")
        }
        return TimelineChart(
            title: word, rows: [.init(word, states), .init(word, [])], now: at(95))
    }

    static func graph(_ word: String) -> GraphChart {
        GraphChart(
            title: word,
            nodes: ChartState.allCases.map {
                .init(kind: word, name: word, detail: word, state: $0, isMarked: $0 == .done)
            } + [.init(kind: word, name: word, isFaded: true)],
            edges: (1..<7).map { .init(from: 0, to: $0, label: word, tip: word) }
                + [.init(from: 1, to: 6)], note: word)
    }

    static func matrix(_ word: String) -> MatrixChart {
        MatrixChart(
            title: word, rowCaption: word, columnCaption: word,
            names: Array(repeating: word, count: 4),
            cells: (0..<4).flatMap { row in
                (0..<4).map {
                    .init(
                        row: row, column: $0, text: "12", share: row == $0 ? 0.9 : 0.03,
                        isRight: row == $0, tip: word)
                }
            })
    }
}
