// The outlines of drawn objects as signed distances: negative inside, positive outside. Objects are about as large as
// the unit circle. The code uses only comparisons, + - * / and square roots, whose results IEEE 754 defines to the last
// bit.

/// The shape of an object.
public enum DrawnOutline: String, CaseIterable, Sendable {
    /// A circle, filled.
    case disc
    /// A circle with a round hole.
    case ring
    /// A square, filled.
    case square
    /// Three equal sides.
    case triangle
    /// Two crossed bars.
    case cross
    /// A disc with a round bite.
    case crescent
    /// Four points with hollow sides between them.
    case star
    /// Two lobes above a point.
    case heart
    /// A disc below a point.
    case drop
    /// A half ring on two legs.
    case arch
    /// A square with a square hole.
    case frame
    /// A bar with round ends.
    case pill

    /// No outline reaches farther than this from the centre, horizontally or vertically, at any angle by which objects
    /// may be turned.
    static let reach: Float = 1.2

    /// Returns roughly the signed distance of the point (x, y) from the outline; y grows downwards.
    func distance(_ x: Float, _ y: Float) -> Float {
        switch self {
        case .disc: return Self.length(x, y) - 0.85
        case .ring: return abs(Self.length(x, y) - 0.68) - 0.24
        case .square: return max(abs(x), abs(y)) - 0.74
        case .triangle: return max(0.866 * abs(x) - 0.5 * y, y) - 0.5
        case .cross:
            let wide = abs(x), high = abs(y)
            return min(max(wide - 1, high - 0.3), max(wide - 0.3, high - 1))
        case .crescent:
            return max(Self.length(x, y) - 0.95, 0.72 - Self.length(x - 0.46, y))
        case .star:
            // The curve √|x| + √|y| = 1.05, whose four points lie at a distance of 1.1 from the centre.
            return (abs(x).squareRoot() + abs(y).squareRoot() - 1.05) * 0.6
        case .heart:
            // A square that stands on a corner, and a disc on each of its upper sides.
            let u = 0.707 * (x - y + 0.2), v = 0.707 * (-x - y + 0.2)
            let side: Float = 0.56
            let square = max(abs(u), abs(v)) - side
            let discs = min(Self.length(u - side, v), Self.length(u, v - side)) - side
            return min(square, discs)
        case .drop:
            // A disc, and two tangents of the disc that meet above it.
            let cone = max(0.898 * abs(x) - 0.44 * (y + 1.05), y + 0.05)
            return min(Self.length(x, y - 0.3) - 0.6, cone)
        case .arch:
            let bow = max(abs(Self.length(x, y + 0.2) - 0.66) - 0.24, y + 0.2)
            let legs = max(abs(abs(x) - 0.66) - 0.24, max(-y - 0.2, y - 0.75))
            return min(bow, legs)
        case .frame: return abs(max(abs(x), abs(y)) - 0.66) - 0.2
        case .pill: return Self.length(max(abs(x) - 0.68, 0), y) - 0.34
        }
    }

    private static func length(_ x: Float, _ y: Float) -> Float {
        (x * x + y * y).squareRoot()
    }
}
