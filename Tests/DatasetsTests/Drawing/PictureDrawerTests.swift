// Drawn pictures: the same pixels everywhere, whatever was drawn before, and classes that differ.
import Tensors
import Testing

@testable import Datasets

@Suite struct PictureDrawerTests {
    @Test("pictures have the same pixels on every machine, whatever was drawn before them")
    func pixels() {
        var drawer = PictureDrawer(seed: 1)
        var all: [UInt8] = []
        for index in [0, 5, 71] {
            for part in [DatasetPart.train, .test] {
                let picture = drawer.picture(part, class: index, number: index)
                var other = PictureDrawer(seed: 1)
                #expect(other.picture(part, class: index, number: index) == picture)
                all += picture.pixels
            }
        }
        #expect(
            sha256(all)
                == "0501945d4f626f7bff31ed93b8985928be696aa0a551c0a80da3295a2d0cc10d")
    }

    @Test("part, class, number and seed all change a picture")
    func draws() {
        var first = PictureDrawer(seed: 1), second = PictureDrawer(seed: 2)
        let pictures = [
            first.picture(.train, class: 0, number: 0), first.picture(.test, class: 0, number: 0),
            first.picture(.train, class: 1, number: 0), first.picture(.train, class: 0, number: 1),
            second.picture(.train, class: 0, number: 0),
        ]
        for (place, picture) in pictures.enumerated() {
            #expect(!pictures.prefix(place).contains { $0.pixels == picture.pixels })
        }
    }

    @Test("the longer side has 200 to 400 pixels, or every picture has the size that is asked for")
    func sizes() {
        var drawer = PictureDrawer(seed: 3)
        let pictures = (0..<100).map { drawer.picture(.train, class: $0 % 72, number: $0) }
        for picture in pictures {
            #expect((200...400).contains(max(picture.width, picture.height)))
            #expect(min(picture.width, picture.height) >= 130)
            #expect(picture.pixels.count == picture.width * picture.height * 3)
        }
        #expect(pictures.contains { $0.width > $0.height })
        #expect(pictures.contains { $0.width < $0.height })
        var exact = PictureDrawer(seed: 3, size: (40, 30))
        let small = exact.picture(.train, class: 3, number: 0)
        #expect(small.width == 40 && small.height == 30 && small.pixels.count == 3600)
    }

    @Test("files have 15 kB on average, give or take 4, and can be decoded")
    func files() throws {
        var drawer = PictureDrawer(seed: 4)
        let decoder = PictureDecoder()
        var bytes = 0
        for number in 0..<50 {
            let picture = drawer.picture(.train, class: number, number: number)
            let file = try picture.jpeg()
            bytes += file.count
            let decoded = try decoder.decode(file)
            #expect(decoded.width == picture.width && decoded.height == picture.height)
        }
        #expect((11_000...19_000).contains(bytes / 50), "\(bytes / 50) bytes on average")
    }

    @Test("each class has a name and a pair of outline and surface of its own")
    func classes() {
        let classes = (0..<DrawnClass.count).map(DrawnClass.init)
        #expect(Set(classes.map(\.name)).count == 72)
        #expect(classes.prefix(3).map(\.name) == ["striped-disc", "dotted-disc", "plain-ring"])
        #expect(Set(classes.prefix(24).map(\.outline)).count == 12)
    }

    @Test("an outline encloses something, and reaches no further than an object's box")
    func outlines() {
        for outline in DrawnOutline.allCases {
            var inside = 0
            for row in -40...40 {
                for column in -40...40 {
                    let x = Float(column) / 20, y = Float(row) / 20
                    guard outline.distance(x, y) < 0 else { continue }
                    inside += 1
                    #expect(max(abs(x), abs(y)) <= DrawnOutline.reach, "\(outline)")
                }
            }
            // A twentieth of a unit's square is 400 points.
            #expect(inside > 200, "\(outline): \(inside)")
        }
    }
}
