// Matrices: names and texts where there is room, colours by level, and tips always.

import Testing

@testable import Charts

@Suite struct MatrixChartTests {
    private func chart(_ count: Int) -> MatrixChart {
        MatrixChart(
            title: "t", rowCaption: "actual", columnCaption: "predicted",
            names: (0..<count).map { "class \($0)" },
            cells: (0..<count).flatMap { row in
                [
                    .init(
                        row: row, column: row, text: "90", share: 0.9, isRight: true,
                        tip: "class \(row) taken for itself"),
                    .init(
                        row: row, column: (row + 1) % count, text: "1", share: 0.01, isRight: false,
                        tip: "class \(row) taken for another"),
                ]
            })
    }

    @Test("few classes have names and texts, many have tips only", arguments: ChartSize.allCases)
    func named(size: ChartSize) throws {
        let few = try Picture(chart(6).svg(.embedded, size))
        #expect(few.texts.filter { $0 == "class 3" }.count == 2)
        #expect(few.texts.filter { $0 == "90" }.count == 6)
        let many = try Picture(chart(41).svg(.embedded, size))
        #expect(!many.texts.contains("class 3") && !many.texts.contains("90"))
        for (picture, count) in [(few, 6), (many, 41)] {
            #expect(picture.tips.filter { $0.hasPrefix("class ") }.count == 2 * count)
            #expect(picture.texts.contains("actual") && picture.texts.contains("predicted"))
        }
    }

    @Test("right and wrong cells have colours of their own, darker with the share")
    func levels() throws {
        let picture = try Picture(chart(6).svg())
        #expect(picture.of("cell", "r3").count == 6 && picture.of("cell", "w0").count == 6)
        func level(_ share: Double) -> Int {
            MatrixChart.Cell(row: 0, column: 0, text: "", share: share, isRight: true, tip: "")
                .level
        }
        #expect([0, 0.05, 0.0625, 0.25, 0.57, 1, 2, .nan].map(level) == [0, 0, 1, 2, 3, 3, 3, 0])
    }

    @Test("each of a thousand classes has a pixel; cells outside of the matrix are left out")
    func large() throws {
        let picture = try Picture(chart(1000).svg())
        #expect(picture.elements[0].number("width") < 1100)
        #expect(picture.tips.count == 2000)
        let outside = MatrixChart(
            title: "t", rowCaption: "r", columnCaption: "c", names: ["a"],
            cells: [.init(row: 0, column: 1, text: "1", share: 1, isRight: false, tip: "x")])
        #expect(try Picture(outside.svg()).tips.isEmpty)
    }
}
