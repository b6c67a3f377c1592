// Legends: nothing overlaps, nothing leaves its room.

import Testing

@testable import Charts

@Suite struct LegendTests {
    @Test(
        "the words of a legend do not overlap each other or the marks", arguments: [120, 300, 640])
    func rows(width: Int) throws {
        let names = [
            "loss", "distillation loss", "largest, held-out images", "a", "middle, held-out images",
            String(repeating: "a name far too long for one row ", count: 9), "smallest",
        ]
        let items = names.map { name in
            Legend.Item(words: name) { drawing, x, y in
                drawing.rect("fill s0", x - 10, y - 5, 20, 10)
            }
        }
        for first in [nil, 90.0, 500] {
            let legend = Legend(items, from: 16, to: Double(width), first: first)
            var drawing = Drawing(width: Double(width))
            legend.draw(&drawing, 20)
            let picture = try Picture("<svg>" + drawing.parts.joined() + "</svg>")
            let words = picture.places
            #expect(words.count == names.count)
            for (one, next) in zip(words, words.dropFirst()) where one.y == next.y {
                #expect(next.from - Legend.mark >= one.to, "\(one) \(next)")
            }
            #expect(words.allSatisfy { $0.to <= Double(width) + 0.01 })
            #expect(Set(words.map(\.y)).count <= legend.rows)
            #expect(legend.height == Legend.row * Double(legend.rows))
        }
        #expect(Legend([], from: 0, to: 10).height == 0)
    }
}
