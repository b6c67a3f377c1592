// One object of a drawn picture: an outline filled with a pattern, lit from one side.
import Tensors

/// An object in its place.
struct DrawnObject {
    let outline: DrawnOutline
    let pattern: DrawnPattern
    let colour: SIMD4<Float>
    /// The centre, and the length of the object's unit, in pixels.
    let centre: (x: Float, y: Float), radius: Float
    /// The direction of its first axis, and how much longer that axis is.
    let axis: (x: Float, y: Float), stretch: Float
    /// How much the pattern changes the colour.
    let contrast: Float
    /// How the light changes over a unit.
    let light: (x: Float, y: Float)
    /// Whether it casts a shadow.
    let hasShadow: Bool

    /// Draws what is left open: the turn, the stretch, the light.
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
    /// Draws an object and its shadow over what is there.
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
