// The legend of a chart: marks with their meanings in rows, as many in a row as fit by their measured widths.

/// The legend of a chart.
struct Legend {
    /// A mark with its meaning.
    struct Item {
        let words: String
        /// Draws the mark around a point that is 12 pixels right of the beginning of its room of 24 pixels.
        let draw: @Sendable (inout Drawing, _ x: Double, _ y: Double) -> Void
    }

    /// A row's height, the room of a mark, and the gap between items in pixels.
    static let row = 18.0, mark = 24.0, gap = 16.0

    private var places: [(item: Item, x: Double, row: Int, room: Double)] = []
    /// The number of rows.
    private(set) var rows = 0

    /// Arranges the items between `left` and `right`; the first row begins at `first`, which lies right of other words.
    init(_ items: [Item], from left: Double, to right: Double, first: Double? = nil) {
        var x = first ?? left
        rows = items.isEmpty ? 0 : 1
        for item in items {
            let width = Self.mark + ChartText.width(item.words)
            if x > left && x + width > right {
                x = left
                // A first row without room for any item holds the other words alone.
                rows += 1
            }
            places.append((item, x, rows - 1, right - x - Self.mark))
            x += min(width, right - x) + Self.gap
        }
    }

    /// The height in pixels.
    var height: Double { Self.row * Double(rows) }

    /// Draws the legend; `y` is the base line of its first row.
    func draw(_ drawing: inout Drawing, _ y: Double) {
        for place in places {
            let base = y + Self.row * Double(place.row)
            place.item.draw(&drawing, place.x + 10, base - 4)
            drawing.text(place.x + Self.mark, base, place.item.words, fit: place.room)
        }
    }
}
