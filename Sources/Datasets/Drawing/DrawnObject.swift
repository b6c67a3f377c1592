// One object of a drawn picture: an outline filled with a pattern, lit from one side.
import Tensors

/// An object with its position in the picture.
struct DrawnObject {
    let outline: DrawnOutline
    let pattern: DrawnPattern
    let colour: SIMD4<Float>
    /// The centre, and the length of one unit of the object's coordinates, both in pixels.
    let centre: (x: Float, y: Float), radius: Float
    /// The direction of the object's first axis, and the factor by which the object is stretched along this axis.
    let axis: (x: Float, y: Float), stretch: Float
    /// The largest share by which the pattern makes the colour lighter or darker.
    let contrast: Float
    /// The changes of brightness over one unit of the object's coordinates, along both axes.
    let light: (x: Float, y: Float)
    /// Whether the object casts a shadow.
    let hasShadow: Bool

    /// Takes the given properties, and draws the others from `stream`: pattern, direction, stretch, contrast and light.
    init(
        _ outline: DrawnOutline, _ surface: DrawnSurface, colour: SIMD4<Float>,
        centre: (x: Float, y: Float), radius: Float, contrast: ClosedRange<Float>,
        hasShadow: Bool, _ stream: inout RandomStream
    ) {
        self.outline = outline
        self.colour = colour
        self.centre = centre
        self.radius = radius
        self.hasShadow = hasShadow
        pattern = DrawnPattern(surface, &stream)
        axis = DrawnTurn.direction(0.3, &stream)
        stretch = stream.uniform(in: 0.8...1.25)
        self.contrast = stream.uniform(in: contrast)
        light = (stream.uniform(in: -0.3...0.3), stream.uniform(in: -0.3...0.3))
    }
}

extension DrawnCanvas {
    /// Draws an object and its shadow over the pixels drawn so far.
    mutating func draw(_ object: DrawnObject, _ tile: NoiseTile) {
        let reach = object.radius * DrawnOutline.reach * max(1, object.stretch)
        let (cx, cy) = (object.centre.x, object.centre.y)
        let rows = Self.range(cy - reach, cy + reach, below: height)
        let columns = Self.range(cx - reach, cx + reach, below: width)
        let perX = 1 / (object.radius * object.stretch), perY = 1 / object.radius
        let (ax, ay) = object.axis
        for row in rows {
            let dy = Float(row) + 0.5 - cy
            for column in columns {
                let dx = Float(column) + 0.5 - cx
                let x = (dx * ax + dy * ay) * perX, y = (dy * ax - dx * ay) * perY
                let place = row * width + column
                let cover = 0.5 - object.outline.distance(x, y) * object.radius
                if cover < 1, object.hasShadow {
                    let shadow = min(
                        1, max(0, 0.5 - 5 * object.outline.distance(x - 0.09, y - 0.12)))
                    pixels[place] *= 1 - 0.45 * shadow
                }
                guard cover > 0 else { continue }
                let shade =
                    (1 + object.light.x * x + object.light.y * y)
                    * (1 + object.contrast * object.pattern.value(x, y, tile))
                let before = pixels[place]
                pixels[place] = before + (object.colour * shade - before) * min(1, cover)
            }
        }
    }

    private static func range(_ low: Float, _ high: Float, below count: Int) -> Range<Int> {
        let first = max(0, Int(max(0, low))), last = min(count, Int(max(0, high)) + 1)
        return first..<max(first, last)
    }
}
