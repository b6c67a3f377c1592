// Graphs: states, links, cycles, and the narrow form.

import Testing

@testable import Charts

@Suite struct GraphChartTests {
    private let stages = GraphChart(
        title: "Stages",
        nodes: [
            .init(kind: "train", name: "full", state: .done, href: "/jobs/1"),
            .init(kind: "train", name: "shrink", state: .running, tip: "shrink: 40 %"),
            .init(kind: "evaluate", name: "ends", state: .waiting),
        ],
        edges: [
            .init(from: 0, to: 1, tip: "checkpoint"), .init(from: 1, to: 2), .init(from: 0, to: 2),
        ])

    @Test(
        "every node is a box with name, kind and state; every edge is a curve",
        arguments: ChartSize.allCases)
    func nodes(size: ChartSize) throws {
        let picture = try Picture(stages.svg(.embedded, size))
        #expect(
            picture.of("box").map(\.kind) == [
                "box state done", "box state running", "box state waiting",
            ])
        #expect(picture.of("edge").count == 3)
        #expect(picture.of("icon").map(\.kind) == ["icon done", "icon running", "icon waiting"])
        for text in ["full", "train", "running", "waiting"] {
            #expect(picture.texts.contains(text), "\(text)")
        }
        #expect(
            Set(picture.tips) == [
                "train full, done", "shrink: 40 %", "evaluate ends, waiting", "checkpoint",
            ])
        #expect(
            picture.elements.filter { $0.name == "a" }.map { $0.attributes["href"] } == ["/jobs/1"])
        #expect(picture.elements[0].attributes["role"] == "group")
        #expect(
            stages.summary == "3 nodes and 3 edges. full: done; shrink: running; ends: waiting.")
    }

    @Test("a wide graph runs from left to right, a narrow one from top to bottom in its width")
    func layouts() throws {
        let wide = try Picture(stages.svg(.embedded, .wide)).of("box")
        #expect(
            wide[0].number("x") < wide[1].number("x") && wide[1].number("x") < wide[2].number("x"))
        let many = GraphChart(
            title: "t", nodes: (0..<60).map { .init(kind: "k", name: "node \($0)") },
            edges: (1..<60).flatMap { to in
                (0..<min(to, 4)).map { .init(from: to - 1 - $0, to: to) }
            })
        let narrow = try Picture(many.svg(.embedded, .narrow))
        let boxes = narrow.of("box")
        #expect(narrow.elements[0].number("width") == 340 && boxes.count == 60)
        for (one, next) in zip(boxes, boxes.dropFirst()) {
            #expect(next.number("y") >= one.number("y") + one.number("height"))
        }
        #expect(boxes.allSatisfy { $0.number("width") >= 200 })
    }

    @Test("edges of cycles, of a node to itself and of unknown nodes are left out")
    func cycles() throws {
        let chart = GraphChart(
            title: "t", nodes: (0..<4).map { .init(kind: "k", name: "\($0)") },
            edges: [(3, 0), (0, 1), (1, 2), (2, 1), (1, 1), (0, 9), (-1, 2)].map {
                .init(from: $0.0, to: $0.1)
            })
        for size in ChartSize.allCases {
            let picture = try Picture(chart.svg(.standalone, size))
            #expect(picture.of("box").count == 4 && picture.of("edge").count == 3)
        }
        // A node may follow one that comes later in the list.
        let boxes = try Picture(chart.svg()).of("box")
        #expect(boxes[3].number("x") < boxes[0].number("x"))
    }

    @Test("an address that is no page is no link")
    func links() throws {
        let chart = GraphChart(
            title: "t", nodes: [.init(kind: "k", name: "n", href: "javascript:alert(1)")], edges: []
        )
        let picture = try Picture(chart.svg())
        #expect(!picture.elements.contains { $0.name == "a" })
        #expect(picture.elements[0].attributes["role"] == "img")
    }
}
