// The surfaces of drawn objects: patterns in the object's own coordinates, so that they turn and
// grow with it.
import Tensors

/// The pattern of an object.
public enum DrawnSurface: String, CaseIterable, Sendable {
    /// Parallel stripes.
    case striped
    /// Round dots in rows.
    case dotted
    /// One colour.
    case plain
    /// A chessboard's squares.
    case checked
    /// Rings around one point.
    case rippled
    /// Fine grains.
    case speckled
    /// Large soft patches.
    case marbled
}

/// A surface with a random direction, scale and offset.
struct DrawnPattern {
    private let surface: DrawnSurface
    /// The number of periods of the pattern in one unit of the object's coordinates.
    private let scale: Float
    /// The direction of the pattern's first axis.
    private let axis: (x: Float, y: Float)
    /// The offsets along both axes, in periods; so large that all coordinates of the pattern are positive.
    private let offset: (x: Float, y: Float)

    /// Draws direction, offset and scale of a pattern from `stream`.
    init(_ surface: DrawnSurface, _ stream: inout RandomStream) {
        self.surface = surface
        axis = DrawnTurn.direction(1, &stream)
        offset = (32 + 16 * stream.uniform(), 32 + 16 * stream.uniform())
        let range: ClosedRange<Float> =
            switch surface {
            case .striped: 2.5...4.0
            case .dotted, .checked: 2.0...3.2
            case .rippled: 2.5...4.0
            case .speckled: 8.0...11.0
            case .marbled: 3.0...4.5
            case .plain: 1...1
            }
        scale = stream.uniform(in: range)
    }

    /// Returns the pattern's value, in -1...1, at the point (x, y) of the object.
    func value(_ x: Float, _ y: Float, _ tile: NoiseTile) -> Float {
        if surface == .plain { return 0 }
        if surface == .rippled {
            // The rings surround a random point near the centre of the object.
            let dx = x + (offset.x - 40) * 0.04, dy = y + (offset.y - 40) * 0.04
            return Self.wave((dx * dx + dy * dy).squareRoot() * scale + 1)
        }
        let u = (x * axis.x + y * axis.y) * scale + offset.x
        let v = (y * axis.x - x * axis.y) * scale + offset.y
        switch surface {
        case .striped: return Self.wave(u)
        case .checked: return Self.wave(u) * Self.wave(v)
        case .dotted:
            let across = Self.part(u) - 0.5, down = Self.part(v) - 0.5
            return Self.clamped(6 * (0.3 - (across * across + down * down).squareRoot()))
        case .speckled: return Self.clamped(3.5 * (tile.value(u, v) - 0.5))
        case .marbled: return Self.clamped(5 * (tile.value(u, v) - 0.5))
        case .plain, .rippled: return 0
        }
    }

    /// Returns the value at `place` of a wave with period 1, flat tops and values in -1...1. `place` is at least 0.
    private static func wave(_ place: Float) -> Float {
        clamped(2 * (abs(4 * part(place) - 2) - 1))
    }

    private static func part(_ place: Float) -> Float { place - Float(Int32(place)) }

    private static func clamped(_ value: Float) -> Float { min(1, max(-1, value)) }
}

/// Draws directions without trigonometric functions, because the last bits of these functions differ between machines.
enum DrawnTurn {
    /// Draws a unit vector whose angle to (1, 0) is limited in both directions. `most` is the tangent of half this
    /// limit: 1 allows a quarter turn.
    static func direction(
        _ most: Float, _ stream: inout RandomStream
    ) -> (x: Float, y: Float) {
        let t = most * (2 * stream.uniform() - 1)
        return ((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t))
    }
}
