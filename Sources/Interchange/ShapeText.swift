// Shapes in messages: a file may state one with any number of extents.

/// Writes shapes for messages.
enum ShapeText {
    /// The most extents of a tensor.
    static let mostExtents = 16

    /// Returns `[64, 3, 7, 7]`; of a longer shape the first sixteen extents and `…`.
    static func shown(_ shape: [Int]) -> String {
        let extents =
            shape.prefix(mostExtents).map(String.init)
            + (shape.count > mostExtents ? ["…"] : [])
        return "[\(extents.joined(separator: ", "))]"
    }
}
