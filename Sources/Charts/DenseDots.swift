// Thousands of points in few bytes: the dots are one path, and a grid of invisible squares tells what lies in each.

/// Draws very many points.
enum DenseDots {
    /// The largest number of points that are elements of their own.
    static let few = 1000
    /// The side of a square with a tip in pixels, and the number of points that its tip names.
    private static let side = 16.0, named = 3

    /// A square of the grid.
    private struct Place: Hashable {
        let row, column: Int
    }

    /// Draws the points; `tip` tells what one point is.
    static func draw(
        _ points: [ScatterChart.Point], _ colour: String, _ drawing: inout Drawing,
        _ x: ChartScale, _ y: ChartScale, tip: (ScatterChart.Point) -> String
    ) {
        var path = "", intervals = "", seen = Set<Place>()
        let n = ChartText.number
        var squares: [Place: [Int]] = [:]
        for (index, point) in points.enumerated() {
            let at = (x: x(point.x), y: y(point.y))
            // Dots on one pixel look like one dot.
            let pixel = Place(row: Int(at.y.rounded()), column: Int(at.x.rounded()))
            if seen.insert(pixel).inserted { path += "M\(pixel.column) \(pixel.row)h0" }
            if point.deviation > 0 {
                intervals +=
                    "M\(n(at.x)) \(n(y(point.y + point.deviation)))V\(n(y(point.y - point.deviation)))"
            }
            let square = Place(row: Int(at.y / side), column: Int(at.x / side))
            squares[square, default: []].append(index)
        }
        if !intervals.isEmpty { drawing.path("bar \(colour)", intervals) }
        drawing.path("dots \(colour)", path)
        for (square, members) in squares.sorted(by: {
            ($0.key.row, $0.key.column) < ($1.key.row, $1.key.column)
        }) {
            // The highest points are those of interest.
            let best = members.sorted { (points[$1].y, $0) < (points[$0].y, $1) }
            var words = best.prefix(named).map { tip(points[$0]) }
            if members.count > named { words.append("and \(members.count - named) more") }
            drawing.rect(
                "hit", Double(square.column) * side, Double(square.row) * side, side, side,
                tip: words.joined(separator: "; "))
        }
    }
}
