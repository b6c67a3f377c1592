// Draws pictures that serve as a substitute for photographs: an object of the class on a textured background, among
// smaller objects, in varying light, with noise. Seed, part, class and number determine a picture, which has the same
// pixels on every machine.
import Tensors

/// A class of drawn pictures: a pair of outline and surface. Classes 2n and 2n + 1 have the same outline, so a network
/// must also distinguish surfaces. From class 24 on, outlines are repeated, with other surfaces.
public struct DrawnClass: Sendable, Equatable {
    /// The number of classes: six surfaces for every outline.
    public static let count = 6 * DrawnOutline.allCases.count

    /// The outline of the class's objects.
    public let outline: DrawnOutline
    /// The surface of the class's objects.
    public let surface: DrawnSurface
    /// The mean hue of the class's objects; a full turn of the colour wheel is 1.
    let hue: Float

    /// Makes class `number`, which is in 0 ..< `count`.
    public init(_ number: Int) {
        precondition((0..<Self.count).contains(number), "class \(number)")
        let outlines = DrawnOutline.allCases, surfaces = DrawnSurface.allCases
        outline = outlines[number / 2 % outlines.count]
        surface = surfaces[(number - number / (2 * outlines.count)) % surfaces.count]
        // Steps of the golden ratio keep the hues of successive classes apart.
        hue = Float(number) * 0.618_034
    }

    /// The name of the class, such as `striped-disc`.
    public var name: String { "\(surface)-\(outline)" }
}

/// A drawn picture.
public struct DrawnPicture: Sendable, Equatable {
    /// The size in pixels.
    public let width, height: Int
    /// The bytes, (height, width, 3): red, green and blue.
    public let pixels: [UInt8]
    /// The quality, 70...90, with which `jpeg` encodes the picture.
    public let quality: Int

    /// Returns the bytes of a JPEG file of this picture.
    public func jpeg() throws -> [UInt8] {
        try PictureEncoder.jpeg(pixels, width: width, height: height, quality: quality)
    }
}

/// Draws pictures, one after the other; each thread needs a drawer of its own.
public struct PictureDrawer {
    /// The seed of all pictures.
    public let seed: UInt64
    /// The width and height of all pictures. If nil, each picture has a random size, whose longer side has 200 to 400
    /// pixels.
    public let size: (width: Int, height: Int)?
    private var canvas = DrawnCanvas()
    private var tile = NoiseTile()

    /// Takes the seed and the size; draws nothing yet.
    public init(seed: UInt64, size: (width: Int, height: Int)? = nil) {
        self.seed = seed
        self.size = size
    }

    /// Draws picture `number` of class `index` in a part.
    public mutating func picture(
        _ part: DatasetPart, class index: Int, number: Int
    ) -> DrawnPicture {
        let partNumber = DatasetPart.allCases.firstIndex(of: part) ?? 0
        var stream = RandomStream(seed: seed, partNumber, index, number)
        let (width, height) = size ?? Self.size(&stream)
        canvas.resize(width: width, height: height)
        tile.draw(&stream)
        canvas.drawBackground(tile, &stream)
        let short = Float(min(width, height))
        for _ in 0..<2 + stream.below(4) {
            let centre = (Float(width) * stream.uniform(), Float(height) * stream.uniform())
            drawOther(centre, radius: short * stream.uniform(in: 0.05...0.13), &stream)
        }
        let drawn = DrawnClass(index)
        let colour = DrawnColour.of(
            hue: drawn.hue + 1 + 0.3 * (stream.uniform() + stream.uniform() - 1),
            saturation: stream.uniform(in: 0.35...0.9), value: stream.uniform(in: 0.5...0.95))
        let radius = short * stream.uniform(in: 0.27...0.45)
        let centre = (
            Float(width) * (0.5 + 0.26 * (stream.uniform() - 0.5)),
            Float(height) * (0.5 + 0.26 * (stream.uniform() - 0.5))
        )
        canvas.draw(
            DrawnObject(
                drawn.outline, drawn.surface, colour: colour, centre: centre, radius: radius,
                contrast: 0.3...0.6, hasShadow: true, &stream), tile)
        if stream.uniform() < 0.3 {
            let place = (
                centre.0 + radius * (2 * stream.uniform() - 1),
                centre.1 + radius * (2 * stream.uniform() - 1)
            )
            drawOther(place, radius: radius * stream.uniform(in: 0.15...0.3), &stream)
        }
        if stream.uniform() < 0.35 { canvas.blur() }
        let quality = 70 + stream.below(21)
        return DrawnPicture(
            width: width, height: height, pixels: canvas.developed(&stream), quality: quality)
    }

    /// Draws a small object of a random outline and surface, which are independent of the picture's class.
    private mutating func drawOther(
        _ centre: (x: Float, y: Float), radius: Float, _ stream: inout RandomStream
    ) {
        let outline = DrawnOutline.allCases[stream.below(DrawnOutline.allCases.count)]
        let surface = DrawnSurface.allCases[stream.below(DrawnSurface.allCases.count)]
        let colour = DrawnColour.any(saturation: 0.2...0.8, value: 0.3...0.9, &stream)
        canvas.draw(
            DrawnObject(
                outline, surface, colour: colour, centre: centre, radius: radius,
                contrast: 0.1...0.4, hasShadow: false, &stream), tile)
    }

    private static func size(_ stream: inout RandomStream) -> (width: Int, height: Int) {
        let long = 200 + stream.below(201)
        let short = long * [12, 9, 9, 8, 10][stream.below(5)] / 12
        return stream.below(5) < 3 ? (long, short) : (short, long)
    }
}
