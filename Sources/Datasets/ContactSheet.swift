// ContactSheet: a page with some stored pictures of each class, so that people can look at a data
// set before they train on it.
import Intake

/// A page of pictures with a row for each class. The rows are arranged in one or more columns.
public struct ContactSheet: Sendable {
    /// A row: pictures of one class.
    public struct Row: Sendable, Equatable {
        /// The index of the class.
        public let label: Int
        /// The indices in the source of the pictures in this row.
        public let pictures: [Int]
        /// The number of all pictures of the class in the source.
        public let count: Int
    }

    /// The rows, in the order of the classes.
    public let rows: [Row]
    /// The number of columns, and the number of rows in each column but the last.
    public let columns, rowsEach: Int
    private let perClass: Int
    private let tile: Int

    private static let gap = 4, columnGap = 24
    private static let paper: UInt8 = 255

    /// Chooses at most `perClass` pictures of each of the first `mostClasses` classes, at even intervals among the
    /// pictures of the class. On the page a picture takes at most `tile` × `tile` pixels.
    public init(
        _ source: any ImageSource, perClass: Int = 8, mostClasses: Int = 1000, tile: Int = 96
    ) {
        precondition(perClass > 0 && mostClasses > 0 && tile > 0, "an empty sheet")
        let shown = min(source.classCount, mostClasses)
        var counts = Array(repeating: 0, count: source.classCount)
        for picture in 0..<source.count { counts[source.label(picture)] += 1 }
        var seen = Array(repeating: 0, count: shown)
        var chosen = [[Int]](repeating: [], count: shown)
        for picture in 0..<source.count {
            let label = source.label(picture)
            guard label < shown else { continue }
            // Chooses a picture whenever `place * most / count`, rounded down, grows, so that the chosen pictures are
            // evenly spaced.
            let place = seen[label], count = counts[label], most = min(perClass, count)
            seen[label] += 1
            if (place + 1) * most / count > place * most / count { chosen[label].append(picture) }
        }
        rows = (0..<shown).map { Row(label: $0, pictures: chosen[$0], count: counts[$0]) }
        // The page becomes about as wide as high.
        columns = max(
            1, Int((Double(shown) / Double(perClass)).squareRoot().rounded(.toNearestOrEven)))
        rowsEach = max(1, (shown + columns - 1) / columns)
        self.perClass = perClass
        self.tile = tile
    }

    /// Returns the page as a PNG file.
    ///
    /// Errors: those of reading pictures, naming the picture.
    public func png(_ source: any ImageSource) throws -> [UInt8] {
        let step = tile + Self.gap
        let columnWidth = perClass * step + Self.columnGap
        let width = columns * columnWidth - Self.columnGap + Self.gap
        let height = rowsEach * step + Self.gap
        let channels = source.channels == 1 ? 1 : 3
        var page = [UInt8](repeating: Self.paper, count: width * height * channels)
        for (number, row) in rows.enumerated() {
            let top = Self.gap + number % rowsEach * step
            let left = Self.gap + number / rowsEach * columnWidth
            for (place, picture) in row.pictures.enumerated() {
                let small = try Self.small(source, picture, tile)
                // The picture is centred in its tile.
                let y = top + (tile - small.height) / 2
                let x = left + place * step + (tile - small.width) / 2
                let line = small.width * channels
                for row in 0..<small.height {
                    let start = ((y + row) * width + x) * channels
                    page.replaceSubrange(
                        start..<start + line, with: small.pixels[row * line..<(row + 1) * line])
                }
            }
        }
        return try PictureEncoder.png(page, width: width, height: height, channels: channels)
    }

    /// Returns a picture that fits into a tile: scaled down, or enlarged by a factor that is an integer.
    private static func small(
        _ source: any ImageSource, _ picture: Int, _ tile: Int
    ) throws -> DecodedPicture {
        let decoder = PictureDecoder(channels: source.channels == 1 ? 1 : 3)
        func view(_ width: Int, _ height: Int) -> PictureView {
            let longer = max(width, height)
            let (up, down) = longer <= tile ? (tile / longer, 1) : (tile, longer)
            return PictureView(
                width: width, height: height, resizedWidth: max(1, width * up / down),
                resizedHeight: max(1, height * up / down))
        }
        if let shard = source as? ImageShard {
            let layout = shard.layout
            return try decoder.view(
                pixels: shard.image(picture), width: layout.width, height: layout.height,
                channels: layout.channels, view)
        }
        guard let set = source as? PictureSet else {
            throw DatasetError(.wrongFormat, "images of a source that has no pictures")
        }
        return try set.withPicture(picture) { try decoder.view($0, isChecked: false, view) }
    }
}
