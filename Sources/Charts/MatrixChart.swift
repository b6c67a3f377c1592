// A matrix of counts, such as a confusion matrix: a row for each actual class, a column for each predicted one.

/// A chart of a matrix.
public struct MatrixChart: Chart {
    /// A cell that is not empty.
    public struct Cell: Sendable {
        let row, column: Int
        let text, tip: String
        let share: Double
        let isRight: Bool

        /// Makes a cell; `share` is its part of its row from 0 to 1, which its colour tells.
        public init(
            row: Int, column: Int, text: String, share: Double, isRight: Bool, tip: String
        ) {
            (self.row, self.column, self.text, self.tip) = (row, column, text, tip)
            self.share = share.isFinite ? max(0, min(1, share)) : 0
            self.isRight = isRight
        }

        /// The level of the colour. Levels rise with the square root of the share, so that rare cells are seen.
        var level: Int { min(3, Int(share.squareRoot() * 4)) }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let names: [String]
    private let cells: [Cell]
    private let rowCaption, columnCaption: String

    /// The largest number of rows with which the chart shows names and texts.
    public static let mostNamed = 40

    /// Makes a chart with a row and a column for each name.
    public init(
        title: String, summary: String? = nil, rowCaption: String, columnCaption: String,
        names: [String], cells: [Cell]
    ) {
        self.title = title
        (self.rowCaption, self.columnCaption, self.names) = (rowCaption, columnCaption, names)
        self.cells = cells.filter {
            names.indices.contains($0.row) && names.indices.contains($0.column)
        }
        let right = self.cells.count(where: \.isRight)
        self.summary =
            summary
            ?? "\(names.count) rows (\(rowCaption)) and columns (\(columnCaption)); \(right) right and"
            + " \(self.cells.count - right) wrong cells are not empty."
    }

    // MARK: Drawing

    /// Returns the drawing in one size. On narrow charts cells without room for texts show them as tips only.
    public func drawing(_ size: ChartSize) -> Drawing {
        let count = Double(max(1, names.count))
        let longest = names.map { ChartText.width($0) }.max() ?? 0
        let isFew = names.count <= Self.mostNamed
        let room = min(longest, size == .wide ? 128 : 76)
        var left = isFew ? room + 34 : 34
        var side =
            size == .wide
            ? (isFew ? 32.0 : max(1, 800 / count)) : (size.width - left - 12) / count
        let isNamed = isFew && side >= 11
        if !isNamed {
            left = 34
            if size == .narrow { side = (size.width - left - 12) / count }
        }
        let hasTexts = isFew && side >= 24
        let top = (isNamed ? room + 10 : 8) + 22
        var drawing = Drawing(
            width: size == .wide ? max(340, left + side * count + 16) : size.width)
        drawing.height = top + side * count + 14
        drawing.fit = .natural
        let middle = (x: left + side * count / 2, y: top + side * count / 2)
        drawing.text(
            middle.x, 16, columnCaption, anchor: .middle, style: "cap",
            fit: 2 * min(middle.x, drawing.width - middle.x) - 8)
        drawing.text(
            16, middle.y, rowCaption, anchor: .middle, style: "cap",
            fit: 2 * min(middle.y, drawing.height - middle.y) - 8, isUpright: true)
        for cell in cells {
            draw(
                cell, &drawing, x: left + side * Double(cell.column),
                y: top + side * Double(cell.row), side, hasTexts: hasTexts)
        }
        if isNamed {
            for (place, name) in names.enumerated() {
                let middle = side * (Double(place) + 0.5) + 4
                drawing.text(left - 6, top + middle, name, anchor: .end, fit: room)
                drawing.text(left + middle, top - 6, name, fit: room, isUpright: true)
            }
        }
        let n = ChartText.number, whole = n(side * count)
        drawing.path("axis", "M\(n(left)) \(n(top))h\(whole)v\(whole)h-\(whole)z")
        return drawing
    }

    private func draw(
        _ cell: Cell, _ drawing: inout Drawing, x: Double, y: Double, _ side: Double,
        hasTexts: Bool
    ) {
        // Without room for a border between cells, the border would hide them.
        let style = side < 6 ? "dot" : "cell"
        drawing.rect(
            "\(style) \(cell.isRight ? "r" : "w")\(cell.level)", x, y, side, side, tip: cell.tip)
        guard hasTexts else { return }
        drawing.text(
            x + side / 2, y + side / 2 + 4, cell.text, anchor: .middle,
            style: cell.level == 0 ? "small first" : "small count", fit: side,
            size: ChartText.smallSize)
    }
}
