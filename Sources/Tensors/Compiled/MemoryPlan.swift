// Places the maps of a pass in one array, such that maps that are needed at the same time do not overlap.

/// The maps of a pass, by the number of their creation; steps are numbered in the order in which they run.
struct MemoryPlan {
    private struct Span {
        /// Floats for one image.
        let floats: Int
        let born: Int
        var lastUse: Int
    }

    private var spans: [Span] = []

    /// Adds a map of `floats` floats an image that step `step` writes. Returns its number.
    mutating func add(_ floats: Int, step: Int) -> Int {
        spans.append(Span(floats: floats, born: step, lastUse: step))
        return spans.count - 1
    }

    /// Records that step `step` reads map `number`.
    mutating func use(_ number: Int, step: Int) {
        spans[number].lastUse = max(spans[number].lastUse, step)
    }

    /// Returns the offset of every map, and the size of the array, for maps of `images` images. Each map gets the lowest
    /// place that is free from the step that writes it to the last that reads it, so that recently used memory, which is
    /// in cache, is used again.
    func placed(images: Int = 1) -> (offsets: [Int], floats: Int) {
        var offsets: [Int] = [], floats = 0
        let sizes = spans.map { Workspace.rounded(images * $0.floats) }
        for (number, span) in spans.enumerated() {
            let taken = (0..<number).filter {
                spans[$0].lastUse >= span.born && spans[$0].born <= span.lastUse
            }.map { offsets[$0]..<offsets[$0] + sizes[$0] }
                .sorted { $0.lowerBound < $1.lowerBound }
            var place = 0
            for range in taken where range.upperBound > place {
                if range.lowerBound >= place + sizes[number] { break }
                place = range.upperBound
            }
            offsets.append(place)
            floats = max(floats, place + sizes[number])
        }
        return (offsets, floats)
    }
}
