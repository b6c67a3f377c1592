// Contact sheets: which pictures are chosen, and where they stand.
import Foundation
import Testing

@testable import Datasets

@Suite struct ContactSheetTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Grey images of one size, whose pixels are all their number.
    private func shard(_ labels: [UInt8], size: Int, classes: Int) throws -> ImageShard {
        let images = labels.indices.flatMap {
            [UInt8](repeating: UInt8($0), count: size * size)
        }
        let bytes = try ImageShard.encode(
            images: images, labels: labels,
            layout: .init(
                count: labels.count, height: size, width: size, channels: 1, classes: classes))
        return try ImageShard(try scratch.file("shard", bytes))
    }

    @Test("pictures are spread evenly over each class, and small classes are shown whole")
    func chosen() throws {
        let labels = (0..<60).map { UInt8($0 < 48 ? 0 : $0 < 51 ? 1 : 2) }
        let sheet = ContactSheet(
            try shard(labels, size: 4, classes: 4), perClass: 8, mostClasses: 200, tile: 8)
        #expect(sheet.rows.map(\.count) == [48, 3, 9, 0])
        #expect(sheet.rows[0].pictures == [5, 11, 17, 23, 29, 35, 41, 47])
        #expect(sheet.rows[1].pictures == [48, 49, 50])
        #expect(sheet.rows[2].pictures.count == 8 && sheet.rows[3].pictures.isEmpty)
        #expect(sheet.columns == 1 && sheet.rowsEach == 4)
    }

    @Test("a picture stands at the row of its class, enlarged by a whole factor and centred")
    func places() throws {
        let source = try shard([0, 1, 1, 0], size: 3, classes: 2)
        let sheet = ContactSheet(source, perClass: 2, mostClasses: 2, tile: 8)
        let page = try PictureDecoder(channels: 1).decode(try sheet.png(source))
        #expect(page.width == 4 + 2 * 12 && page.height == 4 + 2 * 12)
        func pixel(_ x: Int, _ y: Int) -> UInt8 { page.pixels[y * page.width + x] }
        // Tiles of 8 pixels hold pictures of 6, one pixel from each edge.
        #expect(pixel(4, 4) == 255 && pixel(5, 5) == 0 && pixel(10, 10) == 0)
        #expect(pixel(11, 11) == 255 && pixel(17, 5) == 3)
        #expect(pixel(5, 17) == 1 && pixel(17, 17) == 2)
    }

    @Test("many classes stand in several columns, and only the first ones are shown")
    func columns() throws {
        let labels = (0..<250).map { UInt8($0) }
        let source = try shard(labels, size: 2, classes: 250)
        let sheet = ContactSheet(source, perClass: 2, mostClasses: 200, tile: 2)
        #expect(sheet.rows.count == 200 && sheet.columns == 10 && sheet.rowsEach == 20)
        let page = try PictureDecoder(channels: 1).decode(try sheet.png(source))
        #expect(page.height == 4 + 20 * 6 && page.width == 10 * (2 * 6 + 24) - 24 + 4)
        // Class 21 stands second in the second column.
        let x = 4 + 36, y = 4 + 6
        #expect(page.pixels[y * page.width + x] == 21)
    }
}
